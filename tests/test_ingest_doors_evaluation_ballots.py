"""A blind choice: which side meant whom, and what all of them say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.evaluation.ballots import Choice, Vote, counted

votes = st.builds(Vote, st.sampled_from(["A", "B", "same", "unsure"]), st.booleans())


@pytest.mark.parametrize(
    ("choice", "swapped", "verdict", "score"),
    [
        ("A", False, "worse", -1),  # the baseline stood as A
        ("B", False, "better", 1),
        ("A", True, "better", 1),
        ("B", True, "worse", -1),
        ("same", True, "same", 0),
        ("unsure", False, "unsure", None),
    ],
)
def test_a_choice_between_sides_is_a_verdict_on_the_second(
    choice: Choice, swapped: bool, verdict: str, score: float | None
) -> None:
    vote = Vote(choice, swapped)
    assert vote.verdict == verdict
    assert vote.paired.judged == ("human/1", verdict, score, swapped)
    assert vote.paired.judge_cost == 0


def test_a_session_by_hand() -> None:
    cast = [
        Vote("A", True),
        Vote("B", False),
        Vote("A", False),
        Vote("same", False),
        Vote("unsure", True),
    ]
    found = counted(cast)
    assert (found.better, found.worse, found.same, found.unsure) == (2, 1, 1, 1)
    assert found.preferred[:2] == (2, 3)
    assert found.left[:2] == (2, 3)


@given(st.lists(votes, max_size=30))
def test_swapping_all_sides_turns_all_preferences_around(cast: list[Vote]) -> None:
    one, other = counted(cast), counted([vote._replace(swapped=not vote.swapped) for vote in cast])
    assert (one.better, one.worse) == (other.worse, other.better)
    assert one.left == other.left
    assert one.better + one.worse + one.same + one.unsure == len(cast)
