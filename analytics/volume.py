"""Question `volume`: what a scope's calls would cost on given routes, at their own tokens.

A difference of prices and nothing else: another model writes answers of another length, and none of
these answers was looked at. Each call is rounded once, half to even, as its own cost was; so the
route that the calls took gives what they did cost, as long as its price did not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_ledger.analytics.kernel.measures import sort
from hf_ledger.analytics.kernel.scan import aggregate, fetch, matching, naive_utc
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.doors.gateway.limits.prices_now import prices_now
from hf_ledger.ingest.doors.gateway.state import Price
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MOST_ROUTES = 200
NANO = 10**9

#: What failed or was refused costs nothing on any route.
ANSWERED = "outcome not in ('error', 'refused')"

# A call whose tokens are not known, or that a route has no price for, is in none of its sums.
REPRICED = """
with routes as (
    select
        unnest(?::bigint[]) as place,
        unnest(?::varchar[]) as to_provider,
        unnest(?::varchar[])::hugeint as denominator,
        unnest(?::varchar[])::hugeint as input_price,
        unnest(?::varchar[])::hugeint as read_price,
        unnest(?::varchar[])::hugeint as write_price,
        unnest(?::varchar[])::hugeint as output_price
),
asked as (
    select
        provider,
        cached_reply and provider = 'hf-inference' as from_cache,
        uncached_input_tokens as uncached,
        coalesce(cache_read_tokens, 0) as cache_read,
        coalesce(cache_write_tokens, 0) as cache_write,
        case
            when output_tokens is not null then output_tokens
            when task in ('feature-extraction', 'sentence-similarity', 'text-ranking') then 0
        end as output,
        cost
    from entries
    where outcome not in ('error', 'refused')
        and """

PRICED = """
),
multiplied as (
    select
        asked.*,
        place,
        denominator,
        from_cache and to_provider = 'hf-inference' as is_free,
        uncached * input_price + cache_read * read_price + cache_write * write_price
            as read_numerator,
        output * coalesce(output_price, case when output = 0 then 0 end) as output_numerator
    from asked
    cross join routes
    where denominator is not null
        and least(uncached, cache_read, cache_write, output) >= 0
        and uncached is not null
        and output is not null
),
divided as (
    select
        *,
        case when is_free then 0 else read_numerator + output_numerator end as numerator,
        numerator // denominator as whole,
        2 * (numerator % denominator) as twice_rest
    from multiplied
)
select
    place,
    count(*) as counted_calls,
    count(case when cost is null then 1 end) as unpriced_calls,
    cast(sum(cost) as decimal(38, 9)) as cost,
    cast(sum(uncached + cache_read + cache_write) as bigint) as input_tokens,
    cast(sum(output) as bigint) as output_tokens,
    cast(
        sum(
            whole + case
                when twice_rest > denominator then 1
                when twice_rest = denominator then whole % 2
                else 0
            end
        ) as decimal(38, 0)
    ) as nano,
    cast(sum(case when is_free then 0 else output_numerator end) as decimal(38, 0))
        as output_numerator
