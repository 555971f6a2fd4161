"""Better, worse, same: by what was expected, beside each other, or by a model, asked twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.evaluation.comparing import (
    METHODS,
    compared,
    is_right,
    judged_by,
    verdict_of,
)
from hf_ledger.ingest.doors.replays.judges import (
    EXACT,
    JSON,
    JUDGES,
    LABEL,
    LLM,
    NORMALISED,
    NUMERIC,
)


@pytest.mark.parametrize(
    ("judge", "expected", "answer", "right"),
    [
        (EXACT, "Paris", "Paris", True),
        (EXACT, "Paris", "paris", False),
        (NORMALISED, "Paris.", "  paris", True),
        (LABEL, "spam", "Label: Spam", True),
        (NUMERIC, "1200", "The answer is 1,200", True),
        (NUMERIC, "1200", "I can't say", None),
        (JSON, '{"a": 1, "b": 2}', '```json\n{"b": 2, "a": 1}\n```', True),
        (JSON, '{"a": 1}', "no", False),
        (LLM, "Paris", "Paris", None),
        (EXACT, None, "Paris", None),
        (EXACT, "Paris", None, None),
    ],
)
def test_an_answer_is_as_expected(
    judge: str, expected: str | None, answer: str | None, right: bool | None
) -> None:
    assert is_right(judge, expected, answer) is right


@pytest.mark.parametrize(
    ("first", "second", "verdict", "score"),
    [
        ("4", "4", "same", 1.0),
        ("4", "5", "worse", 1.0),
        ("5", "4", "better", 0.0),
        ("5", "6", "same", 0.0),  # two wrong answers agree on nothing, and the score says so
        ("?", "4", "unsure", None),
        ("4", "?", "unsure", 1.0),
    ],
)
def test_with_something_expected_better_is_told_from_worse(
    first: str, second: str, verdict: str, score: float | None
) -> None:
    found = compared(NUMERIC, "4", first, second)
    assert (found.judged.judge, found.judged.verdict, found.model_score) == (
        NUMERIC,
        verdict,
        score,
    )
    assert (found.judge_cost, found.outcome) == (0, "ok")


def test_without_anything_expected_two_answers_are_the_same_or_different() -> None:
    assert compared(NORMALISED, None, "Yes.", "yes").judged.verdict == "same"
    found = compared(NORMALISED, None, "Yes.", "no")
    assert (found.judged.verdict, found.model_score) == ("different", None)


@given(
    st.sampled_from(sorted(JUDGES)),
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_the_roles_of_two_answers_turn_the_verdict_around(
    judge: str, expected: str, first: str, second: str
) -> None:
    turned = {"better": "worse", "worse": "better"}
    one = compared(judge, expected, first, second).judged.verdict
    other = compared(judge, expected, second, first).judged.verdict
    assert other == turned.get(one, one)


def test_of_right_and_wrong() -> None:
    assert verdict_of(True, False) == "worse"
    assert verdict_of(None, True) == "unsure"


def test_every_judge_may_be_chosen() -> None:
    assert set(METHODS.values()) == {*JUDGES, LLM}


# -- a judge model ---------------------------------------------------------------------------------


class Judge:
    """Says what it is told to, in turn, at a price."""

    def __init__(self, *said: str | None, cost: str | None = "0.001") -> None:
        self.said, self.prompts = list(said), list[str]()
        self.cost = None if cost is None else Decimal(cost)

    def __call__(self, prompt: str) -> tuple[str | None, Decimal | None]:
        self.prompts.append(prompt)
        return self.said.pop(0), self.cost


def test_a_model_is_asked_in_both_orders_and_its_calls_cost() -> None:
    judge = Judge("B", "A")
    found = judged_by("user: Hi?", "erste", "zweite", judge, "big/judge")
    assert found.judged == (f"{LLM}:big/judge", "better", 1.0, True)
    assert found.judge_cost == Decimal("0.002")
    straight, swapped = judge.prompts
    assert straight.index("erste") < straight.index("zweite")
    assert swapped.index("zweite") < swapped.index("erste")


@pytest.mark.parametrize(("said", "verdict"), [(("A", "A"), "unsure"), (("TIE", "TIE"), "same")])
def test_it_is_believed_only_where_both_orders_agree(said: tuple[str, str], verdict: str) -> None:
    assert judged_by("q", "one", "two", Judge(*said), "m").judged.verdict == verdict


def test_a_judge_that_gives_no_answer_is_an_error_of_the_judge() -> None:
    found = judged_by("q", "one", "two", Judge("A", None), "m")
    assert (found.judged.verdict, found.outcome) == ("failed", "judge_error")
    assert found.judge_cost == Decimal("0.002")


def test_what_a_judge_cost_is_unknown_where_one_of_its_calls_is() -> None:
    assert judged_by("q", "one", "two", Judge("A", "B", cost=None), "m").judge_cost is None


def test_equal_answers_need_no_judge() -> None:
    judge = Judge()
    found = judged_by("q", "one", "one", judge, "m")
    assert (found.judged.verdict, found.judge_cost, judge.prompts) == ("same", 0, [])
