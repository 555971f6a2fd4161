"""Segments go after seven days, and never before the ledger has all they say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from factories_calls import make_call, spool

from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import Collected, collect
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.tidying import Tidied, tidy

DAY = 86_400


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def aged(places: Places, days: float) -> Path:
    """The one segment there is, last written so many days ago."""
    (path,) = places.spool.iterdir()
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize(("days", "gone"), [(0, False), (6.9, False), (7.1, True), (400, True)])
def test_a_segment_taken_whole_goes_after_seven_days(
    ledger: Ledger, places: Places, days: float, gone: bool
) -> None:
    spool(places, [make_call()])
    collect(ledger, places)
    path = aged(places, days)
    assert tidy(ledger, places) == Tidied(segments=int(gone))
    assert path.exists() is not gone


def test_a_segment_nobody_has_collected_stays(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call()])
    path = aged(places, 30)
    assert tidy(ledger, places) == Tidied()
    assert path.exists()


def test_a_segment_that_grew_since_stays(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call()])
    collect(ledger, places)
    path = aged(places, 30)
    with path.open("ab") as file:
        file.write(encode(make_call()))
    aged(places, 30)
    assert tidy(ledger, places) == Tidied()
    assert collect(ledger, places).new == 1
    assert tidy(ledger, places) == Tidied(segments=1)


def test_a_torn_tail_is_quarantined_before_its_segment_goes(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call()])
    (path,) = places.spool.iterdir()
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode(make_call())[:40])
    collect(ledger, places)
    aged(places, 8)
    assert tidy(ledger, places) == Tidied(segments=1, torn=1)
    found = ledger.cursor().execute("select segment, line, byte_offset, reason from quarantine")
    assert found.fetchall() == [(path.name, 3, whole, "torn: the line was never finished")]
    assert not path.exists()


def test_tidying_twice_and_collecting_after_change_nothing(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call()])
    collect(ledger, places)
    aged(places, 8)
    assert tidy(ledger, places).segments == 1
    assert tidy(ledger, places) == Tidied()
    assert collect(ledger, places) == Collected()
    cursor = ledger.cursor()
    assert cursor.execute("select count(*) from calls").fetchone() == (1,)
    assert cursor.execute("select count(*) from segments").fetchone() == (1,)  # its history stays


def test_other_files_in_the_folder_are_not_touched(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call()])
    collect(ledger, places)
    aged(places, 30)
    notes = places.spool / "notes.txt"
    notes.write_text("mine")
    os.utime(notes, (0, 0))
    tidy(ledger, places)
    assert notes.read_text() == "mine"


def test_block_hashes_go_after_seven_days_and_calls_stay(ledger: Ledger, places: Places) -> None:
    now = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
    old, young = now - timedelta(days=7, minutes=1), now - timedelta(days=6, hours=23)
    spool(
        places,
        [
            make_call(ts=old, prefix=[1], hash_key_id="k"),
            make_call(ts=young, prefix=[2], hash_key_id="k"),
        ],
    )
    collect(ledger, places)
    tidy(ledger, places, now.timestamp())
    cursor = ledger.cursor()
    assert cursor.execute("select blocks from prefixes").fetchall() == [([2],)]
    assert cursor.execute("select count(*) from calls").fetchone() == (2,)
