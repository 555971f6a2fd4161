"""What the same tokens would have cost on another route: exact, at the price of each call's time.

Prices and sums are whole numbers of 10⁻¹⁸ USD, so nothing is rounded before the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.kernel.scan import fetch, naive_utc
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb

#: Versions of token prices in the router's list that held at some time of a scope.
TOKEN_PRICES = """
select
    provider,
    model,
    valid_from,
    valid_to,
    per_units,
    max(case when kind = 'input_tokens' then usd end) as input_usd,
    max(case when kind = 'output_tokens' then usd end) as output_usd,
    max(case when kind = 'cache_read_tokens' then usd end) as read_usd,
    max(case when kind = 'cache_write_tokens' then usd end) as write_usd
from prices
where kind in ('input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens')
    and rank = 0
    and valid_from < ?
    and (valid_to is null or valid_to > ?)
group by
    provider,
    model,
    price_id,
    valid_from,
    valid_to,
    per_units
order by
    provider,
    model,
    valid_from,
    price_id
"""

ATTO = 10**18
Atto = int | Fraction


@dataclass(frozen=True)
class Tokens:
    """Sums over calls, disjoint as in the ledger."""

    uncached: int
    read: int
    written: int
    output: int


@dataclass(frozen=True)
class Price:
    """10⁻¹⁸ USD a token on one route, while `valid_from <= ts < valid_to` (naive UTC)."""

    provider: str
    model: str
    valid_from: datetime
    valid_to: datetime | None
    uncached: Atto
    read: Atto
    written: Atto
    output: Atto

    def cost(self, tokens: Tokens) -> Atto:
        return (
            tokens.uncached * self.uncached
            + tokens.read * self.read
            + tokens.written * self.written
            + tokens.output * self.output
        )

    @property
    def free(self) -> bool:
        """Both prices 0: a promotion or a placeholder, in any case nothing to plan with."""
        return not self.uncached and not self.output


Route = tuple[str, str]  # provider, model


@dataclass(frozen=True)
class PriceBook:
    """Token prices by route and era; eras are the stretches of the scope without price changes."""

    edges: tuple[datetime, ...]
    routes: Mapping[Route, Mapping[int, Price]]

    def cost(self, route: Route, tokens: Mapping[int, Tokens]) -> Atto | None:
        """What tokens by era cost on a route; None where it has no price in one of the eras."""
        prices = self.routes.get(route, {})
        if any(era not in prices or prices[era].free for era in tokens):
            return None
        return sum(prices[era].cost(each) for era, each in tokens.items())


def price_book(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> PriceBook:
    """The token prices that hold somewhere in the scope's period."""
    since, until = naive_utc(scope.since), naive_utc(scope.until)
    versions = fetch(cursor, TOKEN_PRICES, [until, since]).to_pylist()
    prices = [made for made in map(price, versions) if made is not None]
    edges = changes(prices, since, until)
    starts = [since, *edges]
    routes: dict[Route, dict[int, Price]] = {}
    for each in prices:
        eras = routes.setdefault((each.provider, each.model), {})
        eras.update({era: each for era, start in enumerate(starts) if holds(each, start)})
    return PriceBook(tuple(edge.replace(tzinfo=UTC) for edge in edges), routes)


def price(row: Mapping[str, Any]) -> Price | None:
    """A price version; cached tokens cost as other input where no price of their own is known."""
    units, entry, output = row["per_units"], row["input_usd"], row["output_usd"]
    if entry is None or output is None:
        return None
    return Price(
        row["provider"],
        row["model"],
        row["valid_from"],
        row["valid_to"],
        atto(entry, units),
        atto(entry if row["read_usd"] is None else row["read_usd"], units),
        atto(entry if row["write_usd"] is None else row["write_usd"], units),
        atto(output, units),
    )


def atto(usd: Decimal, per_units: int) -> Atto:
    """USD per units as 10⁻¹⁸ USD a unit, a whole number wherever that is exact."""
    exact = Fraction(usd) * ATTO / per_units
    return exact.numerator if exact.denominator == 1 else exact


def changes(prices: Iterable[Price], since: datetime, until: datetime) -> list[datetime]:
    """When a price begins or ends inside the period."""
    moments = {moment for p in prices for moment in (p.valid_from, p.valid_to) if moment}
    return sorted(moment for moment in moments if since < moment < until)


def holds(each: Price, moment: datetime) -> bool:
    return each.valid_from <= moment and (each.valid_to is None or moment < each.valid_to)


def usd(amount: Atto) -> Decimal:
    """Rounded once, half to even, at nine places."""
    return Decimal(round(Fraction(amount, ATTO // 10**9))).scaleb(-9)


def tokens_by_era(rows: Sequence[Mapping[str, Any]]) -> dict[int, Tokens]:
    """Sums of rows with `era` and the four token columns."""
    found: dict[int, Tokens] = {}
    for row in rows:
        old = found.get(row["era"], Tokens(0, 0, 0, 0))
        found[row["era"]] = Tokens(
            old.uncached + row["uncached"],
            old.read + row["read"],
            old.written + row["written"],
            old.output + row["output"],
        )
    return found
