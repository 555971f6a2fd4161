"""A whole document in order, with one cost; whatever fails is answered, marked or raised."""

from __future__ import annotations

import asyncio
import string
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories_echo import BOOK, PRICE, Echo, job
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.client import InferenceFailed
from hf_ledger.ingest.doors.documents.caching import Cache, Remembered
from hf_ledger.ingest.doors.documents.job import Job, OnFailure
from hf_ledger.ingest.doors.documents.meter import Meter
from hf_ledger.ingest.doors.documents.parts import DocumentFailed, Progress
from hf_ledger.ingest.doors.documents.processing import process, stream
from hf_ledger.ingest.doors.hook.labels import current, operation
from hf_ledger.ingest.errors import Usage


def memory(most: int = 100) -> Cache:
    return Cache(b"k" * 32, Remembered(most))


def broken(text: str, before: int) -> Any:
    raise InferenceFailed("The model is overloaded (503).", 503)


# -- in order, and as one --------------------------------------------------------------------------


async def test_the_document_comes_back_in_order_whatever_the_order_of_the_answers() -> None:
    echo = Echo(delay_s=0.01)
    done = await process(BOOK, job(), echo)
    assert done.value == BOOK.upper()
    assert [part.index for part in done.parts] == list(range(len(done.parts)))
    assert "".join(BOOK[part.start : part.end] for part in done.parts) == BOOK
    assert (done.failed, done.called, done.from_cache) == ((), len(done.parts), 0)


@given(st.text(alphabet=string.ascii_letters + " .\n\t", max_size=300), st.integers(1, 60))
def test_what_says_each_chunk_again_says_the_document_again(text: str, size: int) -> None:
    async def same(task: str, inputs: Any, parameters: Any) -> str:
        return str(inputs["text"])

    done = asyncio.run(process(text, job(size=size), same))
    assert done.value == text


async def test_no_more_than_asked_for_are_under_way_at_once() -> None:
    echo = Echo(delay_s=0.005)
    await process(BOOK, job(at_once=3), echo)
    assert echo.most == 3


async def test_the_cost_is_the_sum_and_says_what_it_covers() -> None:
    done = await process(BOOK, job(), Echo())
    assert done.cost == PRICE * len(done.parts)
    assert done.coverage == 1.0
    assert sum(part.cost or 0 for part in done.parts) == done.cost


async def test_a_cost_that_is_unknown_is_not_nothing() -> None:
    done = await process(BOOK, job(), Echo(cost=None))
    assert (done.cost, done.coverage) == (None, 0.0)
    assert {part.cost for part in done.parts} == {None}


async def test_known_costs_stand_with_their_share() -> None:
    answers = iter(range(1000))

    async def partly(task: str, inputs: Any, parameters: Any) -> Any:
        known = next(answers) % 2 == 0
        return await Echo(cost=PRICE if known else None)(task, inputs, parameters)

    done = await process(BOOK, job(), partly)
    assert done.coverage == pytest.approx(0.5, abs=0.03)
    assert done.cost == PRICE * round(done.coverage * done.called)


async def test_a_plain_function_may_answer() -> None:
    async def plain(task: str, inputs: Any, parameters: Any) -> str:
        return f"<{inputs['text']}>"

    done = await process("One.", job(), plain)
    assert (done.value, done.cost) == ("<One.>", None)


async def test_a_text_of_spaces_is_not_sent_and_nothing_is_missing() -> None:
    echo = Echo()
    done = await process(" \n\n ", job(), echo)
    assert (done.value, echo.asked, done.cost, done.coverage) == (" \n\n ", [], Decimal(0), None)
    assert [part.blank for part in done.parts] == [True]


async def test_an_empty_document_has_no_parts() -> None:
    done = await process("", job(), Echo())
    assert (done.value, done.parts, done.cost) == ("", (), Decimal(0))


async def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("One sentence.", encoding="utf-8")
    done = await process(tmp_path / "book.txt", job(), Echo())
    assert done.value == "ONE SENTENCE."


# -- one operation ---------------------------------------------------------------------------------


async def test_all_calls_are_one_operation_of_the_ledger() -> None:
    seen: set[tuple[str | None, str | None]] = set()

    async def noting(task: str, inputs: Any, parameters: Any) -> str:
        seen.add((current.get().operation_id, current.get().operation))
        return "said"

    done = await process(BOOK, job(name="contract"), noting)
    assert seen == {(done.operation_id, "document contract")}
    assert current.get().operation_id is None


async def test_an_operation_around_it_prevails() -> None:
    async def noting(task: str, inputs: Any, parameters: Any) -> str:
        return f"{current.get().operation_id} {current.get().operation}"

    with operation("the whole archive"):
        around = current.get().operation_id
        done = await process("One.", job(), noting)
    assert done.operation_id == around
    assert done.value == f"{around} the whole archive"


