"""Questions `heat` (weekday × hour of the day) and `busiest` (the busiest hours of the day)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel import clock
from hf_ledger.analytics.kernel.measures import PARTS, regroup, sort, with_known_costs
from hf_ledger.analytics.kernel.scan import aggregate
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TOKENS = """
    cast(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as bigint) as tokens
"""

MEASURES = f"{PARTS.rstrip()},{TOKENS}"

CELLS = [(weekday, hour) for weekday in range(1, 8) for hour in range(24)]


def heat(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """168 rows by local weekday (Monday 1) and hour: calls, cost, tokens, hours.

    `hours` is how often the period holds that hour of that weekday, so that calls / hours compares
    a period of nine Mondays fairly, and an hour that the clock skips or repeats as well.
    """
    import pyarrow as pa

    cells = with_known_costs(padded(aggregate(cursor, scope, ("bucket15",), MEASURES), scope))
    columns = ["weekday", "hour", "calls", "cost", "tokens"]
    return cells.select(columns).append_column("hours", pa.array(hours_held(scope), pa.float64()))


def padded(buckets: pa.Table, scope: Scope) -> pa.Table:
    """The 168 cells in order, those without calls as zero."""
    import pyarrow as pa
    import pyarrow.compute as pc

    quarters = clock.local_quarters(buckets["bucket15"].to_numpy().astype("int64"), scope.zone)
    cell = (clock.weekdays(quarters) - 1) * 24 + clock.hours(quarters)
    parts = buckets.drop_columns(["bucket15"]).add_column(0, "cell", pa.array(cell, pa.int64()))
    frame = pa.table({"cell": pa.array(range(len(CELLS)), pa.int64())})
    joined = frame.join(regroup(parts, ("cell",)), "cell").sort_by("cell")
    for place, name in enumerate(joined.column_names):
        if pa.types.is_integer(joined[name].type):
            joined = joined.set_column(place, name, pc.fill_null(joined[name], 0))
    weekdays, hours = (pa.array(each, pa.int64()) for each in zip(*CELLS, strict=True))
    return joined.append_column("weekday", weekdays).append_column("hour", hours)


def hours_held(scope: Scope) -> list[float]:
    """How many hours of each of the 168 kinds a period holds, clock changes included."""
    import numpy as np

    buckets = clock.buckets_between(scope.since, scope.until)
    quarters = clock.local_quarters(buckets, scope.zone)
    cells = (clock.weekdays(quarters) - 1) * 24 + clock.hours(quarters)
    counts = np.bincount(cells, minlength=len(CELLS))
    return [count / 4 for count in counts.tolist()]


def busiest(cursor: duckdb.DuckDBPyConnection, scope: Scope, n: int = 3) -> pa.Table:
    """The `n` local hours of the day with most calls: hour, calls, cost, share of all calls.

    Hours without a call are never among them; of equally busy hours the earlier comes first.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 24:
        raise Usage(f"n must be a whole number from 1 to 24, not {n!r}.")
    hours = by_hour(aggregate(cursor, scope, ("bucket15",), MEASURES), scope)
    ranked = sort(hours, ("calls", "descending"), ("hour", "ascending"))
    return ranked.slice(0, n)


def by_hour(buckets: pa.Table, scope: Scope) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    quarters = clock.local_quarters(buckets["bucket15"].to_numpy().astype("int64"), scope.zone)
    hour = pa.array(clock.hours(quarters), pa.int64())
    parts = buckets.drop_columns(["bucket15"]).add_column(0, "hour", hour)
    table = with_known_costs(regroup(parts, ("hour",)))
    total = pc.sum(table["calls"]).cast(pa.float64())
    share = pc.divide(table["calls"].cast(pa.float64()), total)
    return table.select(["hour", "calls", "cost"]).append_column("share", share)
