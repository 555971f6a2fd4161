"""Make the sample ledger: write its calls as a recorder would, collect them, put it in place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from hf_ledger.ingest.doors.sample.calls import sample_calls
from hf_ledger.ingest.doors.sample.traffic import Period
from hf_ledger.ingest.errors import Owned, Unusable, Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.segments import Segments

Progress = Callable[[str, int], None]

IN_USE = (
    "the sample in {root} is open in another process (hf-ledger serve, most likely): stop it, then "
    "run hf-ledger sample again."
)
NOT_KEPT = "the sample could not be written in {folder}: {lost} calls were lost; is the disk full?"
LIMITS = (1, 3_660)

SUMMARY = """
select
    count(*),
    count(distinct team),
    count(distinct model),
    count(*) filter (outcome = 'error'),
    count(*) filter (cost_basis = 'unknown'),
    count(*) filter (cost_basis = 'endpoint_hours'),
    sum(cost)
from calls
"""


@dataclass(frozen=True)
class Sample:
    """What was made. `cost` is USD at list prices of the calls that have one."""

    places: Places
    period: Period
    calls: int
    teams: int
    models: int
    errors: int
    unpriced: int
    endpoint_calls: int
    cost: Decimal


def make_sample(
    places: Places,
    *,
    seed: int,
    calls: int,
    days: int,
    last: date,
    progress: Progress = lambda _step, _done: None,
) -> Sample:
    """Replace the sample beside the user's ledger, which is not touched.

    The calls go the way of real ones: lines in segments, then the collector. The old sample stays
    until the new one is whole. Raises `Owned` while another process has the sample open.
    """
    if calls < 0 or not LIMITS[0] <= days <= LIMITS[1]:
        raise Usage(f"a sample has 0 or more calls on {LIMITS[0]} to {LIMITS[1]:,} days")
    period = Period(last, days)
    refuse_if_open(places.sample)
    making = Places(places.make(places.sample.root) / "making")
    shutil.rmtree(making.root, ignore_errors=True)
    try:
        write_segments(making, seed, calls, period, progress)
        made = collected(making, places.sample, period, progress)
        put_in_place(making, places.sample)
    finally:
        shutil.rmtree(making.root, ignore_errors=True)
    return made


def refuse_if_open(sample: Places) -> None:
    """A sample that is damaged or from another version may be replaced, one in use may not."""
    if not sample.ledger.exists():
        return
    try:
        Ledger.open(sample).close()
    except Owned as error:
        raise Owned(IN_USE.format(root=sample.root)) from error
    except Unusable:
        return


def write_segments(
    making: Places, seed: int, calls: int, period: Period, progress: Progress
) -> None:
    segments = Segments(making.make(making.spool))
    for number, call in enumerate(sample_calls(seed, calls, period), start=1):
        segments.write(call)
        if number % 10_000 == 0:
            progress("written", number)
    segments.close()
    if segments.lost:
        raise Unusable(NOT_KEPT.format(folder=making.spool, lost=segments.lost))


def collected(making: Places, sample: Places, period: Period, progress: Progress) -> Sample:
    with Ledger.open(making) as ledger:
        progress("collecting", 0)
        done = collect(ledger, making)
        progress("collected", done.new)
        found = ledger.cursor().execute(SUMMARY).fetchone() or (0, 0, 0, 0, 0, 0, None)
    calls, teams, models, errors, unpriced, endpoint_calls, cost = found
    return Sample(
        sample, period, calls, teams, models, errors, unpriced, endpoint_calls, cost or Decimal(0)
    )


def put_in_place(making: Places, sample: Places) -> None:
    for left in (Path(f"{sample.ledger}.wal"), sample.owner):
        left.unlink(missing_ok=True)
    making.ledger.replace(sample.ledger)
