"""What each model costs at each provider now, chosen as calls will be priced (costing.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import duckdb

from hf_ledger.ingest.catalogue.costing import NANO_PRICES, TOKEN_PRICES
from hf_ledger.ingest.catalogue.tariffs import COMPLETED_PRICES, COVERED_PRICES
from hf_ledger.ingest.doors.gateway.state import Price

STEPS = (NANO_PRICES, TOKEN_PRICES, COMPLETED_PRICES, COVERED_PRICES)
CLEARED = ("drop table nano_prices", "drop table token_prices")

# One row a route: agreed before discounted before listed, and a row with both prices before any
# that lacks one, as a call with input and output takes it. Where a list was completed by another's
# price of cached input, that row comes first and has the same prices otherwise.
HELD = """
with best as (
    select *
    from token_prices
    where valid_from <= $now
        and (valid_to is null or valid_to > $now)
    qualify row_number() over (
        partition by tier, provider, folded
        order by
            input_nano is null or output_nano is null,
            rank,
            valid_from desc,
            price_id desc
    ) = 1
),
discounted as (
    select best.* replace (
        'discount' as tier,
        contracts.contract_id as price_id,
        least(best.valid_to, contracts.valid_to) as valid_to
    ),
    contracts.discount_percent
    from best
    inner join contracts
        on contracts.provider in (best.provider, '*')
        and lower(contracts.model) in (best.folded, '*')
        and contracts.discount_percent is not null
        and contracts.valid_from <= $now
        and (contracts.valid_to is null or contracts.valid_to > $now)
    where best.tier = 'list'
    qualify row_number() over (
        partition by best.provider, best.folded
        order by
            contracts.model = '*',
            contracts.provider = '*',
            contracts.valid_from desc,
            contracts.contract_id desc
    ) = 1
),
spelled as (
    select
        folded,
        min(model) as model
    from nano_prices
    group by folded
)
select
    provider,
    model,
    price_id,
    per_units,
    input_nano,
    output_nano,
    read_nano,
    write_nano,
    discount_percent,
    valid_to
from (
    select *
    from discounted
    union all by name
    select *
    from best
) as held
inner join spelled on spelled.folded = held.folded
qualify row_number() over (
    partition by provider, held.folded
    order by
        input_nano is null or output_nano is null,
        case tier
            when 'contract' then 0
            when 'discount' then 1
            else 2
        end
) = 1
order by
    provider,
    model
"""


def prices_now(cursor: duckdb.DuckDBPyConnection, now: datetime) -> tuple[Price, ...]:
    """The price of tokens of every route that has one at `now` (UTC, without zone)."""
    for step in STEPS:
        cursor.execute(step)
    found = cursor.execute(HELD, {"now": now})
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for step in CLEARED:
        cursor.execute(step)
    return tuple(map(_price, rows))


def _price(row: dict[str, Any]) -> Price:
    until = row["valid_to"]
    left = 100 - (row["discount_percent"] or Decimal(0))
    return Price(
        provider=row["provider"],
        model=row["model"],
        price_id=row["price_id"],
        per_units=row["per_units"],
        input=_usd(row["input_nano"], left),
        output=_usd(row["output_nano"], left),
        cache_read=_usd(row["read_nano"], left),
        cache_write=_usd(row["write_nano"], left),
        valid_to=None if until is None else int(until.replace(tzinfo=UTC).timestamp()),
    )


def _usd(nano: int | None, left_percent: Decimal) -> str | None:
    """USD as exact decimal text; nine places of a price and eight of a discount fit."""
    if nano is None:
        return None
    with localcontext() as context:
        context.prec = 50
        usd = Decimal(nano).scaleb(-9) * left_percent / 100
    return f"{usd.normalize():f}"
