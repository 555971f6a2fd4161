"""Judges without a model: laws that hold for any texts, and what each of them finds."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.replays import judges
from hf_ledger.ingest.doors.replays.judges import JUDGES, choose

NUMBERS = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
TEXTS = (
    st.text(max_size=60)
    | st.from_regex(r"[-+]?[0-9]{1,4}(\.[0-9]{1,3})?( [a-z]{1,5})?", fullmatch=True)
    | TREES.map(json.dumps)
)

each_judge = pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)


def turned(value: Any) -> Any:
    """The same JSON with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(each) for each in value] if isinstance(value, list) else value


@each_judge
@given(text=TEXTS)
def test_any_text_is_the_same_as_itself(judge: judges.Judge, text: str) -> None:
    found = judge(text, text)
    assert (found.verdict, found.score) == ("same", 1.0)


@each_judge
@given(one=TEXTS, two=TEXTS)
def test_which_comes_first_does_not_matter(judge: judges.Judge, one: str, two: str) -> None:
    assert judge(one, two) == judge(two, one)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_judgement_names_its_judge(judge: str) -> None:
    assert JUDGES[judge]("a", "b").judge == judge


@given(value=TREES)
def test_the_order_of_keys_and_the_layout_do_not_matter(value: Any) -> None:
    one, two = json.dumps(value), json.dumps(turned(value), indent=2)
    assert judges.json_alike(one, two).verdict == "same"


@given(value=st.dictionaries(st.text(max_size=4), TREES, min_size=1), name=st.text(max_size=4))
def test_a_key_more_is_different(value: dict[str, Any], name: str) -> None:
    more = {**value, name + "+": 1}
    expected = "same" if more == value else "different"
    assert judges.json_alike(json.dumps(value), json.dumps(more)).verdict == expected


@pytest.mark.parametrize(
    ("judge", "one", "two", "verdict"),
    [
        ("exact/1", "Yes", "yes", "different"),
        ("exact/1", "Yes", "Yes ", "different"),
        ("normalised/1", "Yes, indeed!", "  yes indeed", "same"),
        ("normalised/1", "Yes", "No", "different"),
        ("normalised/1", "ﬁne", "fine", "same"),
        ("normalised/1", "?", "!", "different"),
        ("normalised/1", "-5", "5", "different"),
        ("label/1", "Label: Positive.", "positive", "same"),
        ("label/1", "The answer is B", "B", "different"),
        ("label/1", "Answer is B", "b", "same"),
        ("label/1", "positive", "negative", "different"),
        ("label/1", "positive", "It is positive, I think", "different"),
        ("numeric/1", "1,234.50", "so it costs $1234.5", "same"),
        ("numeric/1", "3 + 4 = 7", "7", "same"),
        ("numeric/1", "1000", "1001", "different"),
        ("numeric/1", "1000000", "1000000.5", "same"),
        ("numeric/1", "-3", "3", "different"),
        ("numeric/1", "−3", "-3", "same"),
        ("numeric/1", "12%", "0.12", "different"),
        ("numeric/1", "7", "seven", "unsure"),
        ("numeric/1", "1e99", "2e99", "different"),
        ("numeric/1", "9" * 5000, "9" * 5000 + "0", "different"),
        ("numeric/1", "0", "0.0", "same"),
        ("json/1", '{"a": 1, "b": [2]}', '```json\n{"b": [2.0000001], "a": 1}\n```', "same"),
        ("json/1", "[1, 2]", "[2, 1]", "different"),
        ("json/1", "[1]", "[true]", "different"),
        ("json/1", '["1"]', "[1]", "different"),
        ("json/1", "null", "0", "different"),
        ("json/1", '{"a": 1}', "I can't", "different"),
        ("json/1", "{oh", "no}", "unsure"),
        ("json/1", "[" * 900 + "]" * 900, "[" * 900 + " ]" * 900, "same"),
        ("json/1", f"[{10**400}]", "[1.0]", "different"),
    ],
)
def test_what_a_judge_finds(judge: str, one: str, two: str, verdict: str) -> None:
    assert JUDGES[judge](one, two).verdict == verdict


def test_a_json_answer_of_any_depth_is_judged() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert judges.json_alike(deep, deep + " ").verdict in ("same", "unsure")


@pytest.mark.parametrize("piece", ["1,", "`", "#", "```json\n", " ", ".", "-", "answer: ", "[1,"])
def test_no_text_keeps_the_event_loop_long(piece: str) -> None:
    long = piece * (256_000 // len(piece))
    started = time.perf_counter()
    choose({}, long)
    for judge in JUDGES.values():
        judge(long, long + "x")
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    ("answer", "judge"),
    [
        ('{"city": "Bern"}', "json/1"),
        ("```json\n[1]\n```", "json/1"),
        ("42", "numeric/1"),
        ("$1,299.00", "numeric/1"),
        ("First we add 2 and 3.\n#### 5", "numeric/1"),
        ("So the answer is 12.", "numeric/1"),
        ("positive", "label/1"),
        ("Label: very negative.", "label/1"),
        ("The report says that sales grew in all regions but one.", "normalised/1"),
        ("In 2024 we sold 300 cars and 4 boats, which is more than in 2023", "normalised/1"),
    ],
)
def test_the_shape_of_the_answer_chooses_the_judge(answer: str, judge: str) -> None:
    assert choose({}, answer) == judge


def test_json_that_was_asked_for_is_judged_as_json_whatever_came() -> None:
    for kind in ("json_object", "json_schema"):
        assert choose({"response_format": {"type": kind}}, "sorry") == "json/1"
    assert choose({"response_format": {"type": "text"}}, "sorry") == "label/1"


def test_free_text_goes_to_the_dearer_judges_only_where_there_are_any() -> None:
    text = "It rained all day, and nobody went out before the evening."
    assert choose({}, text) == "normalised/1"
    assert choose({}, text, llm=True) == "llm/1"
    assert choose({}, text, embedding=True, llm=True) == "embedding/1"
    assert choose({}, "42", embedding=True, llm=True) == "numeric/1"
