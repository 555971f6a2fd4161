"""Questions `calls` (the rows behind any figure) and `call` (one row and how it was priced).

These read rows, so they are outside the kernel.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.endpoint_shares import with_shares
from hf_ledger.analytics.kernel.scan import expression, fetch, matching
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Columns of the drill table; a person may order by each of them.
COLUMNS = (
    "call_id",
    "ts",
    "team",
    "app",
    "environment",
    "project",
    "user_id",
    "operation",
    "host_kind",
    "provider",
    "model",
    "requested_model",
    "endpoint",
    "task",
    "stream",
    "size_class",
    "suitable_class",
    "input_tokens",
    "cache_read_tokens",
    "output_tokens",
    "outcome",
    "status",
    "error_kind",
    "latency_ms",
    "ttft_ms",
    "cost",
    "list_cost",
    "cost_basis",
    "price_id",
    "payer",
    "source",
    "origin",
    "purpose",
    "attempt",
)

#: What has no expression of its own among the dimensions.
PLAIN = frozenset(COLUMNS) - {"call_id", "suitable_class"}

MOST_ROWS = 100_000

ONE_CALL = """
select *
from entries
where call_id = ?
"""

#: All price rows that held for the call's route at its time, and the one its cost names.
PRICES_USED = """
select
    p.price_id,
    p.provider,
    p.model,
    p.kind,
    p.usd,
    p.per_units,
    p.valid_from,
    p.valid_to,
    p.source
from prices as p
join calls as c
    on list_contains(string_split(c.price_id, ' + '), p.price_id)
    or (
        p.provider = c.provider
        and p.model = c.model
        and p.valid_from <= c.ts
        and (p.valid_to is null or c.ts < p.valid_to)
    )
where c.call_id = ?
order by
    p.kind,
    p.valid_from,
    p.price_id
"""


def calls(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    *,
    limit: int = 100,
    offset: int = 0,
    order: str = "ts",
    descending: bool = True,
) -> pa.Table:
    """The scope's calls as `COLUMNS`, ordered with unknown last; ties by time and id.

    Beside them `allocated_cost`: a share of endpoint hours, which no total of calls has in it.
    """
    condition, values = matching(scope)
    direction = "desc" if descending else "asc"
    ordered = f"{column(order)} {direction} nulls last"
    lines = [
        "select",
        ",\n".join(f"{column(name)} as {name}" for name in COLUMNS),
        "from entries",
        "where " + condition,
        f"order by {ordered}, ts {direction}, call_id {direction}",
        "limit ? offset ?",
    ]
    page = [counted("limit", limit), counted("offset", offset)]
    found = aware(fetch(cursor, "\n".join(lines), [*values, *page]), ("ts",))
    return with_shares(cursor, found)


def column(name: str) -> str:
    """The SQL of a drill column; `Usage` for any other name."""
    if name == "call_id":
        return "cast(call_id as varchar)"
    if name in PLAIN:
        return name
    if name in COLUMNS:
        return expression(name)
    raise Usage(f"calls have no column {name!r} to order by; there are {', '.join(COLUMNS)}.")


def counted(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ROWS:
        raise Usage(f"{name} must be a whole number from 0 to {MOST_ROWS}, not {value!r}.")
    return value


def call(
    cursor: duckdb.DuckDBPyConnection, _scope: Scope | None = None, *, call_id: str
) -> pa.Table:
    """One row with every column of `entries`, `allocated_cost` as in `calls`, and `prices_used`.

    These are the price rows as a JSON text.

    No row where the ledger has no such call.
    """
    import pyarrow as pa

    wanted = [identifier(call_id)]
    table = as_text(fetch(cursor, ONE_CALL, wanted), ("call_id", "fallback_of"))
    used = json.dumps(fetch(cursor, PRICES_USED, wanted).to_pylist(), default=worded)
    prices = pa.array([used] * table.num_rows, pa.string())
    return with_shares(cursor, aware(table, ("ts",))).append_column("prices_used", prices)


def worded(value: Any) -> str:
    """Money as plain decimal text, times as they are kept."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def identifier(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError) as exc:
        raise Usage(f"{text!r} is no call id; it looks like {uuid.UUID(int=0)}.") from exc


def as_text(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """UUID columns as text, which every reader of Arrow has."""
    import pyarrow as pa

    for name in names:
        ids: list[Any] = [None if each is None else str(each) for each in table[name].to_pylist()]
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(ids, pa.string()))
    return table


def aware(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Stored times, which are UTC without saying so, as aware timestamps."""
    import pyarrow as pa

    for name in names:
        place = table.column_names.index(name)
        moments = table[name].cast(pa.timestamp("us", tz="UTC"))
        table = table.set_column(place, name, moments)
    return table
