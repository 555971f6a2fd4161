"""Question `totals`: everything in a scope as one row, with what its cost covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.measures import PARTS, TOKENS, with_known_costs
from hf_ledger.analytics.kernel.quantiles import quantile_ms
from hf_ledger.analytics.kernel.scan import aggregate, fetch
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEASURES = f"""
    count(case when outcome = 'ok' then 1 end) as ok,
    {PARTS.strip()},
    sum(billed_cost) as billed_cost,
    {TOKENS.strip()},
    cast(sum(cache_read_tokens) as bigint) as cache_read_tokens,
    cast(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as bigint) as tokens,
    cast(sum(case when cost is not null
        then coalesce(input_tokens, 0) + coalesce(output_tokens, 0) else 0 end) as bigint)
        as priced_tokens,
    cast(sum(case when cost is null and cost_basis <> 'endpoint_hours'
        then coalesce(input_tokens, 0) + coalesce(output_tokens, 0) else 0 end) as bigint)
        as unpriced_tokens,
    count(case when tokens_source = 'estimated' then 1 end) as estimated_calls,
    count(case when cost_basis in ('provider_list_price', 'collected_price') then 1 end)
        as further_price_calls,
    count(case when cost_basis = 'list_price_tokens' and coalesce(price_id, '') not like '% + %'
        and coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) > 0 then 1 end)
        as cache_at_input_price_calls,
    min(ts) as first_ts,
    max(ts) as last_ts,
    count(distinct model) as models
"""

LATENCIES = "count(*) as calls"

# A refusal is quick, and says nothing of how fast models answer.
TIMED = "lat_bin is not null and outcome <> 'refused'"

LATEST_LIST = """
select max(captured_at) as captured_at
from price_lists
"""

COLUMNS = (
    "calls",
    "ok",
    "errors",
    "refused",
    "priced_calls",
    "unpriced_calls",
    "endpoint_calls",
    "free_calls",
    "cost",
    "list_cost",
    "billed_cost",
    "input_tokens",
    "cache_read_tokens",
    "output_tokens",
    "tokens",
    "priced_tokens",
    "unpriced_tokens",
    "estimated_calls",
    "first_ts",
    "last_ts",
    "p50_ms",
    "p95_ms",
    "models",
    "price_list_at",
    "further_price_calls",
    "cache_at_input_price_calls",
)


def totals(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """One row of `COLUMNS`; token sums are NULL where no call stated any, 0 where none was made."""
    row = with_known_costs(aggregate(cursor, scope, (), MEASURES))
    histogram = latencies(cursor, scope)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        row = row.append_column(name, [[quantile_ms(histogram, share)]])
    row = row.append_column("price_list_at", fetch(cursor, LATEST_LIST)["captured_at"])
    return typed(row)


def latencies(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> dict[int, int]:
    """Calls by latency bin; those of unknown latency, and refused ones, are left out."""
    table = aggregate(cursor, scope, ("lat_bin",), LATENCIES, only=TIMED)
    return dict(zip(table["lat_bin"].to_pylist(), table["calls"].to_pylist(), strict=True))


def typed(row: pa.Table) -> pa.Table:
    """The columns in their order, times aware, money and milliseconds typed even where NULL."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    kinds = {
        **dict.fromkeys(("first_ts", "last_ts", "price_list_at"), moment),
        **dict.fromkeys(("p50_ms", "p95_ms"), pa.float64()),
        **dict.fromkeys(("cost", "list_cost", "billed_cost"), pa.decimal128(38, 9)),
    }
    chosen = row.select(list(COLUMNS))
    return chosen.cast(pa.schema([(f.name, kinds.get(f.name, f.type)) for f in chosen.schema]))
