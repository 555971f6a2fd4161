"""Question `spend`: cost by any dimensions, and by local hour, day, ISO week or month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.clock import period_column
from hf_ledger.analytics.kernel.measures import PARTS, TOKENS, regroup, sort, with_known_costs
from hf_ledger.analytics.kernel.scan import aggregate
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEASURES = f"{PARTS.rstrip()},{TOKENS}"

#: The columns after the period and the dimensions.
COLUMNS = (
    "calls",
    "errors",
    "refused",
    "priced_calls",
    "unpriced_calls",
    "endpoint_calls",
    "free_calls",
    "cost",
    "list_cost",
    "input_tokens",
    "output_tokens",
)


def spend(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    by: Sequence[str] = (),
    grain: str | None = None,
) -> pa.Table:
    """A row for each combination met: `period` (with a grain), the dimensions, `COLUMNS`.

    `period` is the local start as an aware timestamp in the scope's zone. Rows come by period,
    then dearest first, unknown cost last.
    """
    keys = unrepeated(by)
    if grain is None:
        parts = aggregate(cursor, scope, keys, MEASURES)
        return finished(parts, keys)
    buckets = aggregate(cursor, scope, ("bucket15", *keys), MEASURES)
    period = period_column(buckets["bucket15"], scope.zone, grain)
    parts = buckets.drop_columns(["bucket15"]).add_column(0, "period", period)
    return finished(regroup(parts, ("period", *keys)), ("period", *keys))


def unrepeated(by: Sequence[str]) -> tuple[str, ...]:
    if isinstance(by, str):
        raise Usage(f"'by' takes a list of dimensions, such as [{by!r}].")
    return tuple(dict.fromkeys(by))


def finished(parts: pa.Table, keys: Sequence[str]) -> pa.Table:
    table = with_known_costs(parts).select([*keys, *COLUMNS])
    order = [(key, "ascending") for key in keys]
    first, rest = (order[:1], order[1:]) if "period" in keys else ([], order)
    return sort(table, *first, ("cost", "descending"), ("calls", "descending"), *rest)
