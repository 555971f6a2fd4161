"""What calls cost: set-based, for all newly collected ones.

The arithmetic is exact: prices and quantities become whole nano-units in HUGEINT (DuckDB's decimal
division goes through double), are multiplied, and are rounded once, half-even, at 9 places of USD.
docs/prices.md says which basis applies when.
"""

from __future__ import annotations

import duckdb

from hf_ledger.ingest.catalogue.identifying import identify
from hf_ledger.ingest.catalogue.tariffs import COMPLETED_PRICES, COVERED_PRICES

# What is listed and what was agreed are priced side by side, as two tiers.
NANO_PRICES = """
create or replace temp table nano_prices as
select
    *,
    lower(model) as folded,
    cast(usd::decimal(38, 9) * 1000000000 as hugeint) as nano
from (
    select
        'list' as tier,
        rank,
        price_id,
        provider,
        model,
        kind,
        usd,
        per_units,
        valid_from,
        valid_to
    from prices
    union all
    select
        'contract',
        0,
        contract_id,
        provider,
        model,
        kind,
        usd,
        per_units,
        valid_from,
        valid_to
    from contracts
    where usd is not null
)
"""

# The prices of a version stand side by side; kinds in unlike units would not add up.
TOKEN_PRICES = """
create or replace temp table token_prices as
select
    tier,
    rank,
    price_id,
    provider,
    folded,
    valid_from,
    valid_to,
    false as completed,
    min(per_units) as per_units,
    max(nano) filter (kind = 'input_tokens') as input_nano,
    max(nano) filter (kind = 'output_tokens') as output_nano,
    max(nano) filter (kind = 'cache_read_tokens') as read_nano,
    max(nano) filter (kind = 'cache_write_tokens') as write_nano
from nano_prices
where kind in ('input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens')
group by all
having count(distinct per_units) = 1
"""

# An embedding has no output tokens to state; elsewhere an unstated output is unknown.
TOKEN_COSTS = """
create or replace temp table list_costs as
with counted as (
    select
        rowid as id,
        provider,
        lower(model) as folded,
        ts,
        uncached_input_tokens as uncached,
        coalesce(cache_read_tokens, 0) as cache_read,
        coalesce(cache_write_tokens, 0) as cache_write,
        case
            when output_tokens is not null then output_tokens
            when task in ('feature-extraction', 'sentence-similarity', 'text-ranking') then 0
        end as output
    from staged
)
select
    counted.id,
    token_prices.tier,
    case token_prices.rank
        when 0 then 'list_price_tokens'
        when 1 then 'provider_list_price'
        else 'collected_price'
    end as basis,
    token_prices.price_id,
    token_prices.per_units::hugeint as denominator,
    counted.uncached * input_nano
        + counted.cache_read * coalesce(read_nano, input_nano)
        + counted.cache_write * coalesce(write_nano, input_nano)
        + counted.output * coalesce(output_nano, case when counted.output = 0 then 0 end)
        as numerator
from counted
inner join token_prices
    on token_prices.provider = counted.provider
    and token_prices.folded = counted.folded
    and counted.ts >= token_prices.valid_from
    and (token_prices.valid_to is null or counted.ts < token_prices.valid_to)
    and (not token_prices.completed or counted.cache_read + counted.cache_write > 0)
where counted.output is not null
    and least(counted.uncached, counted.cache_read, counted.cache_write, counted.output) >= 0
qualify row_number() over (
    partition by counted.id, token_prices.tier
    order by numerator is null, rank, valid_from desc, token_prices.price_id desc
) = 1
"""

# Seconds and images are priced like tokens, in billionths of a unit. Compute time has a price on
# hf-inference only, and only on one accelerator: no other rate is published.
UNIT_COSTS = """
insert into list_costs
with measured as (
    select
        rowid as id,
        provider,
        lower(model) as folded,
        ts,
        case
            when units is not null then coalesce(unit_kind, 'units')
            when images is not null then 'images'
            when audio_seconds is not null then 'audio_seconds'
            when provider = 'hf-inference'
                and regexp_matches(
                    lower(compute_type),
                    '^(gpu|1-(t4|l4|l40s|a10g?|a10-g|a100|h100|h200)$)'
                )
                then 'gpu_seconds'
        end as kind,
        coalesce(
            units,
            try_cast(images as decimal(18, 9)),
            try_cast(audio_seconds as decimal(18, 9)),
            try_cast(compute_seconds as decimal(18, 9))
        ) as quantity
    from staged
)
select
    measured.id,
    prices.tier,
    case
        when measured.kind = 'gpu_seconds' then 'compute_time_estimate'
        when prices.rank = 0 then 'list_price_units'
        when prices.rank = 1 then 'provider_list_price'
        else 'collected_price'
    end,
    prices.price_id,
    prices.per_units::hugeint * 1000000000,
    cast(measured.quantity::decimal(38, 9) * 1000000000 as hugeint) * prices.nano
from measured
inner join nano_prices as prices
    on prices.provider = measured.provider
    and prices.folded in (measured.folded, '*')
    and prices.kind = measured.kind
    and measured.ts >= prices.valid_from
    and (prices.valid_to is null or measured.ts < prices.valid_to)
anti join list_costs as by_tokens
    on by_tokens.id = measured.id
    and by_tokens.tier = prices.tier
where measured.quantity >= 0
qualify row_number() over (
    partition by measured.id, prices.tier
    order by prices.rank, prices.model = '*', prices.valid_from desc, prices.price_id desc
) = 1
"""

