"""A verdict's way from a pair of answers to its row, value by value, exactly once, without text."""

from __future__ import annotations

import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from factories_calls import NOON, micros
from factories_replays import replay_rows
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Evidence
from hf_ledger.ingest.doors.evaluation.verdicts import (
    HUMAN,
    Answered,
    keep,
    replay_id_of,
    verdict_line,
)
from hf_ledger.ingest.doors.hook.recording import record, stop
from hf_ledger.ingest.doors.replays.judges import NUMERIC, Judged
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

FIRST = Answered(
    "01990000-0000-7000-8000-000000000001",
    micros(NOON),
    "big/70B:together",
    120,
    80,
    Decimal("0.00018"),
)
SECOND = Answered(
    "01990000-0000-7000-8000-000000000002", micros(NOON) + 7, "tiny/8B", 125, 95, Decimal("7.25E-6")
)


def line(verdict: Any = "worse", **more: Any) -> Any:
    judged = Judged(HUMAN, verdict, order_swapped=True)
    return verdict_line(FIRST, SECOND, judged, "vote", "live", **more)


def collected(places: Places) -> list[dict[str, Any]]:
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        return replay_rows(ledger)


def test_a_vote_becomes_a_row_value_by_value(places: Places) -> None:
    assert keep([line()], places) == 1
    (row,) = collected(places)
    assert row == {
        "replay_id": uuid.UUID(replay_id_of("vote", HUMAN, FIRST.call_id, SECOND.call_id)),
        "call_id": uuid.UUID(FIRST.call_id),
        "ts": NOON.replace(tzinfo=None, microsecond=7),
        "key_id": None,
        "model": "big/70B:together",
        "candidate": "tiny/8B",
        "judge": "human/1",
        "verdict": "worse",
        "score": -1.0,
        "model_input_tokens": 120,
        "model_output_tokens": 80,
        "candidate_input_tokens": 125,
        "candidate_output_tokens": 95,
        "model_cost": Decimal("0.00018"),
        "candidate_cost": Decimal("0.00000725"),
        "judge_cost": Decimal(0),
        "sampling_probability": None,
        "order_swapped": True,
        "outcome": "ok",
        "evidence": "vote",
        "origin": "live",
        "model_score": None,
    }


def test_an_evaluation_becomes_a_row_of_its_judge(places: Places) -> None:
    judged = Judged(NUMERIC, "better")
    told = verdict_line(
        FIRST, SECOND, judged, "evaluation", "practice", model_score=0.0, judge_cost=None
    )
    keep([told], places)
    (row,) = collected(places)
    assert (row["judge"], row["verdict"], row["score"], row["model_score"]) == (
        NUMERIC,
        "better",
        1.0,
        0.0,
    )
    assert (row["evidence"], row["origin"], row["judge_cost"]) == ("evaluation", "practice", None)


@pytest.mark.parametrize(
    ("verdict", "score"),
    [
        ("worse", -1),
        ("same", 0),
        ("better", 1),
        ("different", None),
        ("unsure", None),
        ("failed", None),
    ],
)
def test_verdicts_are_signed(verdict: str, score: float | None) -> None:
    assert line(verdict).score == score


def test_a_verdict_that_is_written_again_counts_once(places: Places) -> None:
    keep([line(), line()], places)
    keep([line("better")], places)  # a second thought about the same pair comes too late
    rows = collected(places)
    keep([line()], places)
    assert [row["verdict"] for row in rows] == [row["verdict"] for row in collected(places)]
    assert len(rows) == 1


texts = st.text(max_size=12)
named = st.tuples(st.sampled_from(get_args(Evidence)), texts, texts, texts)


@given(named, named)
def test_the_id_is_that_of_evidence_judge_and_pair(
    one: tuple[Evidence, str, str, str], other: tuple[Evidence, str, str, str]
) -> None:
    first, second = replay_id_of(*one), replay_id_of(*other)
    assert (first == second) == (one == other) or "\0" in "".join((*one, *other))
    assert uuid.UUID(first).version == 8


def test_it_goes_into_the_segment_of_a_process_that_records(places: Places) -> None:
    record("console", places=places)
    try:
        assert keep([line()], places) == 1
        assert keep([line("same")], places) == 1
    finally:
        stop()
    assert len(list(places.spool.glob("*.ndjson"))) == 1
    assert len(collected(places)) == 1


def test_a_process_that_records_elsewhere_is_not_mixed_up(places: Places, tmp_path: Path) -> None:
    elsewhere = Places(tmp_path / "elsewhere")
    record("other", places=elsewhere)
    try:
        keep([line()], places)
    finally:
        stop()
    assert len(collected(places)) == 1
    assert collected(elsewhere) == []
