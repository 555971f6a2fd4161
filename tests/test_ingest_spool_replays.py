"""Replays on their way from spool to ledger: exactly once, whole or not at all, text-free."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from factories_api import batch
from factories_calls import make_call
from factories_imports import MIDNIGHT
from factories_replays import make_replayed, replay_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Line, Replayed
from hf_ledger.ingest.doors.api.batches import DAY_US, read_batch
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.lines import MARK, decode, encode
from hf_ledger.ingest.spool.segments import Segments

COLLECTOR = """
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

places = Places.default()
ledger = Ledger.open(places)
print("ready", flush=True)
collect(ledger, places)
"""


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def spooled(places: Places, *lines: Line) -> None:
    segments = Segments(places.spool)
    for line in lines:
        assert segments.write(line)
    segments.close()


def with_field(line: Line, name: str, value: object) -> bytes:
    """The line as a later version might write it."""
    from zlib import crc32

    body = msgspec.json.encode({**msgspec.to_builtins(line), name: value})[:-1]
    return body + MARK + b'%08x"}\n' % crc32(body)


def test_a_replay_becomes_a_row_with_everything_that_its_line_says(
    ledger: Ledger, places: Places
) -> None:
    line = make_replayed(
        verdict="worse",
        score=-1.0,
        judge="llm/1:openai/gpt-oss-120b",
        order_swapped=True,
        model_input_tokens=900,
        model_output_tokens=30,
        candidate_input_tokens=905,
        candidate_output_tokens=41,
        model_cost="0.000967200",
        candidate_cost="0.000101",
        judge_cost="0",
        sampling_probability=0.045,
    )
    spooled(places, line)
    assert collect(ledger, places).replays == 1
    (row,) = replay_rows(ledger)
    said = msgspec.structs.asdict(line)
    amounts = {name: Decimal(said[name]) for name in said if name.endswith("_cost")}
    ids = {name: uuid.UUID(said[name]) for name in ("replay_id", "call_id")}
    assert {**row, "ts": line.ts} == {**said, **amounts, **ids}


def test_what_nobody_drew_has_no_probability(ledger: Ledger, places: Places) -> None:
    chosen = {"sampling_probability": None, "origin": "practice", "model_score": 0.0}
    spooled(places, *(make_replayed(evidence=each, **chosen) for each in ("evaluation", "vote")))
    assert collect(ledger, places).replays == 2
    rows = replay_rows(ledger)
    assert {row["evidence"] for row in rows} == {"evaluation", "vote"}
    assert {(row["sampling_probability"], row["origin"], row["model_score"]) for row in rows} == {
        (None, "practice", 0.0)
    }


def test_what_is_unknown_stays_unknown(ledger: Ledger, places: Places) -> None:
    spooled(places, make_replayed(judge=None, verdict="failed", outcome="error", key_id=None))
    collect(ledger, places)
    (row,) = replay_rows(ledger)
    unknown = {name for name, value in row.items() if value is None}
    assert {"judge", "score", "model_cost", "candidate_cost", "judge_cost", "key_id"} <= unknown
    assert row["outcome"] == "error"


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None
)
@given(data=st.data())
def test_any_order_and_any_repetition_gives_each_replay_once(
    ledger: Ledger, places: Places, data: st.DataObject
) -> None:
    before = len(replay_rows(ledger))
    replays = [make_replayed() for _ in range(4)]
    seen: set[str] = set()
    some = st.lists(st.sampled_from(replays), min_size=1, max_size=6)
    for lines in data.draw(st.lists(some, min_size=1, max_size=3)):
        spooled(places, *lines)
        collect(ledger, places)
        seen |= {line.replay_id for line in lines}
    assert len(replay_rows(ledger)) == before + len(seen)


def test_a_killed_collector_takes_replays_whole_and_once(places: Places) -> None:
    chance = random.Random(5)
    expected = 0
    for _ in range(3):
        pairs = [(make_call(), make_replayed()) for _ in range(400)]
        spooled(places, *(line for pair in pairs for line in pair))
        expected += 400
        child = subprocess.Popen([sys.executable, "-c", COLLECTOR], stdout=subprocess.PIPE)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.08))
        child.kill()
        child.wait()
        child.stdout.close()
    with Ledger.open(places) as ledger:
        assert len(replay_rows(ledger)) % 400 == 0
        collect(ledger, places)
        assert len({row["replay_id"] for row in replay_rows(ledger)}) == expected
        assert len(replay_rows(ledger)) == expected


def test_fields_of_a_later_version_are_passed_over(ledger: Ledger, places: Places) -> None:
    line = make_replayed()
    written = with_field(line, "segment_hash", {"of": "later"})
    assert decode(written) == line
    places.spool.mkdir(parents=True)
    (places.spool / "1-1-0000abcd.ndjson").write_bytes(written)
    assert collect(ledger, places).replays == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"replay_id": "x"},
        {"call_id": "x"},
        {"sampling_probability": 0.0},
        {"sampling_probability": 1.5},
        {"sampling_probability": None},
        {"sampling_probability": 2.0, "evidence": "vote"},
        {"candidate_output_tokens": -1},
        {"model_input_tokens": 2**63},
        {"ts": -1},
    ],
    ids=str,
)
def test_a_replay_that_fits_no_row_goes_to_quarantine_and_holds_up_nothing(
    ledger: Ledger, places: Places, wrong: dict[str, Any]
) -> None:
    spooled(places, make_replayed(**wrong), make_replayed(), make_call())
    done = collect(ledger, places)
    assert (done.quarantined, done.replays, done.new) == (1, 1, 1)
    assert len(replay_rows(ledger)) == 1


def test_a_cost_that_is_no_amount_is_unknown(ledger: Ledger, places: Places) -> None:
    spooled(places, make_replayed(candidate_cost="NaN", model_cost="1e30", score=float("nan")))
    collect(ledger, places)
    (row,) = replay_rows(ledger)
    assert (row["candidate_cost"], row["model_cost"], row["score"]) == (None, None, None)


def test_another_host_may_post_replays() -> None:
    good = make_replayed(ts=MIDNIGHT, key_id="not its own")
    bad = make_replayed(ts=MIDNIGHT, sampling_probability=2.0)
    long = make_replayed(ts=MIDNIGHT, candidate="m" * 2_000)
    late = make_replayed(ts=MIDNIGHT + 9 * DAY_US)
    found = read_batch(batch(good, bad, long, late), "k7", MIDNIGHT)  # type: ignore[arg-type]
    (taken,) = found.lines
    assert isinstance(taken, Replayed)
    assert (taken.replay_id, taken.key_id) == (good.replay_id, "k7")
    assert [each["line"] for each in found.rejected] == [2, 3, 4]


def test_a_lines_bytes_come_back() -> None:
    line = make_replayed(score=0.25, order_swapped=False)
    assert decode(encode(line)) == line
