"""Re-pricing is exact: whole numbers of 10⁻¹⁸ USD until the one rounding at the end."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from factories_questions import WEEK, Row, at, insert, memory, price_rows, scope
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.pricing import (
    ATTO,
    PriceBook,
    Tokens,
    atto,
    price_book,
    tokens_by_era,
    usd,
)
from hf_ledger.analytics.scope import Scope

ROUTE = ("novita", "org/model")


def book(rows: list[Row], within: Scope = WEEK) -> PriceBook:
    cursor = memory().cursor()
    insert(cursor, "prices", rows)
    return price_book(cursor, within)


def cost(found: PriceBook, *eras: Tokens) -> Decimal | None:
    """USD of tokens by era 0, 1, …"""
    amount = found.cost(ROUTE, dict(enumerate(eras)))
    return None if amount is None else usd(amount)


def test_tokens_times_price_by_hand() -> None:
    found = book(price_rows(*ROUTE, "0.13", "0.39"))
    # 1,234 × 0.13 + 567 × 0.39 = 160.42 + 221.13 millionths of a dollar
    assert cost(found, Tokens(1234, 0, 0, 567)) == Decimal("0.00038155")


def test_cached_tokens_have_their_own_price_or_that_of_other_input() -> None:
    own = book(price_rows(*ROUTE, "1", "2", cache_read_tokens="0.1", cache_write_tokens="1.25"))
    plain = book(price_rows(*ROUTE, "1", "2"))
    tokens = Tokens(100, 1000, 10, 50)
    assert cost(own, tokens) == (100 + 100 + Decimal("12.5") + 100) / Decimal(10**6)
    assert cost(plain, tokens) == Decimal(100 + 1000 + 10 + 100) / 10**6


def test_the_smallest_price_of_the_list_is_not_rounded_away() -> None:
    found = book(price_rows(*ROUTE, "0.0375", "0.000000001"))
    assert cost(found, Tokens(1_000_000, 0, 0, 0)) == Decimal("0.0375")
    assert cost(found, Tokens(0, 0, 0, 10**6)) == Decimal("0.000000001")


def test_a_price_that_changes_inside_the_period_has_two_eras() -> None:
    rows = [
        *price_rows(*ROUTE, "1", "1", since="2026-01-01", until="2026-08-13"),
        *price_rows(*ROUTE, "3", "3", since="2026-08-13"),
    ]
    found = book(rows)
    assert found.edges == (at("2026-08-13"),)
    assert cost(found, Tokens(10**6, 0, 0, 0), Tokens(10**6, 0, 0, 0)) == Decimal(1 + 3)


def test_a_route_without_price_in_one_era_has_no_cost() -> None:
    found = book(price_rows(*ROUTE, "1", "1", since="2026-08-13"))
    assert found.edges == (at("2026-08-13"),)
    one = Tokens(1, 0, 0, 1)
    assert cost(found, one, one) is None
    assert found.cost(ROUTE, {1: one}) == 2 * ATTO // 10**6
    assert found.cost(("novita", "other"), {1: one}) is None


def test_prices_outside_the_period_play_no_part() -> None:
    rows = [
        *price_rows(*ROUTE, "1", "1", since="2026-01-01", until="2026-08-10"),
        *price_rows(*ROUTE, "2", "2", since="2026-08-10", until="2026-08-17"),
        *price_rows(*ROUTE, "3", "3", since="2026-08-17"),
    ]
    found = book(rows)
    assert found.edges == ()
    assert cost(found, Tokens(10**6, 0, 0, 0)) == Decimal(2)


def test_a_price_of_zero_is_nothing_to_plan_with() -> None:
    assert cost(book(price_rows(*ROUTE, "0", "0")), Tokens(5, 0, 0, 5)) is None
    assert cost(book(price_rows(*ROUTE, "0", "1")), Tokens(5, 0, 0, 5)) == Decimal("0.000005")


def test_half_a_price_is_no_price() -> None:
    (only_input, _) = price_rows(*ROUTE, "1", "2")
    assert book([only_input]).routes == {}


def test_other_units_are_no_token_prices() -> None:
    rows = [{**row, "kind": "gpu_seconds", "per_units": 1} for row in price_rows(*ROUTE, "1", "2")]
    assert book(rows[:1]).routes == {}


@pytest.mark.parametrize(
    ("price", "per_units", "exact"),
    [
        ("1", 1_000_000, 10**12),
        ("0.000000001", 1_000_000, 1000),
        ("0.5", 1, ATTO // 2),
        ("1", 3, Fraction(ATTO, 3)),
    ],
)
def test_prices_become_whole_numbers_where_that_is_exact(
    price: str, per_units: int, exact: Fraction
) -> None:
    assert atto(Decimal(price), per_units) == exact


@pytest.mark.parametrize(
    ("nanos", "rounded"),
    [("0.5", 0), ("1.5", 2), ("2.5", 2), ("2.500000001", 3), ("2.499999999", 2), ("0", 0)],
)
def test_rounding_is_half_to_even_at_nine_places(nanos: str, rounded: int) -> None:
    amount = int(Decimal(nanos) * 10**9)  # 10⁻⁹ USD in 10⁻¹⁸
    assert usd(amount) == Decimal(rounded).scaleb(-9)


prices = st.decimals(Decimal("0.000000001"), Decimal(100), places=9)
tokens = st.integers(0, 10**9)


@given(prices, prices, st.lists(st.tuples(tokens, tokens), min_size=1, max_size=5))
def test_the_sum_of_costs_is_the_cost_of_the_sum(
    entry: Decimal, output: Decimal, calls: list[tuple[int, int]]
) -> None:
    per_input, per_output = atto(entry, 10**6), atto(output, 10**6)
    each = sum(i * per_input + o * per_output for i, o in calls)
    whole = sum(i for i, _ in calls) * per_input + sum(o for _, o in calls) * per_output
    assert each == whole
    exact = sum(Fraction(entry) * i + Fraction(output) * o for i, o in calls) / 10**6
    assert abs(Fraction(usd(whole)) - exact) <= Fraction(1, 2 * 10**9)


def test_rows_of_an_era_are_added_up() -> None:
    row = {"uncached": 1, "read": 2, "written": 3, "output": 4}
    found = tokens_by_era([{**row, "era": 0}, {**row, "era": 0}, {**row, "era": 2}])
    assert found == {0: Tokens(2, 4, 6, 8), 2: Tokens(1, 2, 3, 4)}


def test_a_period_in_another_zone_has_the_same_prices() -> None:
    berlin = scope(zone="Europe/Berlin")
    rows = price_rows(*ROUTE, "1", "1")
    assert book(rows, berlin) == book(rows)
