"""Question `route_prices`: the price list with its dates, of one model or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.calls import aware
from hf_ledger.analytics.kernel.scan import fetch
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROUTE_PRICES = """
select
    provider,
    model,
    kind,
    usd,
    per_units,
    valid_from,
    valid_to,
    source,
    rank,
    price_id
from prices
where ? is null or lower(model) = lower(?)
order by
    model,
    provider,
    kind,
    valid_from,
    price_id
"""


def route_prices(
    cursor: duckdb.DuckDBPyConnection, _scope: Scope | None = None, model: str | None = None
) -> pa.Table:
    """USD per `per_units` with the dates it held (UTC; no end: still in the latest list); rank 0
    is the router's list."""
    return aware(fetch(cursor, ROUTE_PRICES, [model, model]), ("valid_from", "valid_to"))
