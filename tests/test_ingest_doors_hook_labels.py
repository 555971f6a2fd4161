"""Labels follow the program's own flow of control: scopes, tasks, threads, retries."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from factories_practice import Practice, calls, chat, only_call, practice_server, recording
from hypothesis import given
from hypothesis import strategies as st

import hf_ledger
from hf_ledger import attribute, carry, operation
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook import labels
from hf_ledger.ingest.doors.hook.labels import NONE, Labels, current
from hf_ledger.ingest.doors.hook.recording import labels_of, tags_of
from hf_ledger.ingest.doors.hook.threads import carry_labels, leave_threads_alone
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice) -> Iterator[Practice]:
    with recording(server, app="shop"):
        yield server


def ask(practice: Practice, text: str = "hi", model: str = "a/b") -> None:
    httpx2.post(f"{practice.v1}/chat/completions", json=chat(text, model=model))


def test_inner_labels_win_and_tags_are_joined(practice: Practice, places: Places) -> None:
    with attribute(user="u1", project="p1", tags={"k": "outer", "o": 1}):
        with attribute(user="u2", team="t2", tags={"k": "inner"}):
            ask(practice)
        ask(practice)
    ask(practice)
    inner, outer, none = calls(places)
    assert (inner.user_id, inner.project, inner.team) == ("u2", "p1", "t2")
    assert inner.tags == {"k": "inner", "o": "1"}
    assert (outer.user_id, outer.team, outer.tags) == ("u1", None, {"k": "outer", "o": "1"})
    assert (none.user_id, none.tags, none.app) == (None, None, "shop")


def test_labels_of_the_scope_go_above_those_of_the_program(
    practice: Practice, places: Places
) -> None:
    with attribute(app="batch", environment="night", purpose="evaluation", source="console"):
        ask(practice)
    call = only_call(places)
    assert (call.app, call.environment, call.purpose) == ("batch", "night", "evaluation")
    assert call.source == "console"


def test_one_operation_has_one_id_and_each_entry_a_new_one(
    practice: Practice, places: Places
) -> None:
    for _ in range(2):
        with operation("summarise contract"):
            ask(practice, "part one")
            ask(practice, "part two")
    ids = [call.operation_id for call in calls(places)]
    assert {call.operation for call in calls(places)} == {"summarise contract"}
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_decorators_label_functions_and_coroutines(practice: Practice, places: Places) -> None:
    @operation("plain")
    def plain(text: str) -> str:
        """Its own words."""
        ask(practice, text)
        return text

    @attribute(user="u")
    async def later(text: str) -> str:
        await asyncio.sleep(0)
        ask(practice, text)
        return text

    assert (plain("a"), plain("b"), asyncio.run(later("c"))) == ("a", "b", "c")
    assert plain.__doc__ == "Its own words."
    first, second, third = calls(places)
    assert first.operation_id != second.operation_id
    assert (third.user_id, third.operation) == ("u", None)


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_generators_are_refused_with_a_way_out(kind: str) -> None:
    def plain() -> Iterator[int]:
        yield 1

    async def asynchronous() -> Any:
        yield 1

    with pytest.raises(Usage, match="is a generator; use `with`"):
        attribute(user="u")(plain if kind == "generator" else asynchronous)


async def test_tasks_keep_their_own_labels(practice: Practice, places: Places) -> None:
    async with httpx2.AsyncClient() as client:

        async def work(name: str) -> None:
            with attribute(user=name):
                await asyncio.sleep(0.01)
                await client.post(f"{practice.v1}/chat/completions", json=chat(name))

        await asyncio.gather(*(work(f"u{number}") for number in range(10)))
    found = calls(places)
    assert sorted(str(call.user_id) for call in found) == sorted(f"u{n}" for n in range(10))
    assert current.get() is NONE


def test_pool_threads_carry_the_labels_of_who_submitted(practice: Practice, places: Places) -> None:
    with ThreadPoolExecutor(max_workers=1) as pool:
        with attribute(user="first"):
            pool.submit(ask, practice, "one").result()
        pool.submit(ask, practice, "two").result()
        with attribute(user="third"):
            list(pool.map(functools.partial(ask, practice), ["three"]))
    assert [call.user_id for call in calls(places)] == ["first", None, "third"]


def test_started_threads_carry_labels(practice: Practice, places: Places) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            ask(practice)

    with attribute(user="u"):
        threads = [threading.Thread(target=ask, args=(practice,)), Worker()]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
        assert "run" not in vars(thread)
    assert [call.user_id for call in calls(places)] == ["u", "u"]


async def test_executors_of_the_event_loop_carry_too(practice: Practice, places: Places) -> None:
    loop = asyncio.get_running_loop()
    with attribute(user="u"):
        await loop.run_in_executor(None, ask, practice)
        await asyncio.to_thread(ask, practice)
    assert [call.user_id for call in calls(places)] == ["u", "u"]


def test_threads_may_be_left_alone(server: Practice, places: Places) -> None:
    before = (threading.Thread.start, ThreadPoolExecutor.submit)
    with recording(server, threads=False):
        assert (threading.Thread.start, ThreadPoolExecutor.submit) == before
        with attribute(user="u"), ThreadPoolExecutor() as pool:
            pool.submit(ask, server).result()
            pool.submit(carry(ask), server).result()
    assert [call.user_id for call in calls(places)] == [None, "u"]


def test_wrapping_threads_twice_changes_nothing() -> None:
    before = (threading.Thread.start, ThreadPoolExecutor.submit)
    carry_labels()
    once = (threading.Thread.start, ThreadPoolExecutor.submit)
    carry_labels()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == once
    leave_threads_alone()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before


def test_carry_takes_the_labels_of_here_and_now() -> None:
    with attribute(user="then"):
        carried = carry(lambda: current.get().user_id)
    with attribute(user="now"):
        assert carried() == "then"
        assert current.get().user_id == "now"


def test_leaving_in_another_context_restores_what_was_below() -> None:
    """As async generators and test fixtures do."""
    import contextvars

    scope = attribute(user="u")
    contextvars.copy_context().run(scope.__enter__)
    scope.__exit__(None, None, None)
    assert current.get() is NONE


def test_an_error_inside_passes_and_takes_the_label_off() -> None:
    with pytest.raises(ZeroDivisionError), attribute(user="u"):
        _ = 1 / 0
    assert current.get() is NONE


def test_a_failed_request_sent_again_is_the_next_attempt(
    practice: Practice, places: Places
) -> None:
    ask(practice, "again", "practice/flaky")
    ask(practice, "something else", "practice/flaky")
    ask(practice, "again", "practice/flaky")
    first, other, second = calls(places)
    assert [call.attempt for call in (first, other, second)] == [1, 1, 2]
    assert second.operation_id == first.call_id
    assert (first.operation_id, other.operation_id) == (None, None)


def test_attempts_inside_an_operation_keep_its_id(practice: Practice, places: Places) -> None:
    with operation("op"):
        for _ in range(3):
            ask(practice, "same", "practice/503")
    with operation("op"):
        ask(practice, "same", "practice/503")
    assert [call.attempt for call in calls(places)] == [1, 2, 3, 1]
    assert len({call.operation_id for call in calls(places)}) == 2


def test_a_success_sent_again_is_a_new_call(practice: Practice, places: Places) -> None:
    ask(practice, "same")
    ask(practice, "same")
    assert [call.attempt for call in calls(places)] == [1, 1]


def test_labels_from_the_environment_stand_below_the_given_ones() -> None:
    said = {
        "HF_LEDGER_APP": "wrapped",
        "HF_LEDGER_TEAM": "t",
        "HF_LEDGER_USER": "",
        "HF_LEDGER_TAGS": "a=1, b = two ,flag",
    }
    found = labels_of(said)
    assert found == Labels(app="wrapped", team="t", tags={"a": "1", "b": "two", "flag": ""})
    assert labels.given(app="own").over(found).app == "own"
    assert tags_of("") == {}


@given(
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=40),
    st.dictionaries(st.text(max_size=5), st.text(max_size=400), max_size=40),
)
def test_tags_stay_bounded(below: dict[str, int], above: dict[str, str]) -> None:
    joined = labels.given(tags=above).over(labels.given(tags=below)).tags or {}
    assert len(joined) <= labels.MAX_TAGS
    assert all(len(value) <= labels.MAX_LENGTH for value in joined.values())


@given(st.builds(Labels, app=st.none() | st.text(), user_id=st.none() | st.text()))
def test_labels_over_nothing_and_under_nothing_are_themselves(given_labels: Labels) -> None:
    assert given_labels.over(NONE) == given_labels
    assert NONE.over(given_labels) == given_labels


def test_labels_are_written_on_a_call_and_nothing_else_is() -> None:
    call = Call(call_id="c", ts=1, bill_to="org")
    labels.given(user="u", tags={"k": 1}).write_on(call)
    assert call == Call(call_id="c", ts=1, bill_to="org", user_id="u", tags={"k": "1"})


def test_numbers_and_objects_become_short_strings() -> None:
    assert labels.given(user=17, project="x" * 1000).user_id == "17"
    assert len(labels.given(project="x" * 1000).project or "") == labels.MAX_LENGTH
    assert hf_ledger.attribute is attribute


def test_a_pool_is_no_reason_to_load_pools(tmp_path: Path) -> None:
    """Labels are carried into pools that the program loads after `record()` all the same."""
    code = (
        "import sys, hf_ledger; hf_ledger.record()\n"
        "assert 'concurrent.futures' not in sys.modules\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from hf_ledger.ingest.doors.hook.labels import current\n"
        "with ThreadPoolExecutor(1) as pool, hf_ledger.attribute(user='u-17'):\n"
        "    print(pool.submit(lambda: current.get().user_id).result())\n"
    )
    environment = {**os.environ, "HF_LEDGER_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "u-17\n"