async def test_a_stream_leaves_its_callers_labels_alone() -> None:
    async for _part in stream(BOOK, job(), Echo()):
        assert current.get().operation_id is None


# -- what fails ------------------------------------------------------------------------------------


async def test_a_chunk_is_tried_again_and_each_try_is_counted() -> None:
    def twice(text: str, before: int) -> Any:
        return broken(text, before) if before < 2 else None

    done = await process("One sentence.", job(retries=2), Echo(twice))
    assert (done.value, done.called, done.failed) == ("ONE SENTENCE.", 3, ())
    assert (done.cost, done.coverage) == (PRICE, 1.0)  # nobody charges for an error reply


async def test_after_its_tries_the_whole_stops_and_says_what_was_paid() -> None:
    def third(text: str, before: int) -> Any:
        return broken(text, before) if "Sentence 7" in text else None

    echo = Echo(third, delay_s=0.002)
    with pytest.raises(DocumentFailed, match=r"overloaded \(503\)") as caught:
        await process(BOOK, job(retries=1, at_once=2), echo)
    answered = [part for part in caught.value.parts if part.failed is None]
    assert caught.value.spent.known == PRICE * len(answered)
    assert f"{len(answered)} parts were answered" in str(caught.value)
    assert len(echo.asked) < len(BOOK) // 40, "the rest was not asked"
    assert echo.under_way == 0, "what was under way was ended"


async def test_fail_tries_once() -> None:
    echo = Echo(broken)
    with pytest.raises(DocumentFailed):
        await process("One.", job(on_failure="fail", retries=5), echo)
    assert len(echo.asked) == 1


async def test_skip_marks_in_the_text_and_in_the_list() -> None:
    def second(text: str, before: int) -> Any:
        return broken(text, before) if "Sentence 1 " in text else None

    done = await process(BOOK, job(on_failure="skip", retries=0), Echo(second))
    [lost] = done.failed
    mark = f"[part {lost.index + 1} of {len(done.parts)} is missing: The model is overloaded (503)]"
    kept = BOOK[lost.start : lost.end].strip()
    assert done.value == BOOK.upper().replace(kept.upper(), mark)


async def test_what_can_not_get_better_is_not_tried_again() -> None:
    def refused(text: str, before: int) -> Any:
        raise InferenceFailed("The token was refused (401).", 401)

    echo = Echo(refused)
    done = await process("One.", job(on_failure="skip", retries=3), echo)
    assert (len(echo.asked), len(done.failed)) == (1, 1)


async def test_a_call_that_takes_too_long_is_a_failure_of_unknown_cost() -> None:
    async def never(task: str, inputs: Any, parameters: Any) -> str:
        await asyncio.sleep(60)
        return ""

    done = await process("One.", job(timeout_s=0.01, retries=1, on_failure="skip"), never)
    assert done.failed[0].failed == "no answer in 0.01 s"
    assert (done.called, done.cost, done.coverage) == (2, None, 0.0)


async def test_an_answer_that_says_nothing_is_a_failure_and_was_paid() -> None:
    done = await process("One.", job(on_failure="skip", retries=0), Echo(lambda *_: "  "))
    assert done.failed[0].failed == "the answer holds no text"
    assert done.cost == PRICE


async def test_of_a_foreign_error_only_its_kind_is_told() -> None:
    def leaky(text: str, before: int) -> Any:
        raise KeyError(text)

    done = await process("A secret.", job(on_failure="skip", retries=0), Echo(leaky))
    assert done.failed[0].failed == "KeyError"


FATES = st.lists(
    st.sampled_from(["ok", "once", "always", "refused", "empty", "late"]), min_size=1, max_size=8
)


@given(FATES, st.sampled_from(["retry", "skip", "fail"]), st.booleans())
def test_every_chunk_is_answered_or_marked_or_the_whole_raises(
    fates: list[str], policy: OnFailure, cached: bool
) -> None:
    text = " ".join(f"Number {at}." for at in range(len(fates)))

    async def fated(task: str, inputs: Any, parameters: Any) -> Any:
        said = str(inputs["text"])
        fate = fates[int(said.removeprefix("Number ").removesuffix("."))]
        tried[said] = tried.get(said, 0) + 1
        if fate == "always" or (fate == "once" and tried[said] == 1):
            raise ConnectionError
        if fate == "refused":
            raise InferenceFailed("no", 403)
        if fate == "late":
            await asyncio.sleep(5)
        return "" if fate == "empty" else said

    tried: dict[str, int] = {}
    # Never two sentences in a chunk, so that each has its own fate.
    asked = job(size=12, on_failure=policy, retries=1, timeout_s=0.02)
    good = {"ok", "once"} if policy != "fail" else {"ok"}
    try:
        done = asyncio.run(process(text, asked, fated, cache=memory() if cached else None))
    except DocumentFailed as failed:
        assert policy != "skip" and set(fates) - good
        assert [part.failed for part in failed.parts if part.failed is not None]
        return
    assert len(done.parts) == len(fates)
    assert policy == "skip" or set(fates) <= good
    for part, fate in zip(done.parts, fates, strict=True):
        said = text[part.start : part.end].strip()
        assert (part.failed is None) == (fate in good)
        assert (part.value == said) == (fate in good)
        assert f"part {part.index + 1} of" in done.value or fate in good
        assert said in done.value or fate not in good


