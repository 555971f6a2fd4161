"""One value of many answers: at the document's places, each thing once, nothing silently lost."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from factories_echo import BOOK, PRICE, Echo, job
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.aggregating.entities import merged
from hf_ledger.ingest.doors.documents.aggregating.scores import averaged
from hf_ledger.ingest.doors.documents.aggregating.vectors import pooled
from hf_ledger.ingest.doors.documents.parts import Part
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.errors import Unusable

NAMES = re.compile(r"\b(?:Ada|Bern Hall|Cem)\b")


def part(index: int, start: int, end: int, value: Any, **said: Any) -> Part:
    return Part(index=index, start=start, end=end, sent_from=start, value=value, **said)


def found(start: int, end: int, label: str = "PER", score: float = 0.9) -> dict[str, Any]:
    return {"entity_group": label, "start": start, "end": end, "score": score, "word": ""}


def cut(value: dict[str, Any]) -> tuple[int, int, str]:
    return value["start"], value["end"], value["entity_group"]


# -- summaries -------------------------------------------------------------------------------------


def numbers_in(text: str, before: int) -> Any:
    return {"summary_text": " ".join(re.findall(r"\d+", text)) or "none"}


async def test_summaries_are_summed_up_until_one_is_left() -> None:
    def extent(text: str, before: int) -> Any:
        numbers = list(map(int, re.findall(r"\d+", text)))
        return f"from {min(numbers)} to {max(numbers)}"

    done = await process(BOOK, job("summarization", overlap=0), Echo(extent))
    assert (done.value, done.notes) == ("from 0 to 39", ())
    levels = [part.level for part in done.parts]
    assert levels == sorted(levels)
    assert max(levels) >= 2, "more summaries than one call holds"
    assert levels.count(max(levels)) == 1
    assert (done.called, done.cost) == (len(done.parts), PRICE * len(done.parts))


async def test_few_summaries_are_reduced_in_one_call() -> None:
    done = await process(BOOK[:200], job("summarization", size=80, overlap=0), Echo(numbers_in))
    assert [part.level for part in done.parts][-2:] == [0, 1]


async def test_one_chunk_is_its_own_summary() -> None:
    done = await process("One sentence.", job("summarization"), Echo(numbers_in))
    assert (done.value, done.called) == ("none", 1)


async def test_summaries_that_get_no_shorter_are_joined_and_said_to_be() -> None:
    done = await process(BOOK, job("summarization", overlap=0), Echo())
    assert re.findall(r"\d+", done.value) == [str(number) for number in range(40)]
    assert "do not get shorter" in done.notes[0]


async def test_a_summary_says_what_it_lacks() -> None:
    def lost(text: str, before: int) -> Any:
        if "Sentence 3 " in text:
            raise ConnectionError
        return numbers_in(text, before)

    asked = job("summarization", size=80, overlap=0, on_failure="skip", retries=0)
    done = await process(BOOK, asked, Echo(lost))
    assert done.value.endswith("is missing: ConnectionError]")
    assert len(done.failed) == 1


async def test_where_a_summary_of_summaries_fails_what_it_was_made_of_stays() -> None:
    def lost(text: str, before: int) -> Any:
        if "Sentence" not in text:
            raise ConnectionError
        return numbers_in(text, before)

    asked = job("summarization", size=80, overlap=0, on_failure="skip", retries=0)
    done = await process(BOOK, asked, Echo(lost))
    assert done.value.split() == [str(number) for number in range(40)]
    assert {part.level for part in done.failed} >= {1}


async def test_a_chat_may_sum_up_too() -> None:
    asked = job("chat-completion", size=80, combine="tree", instruction="Sum it up.")
    done = await process(
        BOOK, asked, Echo(lambda text, _: chat(" ".join(re.findall(r"\d+", text))))
    )
    assert done.value.split() == [str(number) for number in range(40)]


def chat(text: str, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "finish_reason": finish, "message": message}]}


async def test_answers_that_were_cut_are_counted() -> None:
    asked = job("chat-completion", instruction="Say it again.")
    done = await process("One. ", asked, Echo(lambda text, _: chat(text, "length")))
    assert done.notes == ("Answers that ended at their limit of output tokens: 1.",)
    assert done.parts[0].cut


async def test_what_a_chat_is_told_goes_before_each_chunk() -> None:
    seen: list[Any] = []

    async def noting(task: str, inputs: Any, parameters: Any) -> str:
        seen.append(inputs["messages"])
        return "said"

    await process("One. ", job("chat-completion", instruction="Shout."), noting)
    assert seen == [[{"role": "system", "content": "Shout."}, {"role": "user", "content": "One."}]]


# -- entities --------------------------------------------------------------------------------------


async def named(task: str, inputs: Any, parameters: Any) -> Any:
    """Finds names, with offsets in what it was sent."""
    return [found(each.start(), each.end()) for each in NAMES.finditer(inputs["text"])]


SENTENCE = st.sampled_from(
    [
        "Ada met Cem. ",
        "Nobody came! ",
        "In Bern Hall sat Ada.\n",
        "Cem? ",
        "Yes, Bern Hall it was. ",
    ]
)


@given(st.lists(SENTENCE, max_size=12), st.integers(24, 90), st.integers(0, 23))
def test_entities_are_those_of_the_whole_text_each_once(
    sentences: list[str], size: int, overlap: int
) -> None:
    text = "".join(sentences)
    asked = job("token-classification", size=size, overlap=overlap)
    done = asyncio.run(process(text, asked, named))
    whole = [(each.start(), each.end(), "PER") for each in NAMES.finditer(text)]
    assert [cut(each) for each in done.value] == whole
    assert [each["word"] for each in done.value] == [text[start:end] for start, end, _ in whole]


def test_an_entity_cut_at_a_chunks_edge_is_whole_again() -> None:
    text = "They came to New York City in spring."
    parts = [part(0, 0, 21, [found(13, 19, "LOC", 0.7)]), part(1, 21, 37, [found(13, 26, "LOC")])]
    [one] = merged(parts, text)
    assert (one["word"], one["score"]) == ("New York City", 0.9)


def test_under_two_labels_the_longer_one_stays() -> None:
    parts = [part(0, 0, 9, [found(0, 3, "PER", 0.99)]), part(1, 9, 20, [found(0, 8, "ORG", 0.5)])]
    assert [cut(each) for each in merged(parts, "x" * 20)] == [(0, 8, "ORG")]


def test_entities_of_one_chunk_are_left_as_they_are() -> None:
    parts = [part(0, 0, 20, [found(0, 8, "ORG"), found(0, 3, "PER")])]
    assert [cut(each) for each in merged(parts, "x" * 20)] == [(0, 3, "PER"), (0, 8, "ORG")]


async def test_an_answer_without_places_is_a_failure() -> None:
    asked = job("token-classification", on_failure="skip", retries=0)
    done = await process("Ada.", asked, Echo(lambda *_: [{"word": "Ada", "score": 0.5}]))
    assert done.failed[0].failed == "the answer holds entities without place or score"


# -- scores ----------------------------------------------------------------------------------------

SCORES = st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), min_size=1)


@given(st.lists(st.tuples(st.integers(1, 50), SCORES), min_size=1, max_size=6))
def test_scores_are_the_mean_by_length(said: list[tuple[int, dict[str, float]]]) -> None:
    at, parts = 0, []
    for index, (length, scores) in enumerate(said):
        parts.append(part(index, at, at + length, scores))
        at += length
    told = {each["label"]: each["score"] for each in averaged(parts, "x" * at)}
    for label, score in told.items():
        expected = sum(length * scores.get(label, 0) for length, scores in said) / at
        assert score == pytest.approx(expected)


def test_each_chunk_may_count_alike() -> None:
    parts = [part(0, 0, 90, {"a": 1.0}), part(1, 90, 100, {"b": 1.0})]
    alike = partial(averaged, weighting="equal")(parts, "x" * 100)
    assert alike == [{"label": "a", "score": 0.5}, {"label": "b", "score": 0.5}]


@pytest.mark.parametrize(
    "answer",
    [
        [{"label": "good", "score": 0.75}, {"label": "bad", "score": 0.25}],
        [[{"label": "good", "score": 0.75}, {"label": "bad", "score": 0.25}]],
        {"sequence": "…", "labels": ["good", "bad"], "scores": [0.75, 0.25]},
    ],
)
async def test_scores_are_read_in_every_shape(answer: Any) -> None:
    asked = job("zero-shot-classification", inputs={"candidate_labels": ["good", "bad"]})
    done = await process(BOOK, asked, Echo(lambda *_: answer))
    assert done.value == [
        {"label": "good", "score": pytest.approx(0.75)},
        {"label": "bad", "score": pytest.approx(0.25)},
    ]


async def test_what_was_skipped_does_not_count_as_nothing() -> None:
    def half(text: str, before: int) -> Any:
        if "Sentence 1 " in text:
            raise ConnectionError
        return [{"label": "good", "score": 1.0}]

    asked = job("text-classification", on_failure="skip", retries=0)
    done = await process(BOOK, asked, Echo(half))
    assert done.value == [{"label": "good", "score": pytest.approx(1.0)}]
    assert len(done.failed) == 1


# -- vectors ---------------------------------------------------------------------------------------


async def test_vectors_are_pooled_by_length() -> None:
    text = "Short. Quite a bit longer than that."

    def vector(said: str, before: int) -> Any:
        return np.array([1.0, 0.0]) if "Short" in said else np.array([[0.0, 2.0], [0.0, 0.0]])

    done = await process(text, job("feature-extraction", size=30), Echo(vector))
    first, second = (each.end - each.start for each in done.parts)
    assert done.value == pytest.approx([first / len(text), second / len(text)])


def test_vectors_may_be_of_length_one() -> None:
    parts = [part(0, 0, 1, [3.0, 4.0])]
    assert pooled(parts, "x", normalise=True) == pytest.approx([0.6, 0.8])


def test_vectors_of_two_models_are_not_mixed() -> None:
    with pytest.raises(Unusable, match=r"2, 3"):
        pooled([part(0, 0, 1, [1.0, 2.0]), part(1, 1, 2, [1.0, 2.0, 3.0])], "xy")


# -- questions -------------------------------------------------------------------------------------


async def test_the_best_answer_stands_at_its_place_in_the_document() -> None:
    async def answered(task: str, inputs: Any, parameters: Any) -> Any:
        assert inputs["question"] == "Which number?"
        at = inputs["context"].find("17")
        place = max(at, 0)
        said = inputs["context"][place : place + 2]
        score = 0.9 if at >= 0 else 0.2
        return {"answer": said, "score": score, "start": place, "end": place + 2}

    asked = job("question-answering", inputs={"question": "Which number?"})
    done = await process(BOOK, asked, answered)
    assert (done.value["answer"], done.value["score"]) == ("17", 0.9)
    assert BOOK[done.value["start"] : done.value["end"]] == "17"


async def test_no_answer_is_none() -> None:
    asked = job("question-answering", inputs={"question": "?"}, on_failure="skip", retries=0)
    done = await process("Text.", asked, Echo(lambda *_: "no place"))
    assert (done.value, len(done.failed)) == (None, 1)


# -- a function of one's own -----------------------------------------------------------------------


async def test_a_function_of_ones_own_combines() -> None:
    count = job(combine=lambda parts, text: (len(parts), len(text)))
    done = await process(BOOK, count, Echo())
    assert done.value == (len(done.parts), len(BOOK))


@given(st.lists(st.sampled_from(["One. ", "Two!\n\n", "Three?\t", "  Four. "]), max_size=20))
def test_the_spaces_between_chunks_stay(sentences: list[str]) -> None:
    text = "".join(sentences)
    done = asyncio.run(process(text, job(size=10), Echo(lambda said, _: f"\n{said} ")))
    assert done.value == text
