"""The owner's loop: fast enough, patient with failures, tidy."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from factories_calls import make_call, spool

from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import polling
from hf_ledger.ingest.spool.collector import Collected
from hf_ledger.ingest.spool.polling import CollectorThread
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.spool.tidying import KEEP_DAYS

DAY = 86_400


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


@pytest.fixture
def start(ledger: Ledger, places: Places) -> Iterator[Callable[..., CollectorThread]]:
    running: list[CollectorThread] = []

    def begin(**options: Any) -> CollectorThread:
        thread = CollectorThread(ledger, places, **options)
        running.append(thread)
        thread.start()
        return thread

    yield begin
    for thread in running:
        thread.stop()


def count(ledger: Ledger) -> int:
    cursor = ledger.cursor()
    (found,) = cursor.execute("select count(*) from calls").fetchone() or (0,)
    cursor.close()
    return int(found)


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_call_is_in_the_ledger_within_a_second_or_so(
    ledger: Ledger, places: Places, start: Callable[..., CollectorThread]
) -> None:
    thread = start()
    spool(places, [make_call()])  # warm
    wait_for(lambda: count(ledger) == 1)
    segments = Segments(places.spool)
    written = time.monotonic()
    segments.write(make_call())
    wait_for(lambda: count(ledger) == 2)
    # Half a second of waiting and some 50 ms of work; the rest is for a busy machine.
    assert time.monotonic() - written < 2.0
    assert thread.health.last_collected is not None
    segments.close()


def test_each_round_that_brought_something_is_told(
    places: Places, start: Callable[..., CollectorThread]
) -> None:
    told: list[Collected] = []
    start(collected=told.append)
    spool(places, [make_call(), make_call()])
    wait_for(lambda: sum(each.new for each in told) == 2)
    time.sleep(0.8)
    assert all(told)  # quiet rounds are not


def test_stop_takes_what_was_written_last(ledger: Ledger, places: Places) -> None:
    thread = CollectorThread(ledger, places)
    thread.start()
    spool(places, [make_call()])
    thread.stop()
    assert not thread.is_alive()
    assert count(ledger) == 1


def test_a_thread_that_never_ran_can_be_stopped(ledger: Ledger, places: Places) -> None:
    thread = CollectorThread(ledger, places)
    thread.stop()
    assert not thread.is_alive()


def test_the_loop_outlives_what_a_round_meets(
    ledger: Ledger,
    places: Places,
    start: Callable[..., CollectorThread],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "hf_ledger")
    real, failures = polling.collect, iter([OSError("disk"), ValueError("odd")])

    def sometimes(*given: Any) -> Collected:
        error = next(failures, None)
        if error:
            raise error
        return real(*given)

    monkeypatch.setattr(polling, "collect", sometimes)
    thread = start()
    spool(places, [make_call()])
    wait_for(lambda: count(ledger) == 1)
    wait_for(lambda: thread.health.failures_in_a_row == 0)
    assert thread.health.last_failure == "ValueError"
    # One line for a row of failures, not one for each round.
    assert [record.getMessage() for record in caplog.records] == [
        "hf-ledger could not collect, will retry: OSError: disk"
    ]


def test_an_old_segment_goes_when_the_loop_tidies(
    ledger: Ledger, places: Places, start: Callable[..., CollectorThread]
) -> None:
    spool(places, [make_call()])
    (path,) = places.spool.iterdir()
    age(path, KEEP_DAYS + 1)
    start()
    wait_for(lambda: not path.exists())
    assert count(ledger) == 1


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def test_a_failure_is_described_without_the_values_it_met() -> None:
    with duckdb.connect(":memory:") as memory, pytest.raises(duckdb.Error) as caught:
        memory.execute("select cast('marker-7731' as integer)").fetchall()
    assert "marker-7731" in str(caught.value)
    assert polling.described(caught.value) == "ConversionException"
    assert polling.described(OSError(28, "No space left")) == "OSError: [Errno 28] No space left"
    assert polling.described(Unusable("make room.")) == "Unusable: make room."
