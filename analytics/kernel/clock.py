"""The finish for time: from `bucket15` (UTC quarter hours since 1970) to local hours, days, weeks.

Zone rules are looked up once per stretch between clock changes, never per row. Every zone in use
since 1972 is a whole number of quarter hours from UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hf_ledger.analytics.periods import midnight, zone_info
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Integers = npt.NDArray[np.int64]

GRAINS = ("hour", "day", "week", "month")

QUARTER_S = 900
QUARTERS_A_DAY = 96
EPOCH = date(1970, 1, 1)  # a Thursday


def offset(bucket: int, zone: ZoneInfo) -> int:
    """Quarter hours between UTC and the zone at a bucket's start."""
    shift = datetime.fromtimestamp(bucket * QUARTER_S, zone).utcoffset() or timedelta()
    return int(shift.total_seconds()) // QUARTER_S


def changes(first: int, last: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """(first bucket, offset) of each stretch between clock changes in `first … last`."""
    found = [(first, offset(first, zone))]
    low = first
    while low < last:
        high = min(low + QUARTERS_A_DAY, last)
        if offset(high, zone) != found[-1][1]:
            low = change_between(low, high, zone)
            found.append((low, offset(low, zone)))
        else:
            low = high
    return found


def change_between(low: int, high: int, zone: ZoneInfo) -> int:
    """The first bucket in (low, high] whose offset differs from that of `low`."""
    before = offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def local_quarters(buckets: Integers, zone: str) -> Integers:
    """Local quarter hours since 1970-01-01 00:00 local, for UTC buckets."""
    import numpy as np

    if not len(buckets):
        return buckets
    stretches = changes(int(buckets.min()), int(buckets.max()), zone_info(zone))
    starts = np.array([start for start, _ in stretches])
    shifts = np.array([shift for _, shift in stretches])
    local: Integers = buckets + shifts[np.searchsorted(starts, buckets, side="right") - 1]
    return local


def weekdays(quarters: Integers) -> Integers:
    """ISO weekday, Monday 1 to Sunday 7, of local quarter hours."""
    return (quarters // QUARTERS_A_DAY + 3) % 7 + 1


def hours(quarters: Integers) -> Integers:
    """Local hour of the day, 0 to 23."""
    return quarters % QUARTERS_A_DAY // 4


def starts(buckets: Integers, zone: str, grain: str) -> Integers:
    """UTC microseconds at which each bucket's local hour, day, ISO week or month begins."""
    if grain not in GRAINS:
        raise Usage(f"unknown grain {grain!r}; write one of {', '.join(GRAINS)}.")
    quarters = local_quarters(buckets, zone)
    if grain == "hour":
        # An hour that the clock repeats in autumn stays two hours.
        return (buckets - quarters % 4) * QUARTER_S * 1_000_000
    return day_starts(first_days(quarters // QUARTERS_A_DAY, grain), zone)


def first_days(days: Integers, grain: str) -> Integers:
    """The first local day (since 1970) of the period that each day lies in."""
    if grain == "week":
        return days - (days + 3) % 7
    if grain == "month":
        months = days.astype("M8[D]").astype("M8[M]")
        return months.astype("M8[D]").astype("int64")
    return days


def day_starts(days: Integers, zone: str) -> Integers:
    import numpy as np

    unique, position = np.unique(days, return_inverse=True)
    moments = [midnight(EPOCH + timedelta(days=int(day)), zone) for day in unique]
    micros = [round(moment.timestamp()) * 1_000_000 for moment in moments]
    return np.array(micros, dtype="int64")[position]


def period_column(buckets: pa.ChunkedArray, zone: str, grain: str) -> pa.Array:
    """The local start of each bucket's period, as aware timestamps."""
    import pyarrow as pa

    micros = starts(buckets.to_numpy().astype("int64"), zone, grain)
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", tz=zone))


def buckets_between(since: datetime, until: datetime) -> Integers:
    """Every quarter hour that begins in `since <= t < until`."""
    import numpy as np

    first, last = (
        -int(-moment.astimezone(UTC).timestamp() // QUARTER_S) for moment in (since, until)
    )
    return np.arange(first, last, dtype="int64")