# -- on the way ------------------------------------------------------------------------------------


async def test_progress_is_told_after_each_part() -> None:
    told: list[Progress] = []
    done = await process(BOOK, job(), Echo(), progress=told.append)
    assert [each.done for each in told] == list(range(1, len(done.parts) + 1))
    assert {each.total for each in told} == {len(done.parts)}
    assert told[-1].cost == done.cost


async def test_parts_come_as_soon_as_all_before_them_are_there() -> None:
    gate = asyncio.Event()

    async def gated(task: str, inputs: Any, parameters: Any) -> str:
        if "Sentence 5 " in inputs["text"]:
            await gate.wait()
        return str(inputs["text"])

    seen = []
    async for part in stream(BOOK, job(), gated):
        seen.append(part.index)
        if "Sentence 4 " in BOOK[part.start : part.end]:
            gate.set()
    assert seen == list(range(len(seen)))


async def test_leaving_a_stream_ends_what_is_under_way() -> None:
    echo = Echo(delay_s=0.01)
    async with aclosing(stream(BOOK, job(at_once=4), echo)) as parts:
        async for _part in parts:
            break
    assert echo.under_way == 0
    assert len(echo.asked) <= 12


async def test_cut_off_from_outside_the_meter_knows_what_was_paid_and_what_was_under_way() -> None:
    meter, echo = Meter(), Echo()

    async def stuck(task: str, inputs: Any, parameters: Any) -> Any:
        if "Sentence 9 " in inputs["text"]:
            running.cancel()
            await asyncio.sleep(60)
        return await echo(task, inputs, parameters)

    running = asyncio.create_task(process(BOOK, job(at_once=2), stuck, meter=meter))
    with pytest.raises(asyncio.CancelledError):
        await running
    spent = meter.spent
    assert spent.known == PRICE * spent.priced
    assert spent.called == spent.priced + spent.under_way
    assert 1 <= spent.under_way <= 2


# -- the memory ------------------------------------------------------------------------------------


async def test_what_was_answered_is_not_asked_again() -> None:
    cache, echo = memory(), Echo()
    first = await process(BOOK, job(), echo, cache=cache)
    again = await process(BOOK, job(), echo, cache=cache)
    assert again.value == first.value
    assert (again.called, again.from_cache, again.cost) == (0, len(first.parts), Decimal(0))


@pytest.mark.parametrize(
    "other",
    [
        {"parameters": {"tgt_lang": "de"}},
        {"model": "other/model"},
        {"provider": "novita"},
        {"target": "mine"},
        {"version": "2"},
        {"task": "summarization", "combine": lambda parts, text: ""},
    ],
)
async def test_whatever_changes_the_answer_is_another_question(other: dict[str, Any]) -> None:
    cache, echo = memory(), Echo()
    await process("One.", job(), echo, cache=cache)
    done = await process("One.", job(**other), echo, cache=cache)
    assert done.from_cache == 0


async def test_equal_chunks_are_asked_once_even_at_the_same_time() -> None:
    echo = Echo(delay_s=0.01)
    done = await process("Same here. " * 20, job(size=11), echo, cache=memory())
    assert echo.asked == ["Same here."]
    assert done.value == "SAME HERE. " * 20
    assert done.from_cache == 19


async def test_without_a_cache_each_chunk_is_asked() -> None:
    echo = Echo()
    await process("Same here. " * 4, job(size=11), echo)
    assert len(echo.asked) == 4


# -- what makes no sense ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"task": "text-to-image"},
        {"task": "nothing"},
        {"task": "translation", "overlap": 10},
        {"task": "translation", "instruction": "Translate."},
        {"task": "translation", "on_failure": "never"},
        {"task": "translation", "at_once": 0},
        {"task": "translation", "timeout_s": 0},
    ],
)
def test_a_job_that_makes_no_sense_is_refused_at_once(said: dict[str, Any]) -> None:
    with pytest.raises(Usage):
        Job(**said)