from divided
where whole < 999999999999999999
group by place
"""

COUNTED = "count(*) as calls"


class Route(NamedTuple):
    """A pair as it was asked for, and its price: whole numbers of nano-USD a token ÷ denominator.

    Without a price the numbers are None.
    """

    model: str
    provider: str
    price_id: str | None = None
    denominator: int | None = None
    input: int | None = None
    read: int | None = None
    write: int | None = None
    output: int | None = None


def volume(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, routes: Sequence[Sequence[str]] = ()
) -> pa.Table:
    """A row for each of the `routes` (pairs of model and provider), in their order.

    Columns: model, provider, price_id, calls, counted_calls, unpriced_calls, cost, input_tokens,
    output_tokens, cost_after, output_cost_after, main_model, main_calls.
    """
    import pyarrow as pa

    held = {key_of(price.model, price.provider): price for price in prices_at(cursor, scope)}
    asked = [route(*pair, held) for pair in pairs(routes)]
    about = calls_of(cursor, scope)
    found = {row["place"]: row for row in repriced(cursor, scope, asked)} if asked else {}
    rows = [{**about, **row_of(each, found.get(place))} for place, each in enumerate(asked)]
    return pa.Table.from_pylist(rows, schema=schema())


def pairs(routes: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """The routes as pairs; `Usage` for anything else."""
    if isinstance(routes, str) or len(routes) > MOST_ROUTES or not all(map(is_pair, routes)):
        raise Usage(f"routes are at most {MOST_ROUTES} pairs of model and provider.")
    return [(each[0], each[1]) for each in routes]


def is_pair(value: Any) -> bool:
    is_list = isinstance(value, list | tuple) and len(value) == 2
    return is_list and all(isinstance(each, str) for each in value)


def key_of(model: str, provider: str) -> tuple[str, str]:
    """Ids on the Hub differ in more than case."""
    return model.lower(), provider.lower()


def prices_at(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> tuple[Price, ...]:
    return prices_now(cursor, naive_utc(scope.until))


def route(model: str, provider: str, held: Mapping[tuple[str, str], Price]) -> Route:
    price = held.get(key_of(model, provider))
    if price is None or price.input is None:
        return Route(model, provider)
    told = [price.input, price.cache_read, price.cache_write, price.output]
    usd = [told[0], told[1] or told[0], told[2] or told[0], told[3]]
    exact = [None if each is None else Fraction(each) * NANO / price.per_units for each in usd]
    shared = lcm(*(each.denominator for each in exact if each is not None))
    whole = [None if each is None else int(each * shared) for each in exact]
    return Route(model, provider, price.price_id, shared, whole[0], whole[1], whole[2], whole[3])


def repriced(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, asked: Sequence[Route]
) -> list[dict[str, Any]]:
    condition, values = matching(scope)
    numbers = [[as_text(value) for value in column] for column in [*zip(*asked, strict=True)][3:]]
    given = [[*range(len(asked))], [each.provider.lower() for each in asked], *numbers]
    found: list[dict[str, Any]] = fetch(
        cursor, REPRICED + condition + PRICED, [*given, *values]
    ).to_pylist()
    return found


def as_text(number: Any) -> str | None:
    """A whole number of any size: what is bound as a number has 64 bits."""
    return None if number is None else str(number)


def calls_of(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> dict[str, Any]:
    """How many calls there are, and which model most of them went to."""
    table = aggregate(cursor, scope, ("model",), COUNTED, only=ANSWERED)
    rows = sort(table, ("calls", "descending"), ("model", "ascending")).to_pylist()
    main = rows[0] if rows else {"model": None, "calls": 0}
    calls = sum(row["calls"] for row in rows)
    return {"calls": calls, "main_model": main["model"], "main_calls": main["calls"]}


def row_of(asked: Route, found: Mapping[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"counted_calls": 0, "unpriced_calls": 0, **(found or {})}
    row |= {"model": asked.model, "provider": asked.provider, "price_id": asked.price_id}
    if found is not None and asked.denominator is not None:
        row["cost_after"] = Decimal(row["nano"]).scaleb(-9)
        output = Fraction(int(row["output_numerator"]), asked.denominator)
        row["output_cost_after"] = Decimal(round(output)).scaleb(-9)
    return {name: row[name] for name in schema().names if name in row}


def schema() -> pa.Schema:
    import pyarrow as pa

    counts = ("calls", "counted_calls", "unpriced_calls", "input_tokens", "output_tokens")
    money = ("cost", "cost_after", "output_cost_after")
    return pa.schema(
        [
            *((name, pa.string()) for name in ("model", "provider", "price_id")),
            *((name, pa.int64()) for name in counts),
            *((name, pa.decimal128(38, 9)) for name in money),
            ("main_model", pa.string()),
            ("main_calls", pa.int64()),
        ]
    )
