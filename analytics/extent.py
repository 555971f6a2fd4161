"""Questions `extent` (what the ledger holds, by origin) and `values` (what a dimension holds)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.measures import sort
from hf_ledger.analytics.kernel.scan import aggregate, fetch
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

EXTENT = """
select
    origin,
    count(*) as calls,
    min(ts) as first_ts,
    max(ts) as last_ts
from entries
group by origin
order by origin
"""

CALLS = "count(*) as calls"


def extent(cursor: duckdb.DuckDBPyConnection, _scope: Scope | None = None) -> pa.Table:
    """A row for each origin in the whole ledger: calls, first and last start (UTC)."""
    import pyarrow as pa

    table = fetch(cursor, EXTENT)
    moment = pa.timestamp("us", tz="UTC")
    kinds = [("origin", pa.string()), ("calls", pa.int64()), ("first_ts", moment)]
    return table.cast(pa.schema([*kinds, ("last_ts", moment)]))


def values(cursor: duckdb.DuckDBPyConnection, scope: Scope, dimension: str) -> pa.Table:
    """The values of a dimension as text (NULL: not set) with their calls, most frequent first."""
    import pyarrow as pa

    table = aggregate(cursor, scope, (dimension,), CALLS).rename_columns(["value", "calls"])
    text = table.cast(pa.schema([("value", pa.string()), ("calls", pa.int64())]))
    return sort(text, ("calls", "descending"), ("value", "ascending"))
