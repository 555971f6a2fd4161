"""The price list that ships, and how old a list is."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from hf_ledger.ingest.catalogue.load import data_file


@dataclass(frozen=True)
class Price:
    """One price of one route while it stood: USD per `per_units` of `kind`, times UTC.

    All kinds of one version of a route's price share `price_id`, which is never used again.
    `valid_to` None: in the latest list known, which is no promise that it still holds.
    """

    provider: str
    model: str
    kind: str
    usd: Decimal
    per_units: int
    valid_from: datetime
    valid_to: datetime | None
    source: str
    price_id: str
    rank: int = 0  # of several prices of a route the lowest counts; the router's list has 0

    def holds(self, at: datetime) -> bool:
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@cache
def shipped_prices() -> tuple[Price, ...]:
    """Every price that ships, oldest version of a route first."""
    with data_file("prices.csv").open(encoding="utf-8") as file:
        return tuple(price_of(row) for row in csv.DictReader(file))


def price_of(row: dict[str, str]) -> Price:
    return Price(
        provider=row["provider"],
        model=row["model"],
        kind=row["kind"],
        usd=Decimal(row["usd"]),
        per_units=int(row["per_units"]),
        valid_from=moment(row["valid_from"]),
        valid_to=moment(row["valid_to"]) if row["valid_to"] else None,
        source=row["source"],
        price_id=row["price_id"],
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@cache
def shipped_list_at() -> datetime:
    """When the latest list that ships was captured."""
    with data_file("price_lists.csv").open(encoding="utf-8") as file:
        return max(moment(row["captured_at"]) for row in csv.DictReader(file))


def of_model(prices: Iterable[Price], model: str) -> list[Price]:
    """The prices of one model, whatever the case of its id."""
    return [price for price in prices if price.model.lower() == model.lower()]


def age_of_list(captured_at: datetime, now: datetime) -> str:
    """How a page says it: "at the list of 27 Jul 2026 (119 days old)"."""
    days = (now - captured_at).days
    return f"at the list of {captured_at:%-d %b %Y} ({days:,} day{'' if days == 1 else 's'} old)"
