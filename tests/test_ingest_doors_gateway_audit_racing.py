"""An audit that is looked at while it is written, covered, rotated and removed is green."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hf_ledger.ingest.doors.gateway.audit import trail as trail_module
from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.doors.gateway.audit.verifying import examine
from hf_ledger.ingest.places import Places
from tests.factories_audit import write


@contextmanager
def busy(places: Places) -> Iterator[None]:
    """Two writers and two keepers at work; one of them removes what is over."""
    done = threading.Event()
    trails = [Trail(places) for _ in range(2)]

    def writing(trail: Trail) -> None:
        for number in range(100_000):
            if done.wait(0.0005):
                break
            write(trail, 1, number)

    def keeping(keeper: Keeper) -> None:
        for _ in range(100_000):
            if done.wait(0.003):
                break
            keeper._looked = 0
            keeper.checkpoint()

    work = [threading.Thread(target=writing, args=(trail,)) for trail in trails]
    work += [
        threading.Thread(target=keeping, args=(keeper,))
        for keeper in (Keeper(places, days=0), Keeper(places))
    ]
    for thread in work:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in work:
            thread.join()
        for trail in trails:
            trail.close()


def test_looking_while_others_write_raises_no_false_alarm(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_module, "ROTATE_BYTES", 4000)
    with busy(places):
        reports = [examine(places) for _ in range(80)]
    assert [report.broken for report in reports if report.broken] == []
    last = examine(places)
    assert (last.broken, last.uncovered) == ([], 0)
    assert last.checkpoints > 3
