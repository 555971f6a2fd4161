"""The prices that gateways are told are those that calls will be priced with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
from factories_prices import (
    FIRST_LIST,
    INSIDE,
    enriched,
    insert,
    listed_ledger,
    moment,
    shipped_ledger,
    token_prices,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.limits.prices_now import prices_now
from hf_ledger.ingest.doors.gateway.state import Price

TOKENS = {
    "uncached_input_tokens": 1_000_003,
    "cache_read_tokens": 70_001,
    "cache_write_tokens": 9_007,
    "output_tokens": 500_009,
}
CONTRACT: dict[str, Any] = {
    "contract_id": "c1",
    "provider": "acme",
    "model": "maker/model",
    "kind": "input_tokens",
    "usd": None,
    "per_units": 1_000_000,
    "discount_percent": None,
    "valid_from": FIRST_LIST,
    "valid_to": None,
    "source": "test",
    "snapshot": "",
}


def told(cursor: duckdb.DuckDBPyConnection, now: datetime = INSIDE) -> dict[str, Price]:
    return {f"{price.provider} {price.model}": price for price in prices_now(cursor, now)}


def only(cursor: duckdb.DuckDBPyConnection, now: datetime = INSIDE) -> Price:
    (price,) = prices_now(cursor, now)
    return price


def usd(price: Price, **tokens: int) -> Decimal | None:
    """What a call with these tokens costs at this price; None where a price is missing."""
    read = price.cache_read or price.input
    write = price.cache_write or price.input
    parts = zip(tokens.values(), (price.input, read, write, price.output), strict=True)
    if price.input is None or price.output is None:
        return None
    return sum((count * Decimal(each or 0) for count, each in parts), Decimal(0)) / price.per_units


def agree(cursor: duckdb.DuckDBPyConnection, *contracts: dict[str, Any]) -> None:
    cursor.execute("delete from contracts")
    for each in contracts:
        insert(cursor, "contracts", {**CONTRACT, **each})


def test_a_list_price() -> None:
    price = only(listed_ledger(*token_prices("0.25", "0.69")))
    assert (price.provider, price.model, price.per_units) == ("acme", "maker/model", 1_000_000)
    assert (price.input, price.output, price.cache_read, price.valid_to) == (
        "0.25",
        "0.69",
        None,
        None,
    )


def test_the_price_of_now_and_when_it_ends() -> None:
    later = moment("2026-07-01")
    cursor = listed_ledger(
        *token_prices("1", "2", valid_to=later),
        *token_prices("3", "4", valid_from=later, price_id="later"),
    )
    before = only(cursor, later - timedelta(seconds=1))
    assert (before.input, before.valid_to) == ("1", 1_782_864_000)
    assert (only(cursor, later).input, only(cursor, later).price_id) == ("3", "later")
    assert prices_now(cursor, FIRST_LIST - timedelta(seconds=1)) == ()


def test_what_was_agreed_comes_before_a_discount_and_that_before_the_list() -> None:
    cursor = listed_ledger(*token_prices("1", "2"))
    discount = {"contract_id": "d", "discount_percent": Decimal("12.5"), "usd": None}
    agree(cursor, {**discount, "kind": "*", "model": "*"})
    assert (only(cursor).input, only(cursor).output) == ("0.875", "1.75")
    assert only(cursor).price_id == "d"
    both = [{"usd": Decimal("0.5")}, {"usd": Decimal("0.6"), "kind": "output_tokens"}]
    agree(cursor, *both, {**discount, "kind": "*"})
    assert (only(cursor).input, only(cursor).output) == ("0.5", "0.6")
    agree(cursor, both[0])  # an input price alone prices no call
    assert (only(cursor).input, only(cursor).output) == ("1", "2")
    agree(cursor)


def test_the_routers_list_comes_before_a_later_one_of_another() -> None:
    cursor = listed_ledger(
        *token_prices("1", "2", rank=0, price_id="a", valid_to=moment("2026-12-01")),
        *token_prices("3", "4", rank=1, price_id="z", valid_from=moment("2026-05-01")),
    )
    assert only(cursor).price_id == "a"


def test_of_two_that_hold_the_later_counts() -> None:
    cursor = listed_ledger(
        *token_prices("1", "2", price_id="z"),
        *token_prices("3", "4", price_id="a", valid_from=moment("2026-05-01")),
    )
    assert only(cursor).price_id == "a"


def test_a_list_without_a_price_of_cached_input_is_completed_by_another() -> None:
    read = {"kind": "cache_read_tokens", "usd": Decimal("0.1"), "rank": 2, "price_id": "b"}
    cursor = listed_ledger(
        *token_prices("1", "2", rank=0, price_id="a"),
        *token_prices("1", "2", rank=2, price_id="b"),
        read,
    )
    price = only(cursor)
    assert (price.input, price.output, price.cache_read) == ("1", "2", "0.1")
    assert price.price_id == "a + b"


def test_a_price_of_an_embedding_has_no_output() -> None:
    price = only(listed_ledger(token_prices("0.02", "0")[0]))
    assert (price.input, price.output) == ("0.02", None)


def test_the_smallest_prices_are_exact_text() -> None:
    cursor = listed_ledger(*token_prices("0.000000001", "1000"))
    assert (only(cursor).input, only(cursor).output) == ("0.000000001", "1000")
    agree(cursor, {"discount_percent": Decimal("33.333333"), "kind": "*"})
    assert only(cursor).input == "0.00000000066666667"
    agree(cursor)


def test_it_leaves_nothing_behind_for_the_next_look() -> None:
    cursor = listed_ledger(*token_prices("1", "2"))
    assert prices_now(cursor, INSIDE) == prices_now(cursor, INSIDE)


# -- the law: told as priced -------------------------------------------------------------------

AMOUNTS = st.decimals("0", "99", places=3)
DATES = st.sampled_from([moment("2026-01-01"), moment("2026-05-01"), moment("2026-08-01")])
ENDS = st.sampled_from([None, moment("2026-06-01"), moment("2026-12-01")])
BOTH = ("input_tokens", "output_tokens")
#: Most lists have both prices, some cached input's too, and few lack one.
KIND_SETS = (BOTH, (*BOTH, "cache_read_tokens"), (*BOTH, "cache_write_tokens"), BOTH[:1], BOTH[1:])


@st.composite
def lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Prices of one route from several lists, each with some of the kinds."""
    found = []
    for number in range(draw(st.integers(0, 3))):
        version = {
            "price_id": f"p{number}",
            "rank": draw(st.integers(0, 2)),
            "valid_from": draw(DATES),
            "valid_to": draw(ENDS),
        }
        same = draw(st.booleans())
        kinds = draw(st.sampled_from(KIND_SETS))
        found += [{**version, "kind": k, "usd": 2 if same else draw(AMOUNTS)} for k in kinds]
    return found


