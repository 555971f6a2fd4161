"""Question `current_prices`: what tokens cost on each route at the end of a period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from hf_ledger.analytics.kernel.scan import fetch, naive_utc
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.doors.gateway.limits.prices_now import prices_now
from hf_ledger.ingest.doors.gateway.state import Price

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LIST_AT = """
select max(captured_at) as list_at
from price_lists
"""


def current_prices(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """A row a route: `provider`, `model`, USD of `input`, `output`, `cache_read`, `cache_write` as
    decimal text per `per_units` tokens, `price_id`, and `list_at`, the time of the latest list.

    The price is the one that a call of that moment is costed with: agreed before listed.
    """
    import pyarrow as pa

    rows = [row_of(price) for price in prices_now(cursor, naive_utc(scope.until))]
    table = pa.Table.from_pylist(rows, schema=schema())
    listed = fetch(cursor, LIST_AT)["list_at"].cast(pa.timestamp("us", tz="UTC"))[0]
    return table.append_column("list_at", pa.repeat(listed, table.num_rows))


def row_of(price: Price) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.structs.asdict(price)
    return {name: row[name] for name in schema().names}


def price_of(row: Mapping[str, Any]) -> Price:
    """The price that a row of this question states."""
    return Price(**{name: row[name] for name in schema().names})


def schema() -> pa.Schema:
    import pyarrow as pa

    usd = ("input", "output", "cache_read", "cache_write")
    return pa.schema(
        [
            *((name, pa.string()) for name in ("provider", "model", "price_id")),
            ("per_units", pa.int64()),
            *((name, pa.string()) for name in usd),
        ]
    )