# A discount is off the list price and counts where no price was agreed on; six places of a percent.
DISCOUNTS = """
insert into list_costs
select
    listed.id,
    'contract' as tier,
    listed.basis,
    contracts.contract_id,
    listed.denominator * 100000000,
    listed.numerator
        * (100000000 - cast(contracts.discount_percent::decimal(38, 6) * 1000000 as hugeint))
from list_costs as listed
inner join staged on staged.rowid = listed.id
anti join (
    select id
    from list_costs
    where tier = 'contract'
        and numerator is not null
) as agreed on agreed.id = listed.id
inner join contracts
    on contracts.provider in (staged.provider, '*')
    and lower(contracts.model) in (lower(staged.model), '*')
    and contracts.discount_percent is not null
    and staged.ts >= contracts.valid_from
    and (contracts.valid_to is null or staged.ts < contracts.valid_to)
where listed.tier = 'list'
    and listed.numerator is not null
qualify row_number() over (
    partition by listed.id
    order by
        contracts.model = '*',
        contracts.provider = '*',
        contracts.valid_from desc,
        contracts.contract_id desc
) = 1
"""

# `//` and `%` on HUGEINT are exact: half goes to the even neighbour.
ROUNDED = """
create or replace temp table rounded_costs as
with divided as (
    select
        *,
        numerator // denominator as whole,
        2 * (numerator % denominator) as twice_rest
    from list_costs
    where numerator is not null
)
select
    id,
    tier,
    basis,
    price_id,
    cast(
        cast(
            whole + case
                when twice_rest > denominator then 1
                when twice_rest = denominator then whole % 2
                else 0
            end as decimal(18, 0)
        ) * 0.000000001 as decimal(18, 9)
    ) as usd
from divided
where whole < 999999999999999999
"""

# Before the first price list nobody can say what a call cost, nor that it was free. Only what a
# provider itself reported needs no list, nor what another ledger estimated: that figure counts only
# where no price of ours is known, and zero there means that it knew none either.
BASES = """
create or replace temp table bases as
select
    staged.rowid as id,
    case
        when coalesce(staged.ts >= first_list.captured_at, false)
            and (
                staged.outcome in ('error', 'refused')
                or (staged.cached_reply and staged.provider = 'hf-inference')
            )
            then 'free'
        when staged.reported_cost is not null then 'provider_reported'
        when staged.host_kind = 'endpoint' then 'endpoint_hours'
        when agreed.basis is not null and staged.host_kind is distinct from 'self_hosted'
            then 'contract'
        when listed.basis is not null and staged.host_kind is distinct from 'self_hosted'
            then listed.basis
        when staged.stated_cost > 0 then 'assumed'
        else 'unknown'
    end as basis,
    listed.usd,
    listed.price_id,
    agreed.usd as agreed_usd,
    agreed.price_id as contract_id
from staged
cross join (select min(captured_at) as captured_at from price_lists) as first_list
left join rounded_costs as listed
    on listed.id = staged.rowid
    and listed.tier = 'list'
left join rounded_costs as agreed
    on agreed.id = staged.rowid
    and agreed.tier = 'contract'
where coalesce(staged.cost_basis, 'unknown') = 'unknown'
"""

COSTS_OF_CALLS = """
update staged
set
    cost_basis = bases.basis,
    list_cost = case
        when bases.basis = 'free' then 0
        when bases.basis not in ('assumed', 'endpoint_hours', 'unknown') then bases.usd
    end,
    cost = case
        when bases.basis = 'free' then 0
        when bases.basis = 'provider_reported' then staged.reported_cost
        when bases.basis = 'assumed' then staged.stated_cost
        when bases.basis = 'contract' then bases.agreed_usd
        when bases.basis not in ('endpoint_hours', 'unknown') then bases.usd
    end,
    price_id = case
        when bases.basis = 'contract' then bases.contract_id
        when bases.basis not in ('free', 'assumed', 'endpoint_hours', 'unknown')
            then bases.price_id
    end,
    payer = case
        when bases.basis = 'free' then 'nobody'
        when staged.payer is not null then staged.payer
        when staged.host_kind in ('router', 'endpoint', 'legacy') then 'huggingface'
        when staged.host_kind = 'provider' then 'provider'
        when staged.host_kind = 'self_hosted' then 'self'
    end
from bases
where staged.rowid = bases.id
"""

STEPS = (
    NANO_PRICES,
    TOKEN_PRICES,
    COMPLETED_PRICES,
    COVERED_PRICES,
    TOKEN_COSTS,
    UNIT_COSTS,
    DISCOUNTS,
    ROUNDED,
    BASES,
    COSTS_OF_CALLS,
    "drop table nano_prices",
    "drop table token_prices",
    "drop table list_costs",
    "drop table rounded_costs",
    "drop table bases",
)


def enrich(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fill model, size and cost of the calls in the temp table `staged` where they are unknown.

    `staged` has the columns of `calls`. A row whose `cost_basis` is other than unknown keeps its
    costs. Models met for the first time are sized and added to `models`. The caller holds the
    transaction. Costs are USD, DECIMAL(18,9); what can't be priced stays NULL.
    """
    identify(cursor)
    price(cursor)


def price(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fill the costs of the calls in `staged` alone: what `enrich` does after identifying them."""
    for step in STEPS:
        cursor.execute(step)