@st.composite
def agreements(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 2))):
        dates = {"valid_from": draw(DATES), "valid_to": draw(ENDS), "contract_id": f"c{number}"}
        if draw(st.booleans()):
            model, provider = (
                draw(st.sampled_from(["*", "maker/model"])),
                draw(st.sampled_from("*a")),
            )
            percent = draw(st.decimals("0", "100", places=2))
            whom = {"model": model, "provider": "acme" if provider == "a" else "*"}
            found.append({**dates, **whom, "kind": "*", "discount_percent": percent})
        else:
            kinds = draw(st.sampled_from(KIND_SETS))
            found += [{**dates, "kind": k, "usd": draw(AMOUNTS)} for k in kinds]
    return found


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(prices=lists(), contracts=agreements())
def test_a_call_of_now_costs_what_gateways_are_told(
    prices: list[dict[str, Any]], contracts: list[dict[str, Any]]
) -> None:
    cursor = listed_ledger(*prices)
    agree(cursor, *contracts)
    (priced,) = costs(cursor, "acme", ["maker/model"])
    found = told(cursor).get("acme maker/model")
    expected = usd(found, **TOKENS) if found else None
    assert priced == (None if expected is None else round(expected, 9))
    agree(cursor)


def costs(
    cursor: duckdb.DuckDBPyConnection, provider: str, models: Sequence[str]
) -> list[Decimal | None]:
    """What the ledger says such a call costs, of each model."""
    calls = [{"provider": provider, "requested_model": model, **TOKENS} for model in models]
    return [row["cost"] for row in enriched(cursor, calls)]


def test_every_shipped_price_is_told_as_it_is_priced() -> None:
    cursor = shipped_ledger()
    cursor.execute("delete from contracts")
    now = moment("2026-11-20")
    found = prices_now(cursor, now)
    assert len(found) > 300
    calls = [
        {"provider": price.provider, "requested_model": price.model, "ts": now, **TOKENS}
        for price in found
    ]
    rows = enriched(cursor, calls)
    same = [
        (price, row)
        for price, row in zip(found, rows, strict=True)
        if (row["model"] or "").lower() == price.model.lower()
    ]
    assert len(same) > 300
    for price, row in same:
        expected = usd(price, **TOKENS)
        assert row["cost"] == (None if expected is None else round(expected, 9)), price
        assert row["price_id"] == (price.price_id if expected is not None else None)
