"""Questions `months` and `repricing_runs`: what was closed, corrected, repriced and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.calls import aware
from hf_ledger.analytics.kernel.scan import fetch
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Costs of a closed month's calls never change, so what its calls sum to beyond the close came late.
MONTHS = """
with now as (
    select
        months.month,
        count(calls.call_id) as calls,
        coalesce(sum(calls.cost), 0) as cost
    from months
    left join calls
        on calls.ts >= months.since
        and calls.ts < months.until
        and calls.origin in ('live', 'import')
    group by all
),
steps as (
    select
        month,
        count(distinct call_id) as corrected_calls,
        sum(coalesce(new_cost, 0) - coalesce(old_cost, 0)) as corrections
    from repriced_calls
    where month is not null
    group by all
)
select
    months.month,
    months.zone,
    months.closed_at,
    months.calls,
    months.priced_calls,
    months.unpriced_calls,
    cast(months.cost as decimal(38, 9)) as cost,
    cast(months.list_cost as decimal(38, 9)) as list_cost,
    cast(months.endpoint_cost as decimal(38, 9)) as endpoint_cost,
    coalesce(steps.corrected_calls, 0) as corrected_calls,
    cast(coalesce(steps.corrections, 0) as decimal(38, 9)) as corrections,
    now.calls - months.calls as late_calls,
    cast(now.cost - coalesce(months.cost, 0) as decimal(38, 9)) as late_cost,
    cast(
        case
            when months.cost is not null or now.cost > 0 or steps.corrections <> 0
                then now.cost + coalesce(steps.corrections, 0)
        end as decimal(38, 9)
    ) as cost_now
from months
inner join now using (month)
left join steps using (month)
order by months.month
"""

RUNS = """
select
    runs.run_id,
    runs.ran_at,
    runs.reason,
    runs.since,
    runs.until,
    runs.calls,
    runs.changed,
    runs.undo_of,
    undone.run_id as undone_by
from repricing_runs as runs
left join repricing_runs as undone on undone.undo_of = runs.run_id
order by runs.run_id
"""


def months(cursor: duckdb.DuckDBPyConnection, _scope: Scope | None = None) -> pa.Table:
    """Closed months: sums as closed, corrections since, late calls, and `cost_now` of all three."""
    return aware(fetch(cursor, MONTHS), ("closed_at",))


def repricing_runs(cursor: duckdb.DuckDBPyConnection, _scope: Scope | None = None) -> pa.Table:
    """Every repricing run, and by which one it was undone."""
    return aware(fetch(cursor, RUNS), ("ran_at", "since", "until"))
