"""What calls would cost now beside what they stand at: the changes a repricing run would make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from hf_ledger.ingest.catalogue.costing import price

#: Costs that come from prices here; what was stated otherwise (an invoice) is not ours to change.
BASES = """
create or replace temp table priced_here as
select unnest([
    'free',
    'provider_reported',
    'endpoint_hours',
    'list_price_tokens',
    'list_price_units',
    'provider_list_price',
    'collected_price',
    'contract',
    'compute_time_estimate',
    'assumed',
    'unknown'
]) as basis
"""

STARTS = """
select
    min(ts),
    max(ts)
from calls
where ts >= $since
    and ts < $until
"""

# Unpriced, so that pricing fills them anew; a payer "nobody" follows from the old cost.
STAGE = """
create or replace temp table staged as
select * replace (
    null::decimal(18, 9) as list_cost,
    null::decimal(18, 9) as cost,
    'unknown' as cost_basis,
    null::varchar as price_id,
    nullif(payer, 'nobody') as payer
)
from calls
where ts >= $since
    and ts < $until
    and cost_basis in (select basis from priced_here)
"""

CHANGES = """
create or replace temp table changes as
select
    call_id,
    ts,
    null::varchar as month,
    list_cost as old_list_cost,
    cost as old_cost,
    cost_basis as old_cost_basis,
    price_id as old_price_id,
    payer as old_payer,
    list_cost as new_list_cost,
    cost as new_cost,
    cost_basis as new_cost_basis,
    price_id as new_price_id,
    payer as new_payer
from calls
limit 0
"""

# A closed month's call stands at its latest correction.
COMPARED = """
insert into changes
with corrected as (
    select
        call_id,
        ts,
        max_by(struct_pack(
            list_cost := new_list_cost,
            cost := new_cost,
            basis := new_cost_basis,
            price_id := new_price_id,
            payer := new_payer
        ), run_id) as stands
    from repriced_calls
    where month is not null
        and ts >= $since
        and ts < $until
    group by all
),
standing as (
    select
        calls.call_id,
        calls.ts,
        calls.origin,
        case when corrected.ts is null then calls.list_cost else stands.list_cost end as list_cost,
        case when corrected.ts is null then calls.cost else stands.cost end as cost,
        case when corrected.ts is null then calls.cost_basis else stands.basis end as basis,
        case when corrected.ts is null then calls.price_id else stands.price_id end as price_id,
        case when corrected.ts is null then calls.payer else stands.payer end as payer
    from calls
    left join corrected using (call_id, ts)
    where calls.ts >= $since
        and calls.ts < $until
)
select
    staged.call_id,
    staged.ts,
    months.month,
    standing.list_cost,
    standing.cost,
    standing.basis,
    standing.price_id,
    standing.payer,
    staged.list_cost,
    staged.cost,
    staged.cost_basis,
    staged.price_id,
    staged.payer
from staged
inner join standing using (call_id, ts)
left join months
    on staged.ts >= months.since
    and staged.ts < months.until
    and staged.origin in ('live', 'import')
where (standing.list_cost, standing.cost, standing.basis, standing.price_id)
    is distinct from (staged.list_cost, staged.cost, staged.cost_basis, staged.price_id)
"""


def compare(cursor: duckdb.DuckDBPyConnection, since: datetime, until: datetime) -> int:
    """Price the calls of a span again, and note those that come out otherwise; how many calls."""
    span = {"since": since, "until": until}
    (staged,) = cursor.execute(STAGE, span).fetchone() or (0,)
    price(cursor)
    cursor.execute(COMPARED, span)
    return int(staged)


def spans(
    cursor: duckdb.DuckDBPyConnection, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """The span in pieces of 31 days at most, so that memory stays flat; none without calls."""
    first, last = cursor.execute(STARTS, {"since": since, "until": until}).fetchone() or (None,) * 2
    pieces = []
    while first is not None and last is not None and first <= last:
        then = min(first + timedelta(days=31), until)
        pieces.append((first, then))
        first = then
    return pieces


def naive(moment: datetime) -> datetime:
    """UTC without zone, as the ledger keeps times."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
