"""Rounded tables add up: largest remainder, with unknown parts left unknown."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.rounding import CENT, apportioned, to_cents

parts = st.lists(
    st.one_of(st.none(), st.decimals(Decimal(0), Decimal(100_000), places=9)), max_size=30
)


def known(found: list[Decimal | None]) -> list[Decimal]:
    return [each for each in found if each is not None]


@given(parts)
def test_the_rounded_parts_sum_to_the_rounded_whole(given_parts: list[Decimal | None]) -> None:
    rounded = apportioned(given_parts)
    whole = sum(known(given_parts), Decimal(0)).quantize(CENT, ROUND_HALF_EVEN)
    assert sum(known(rounded), Decimal(0)) == whole


@given(parts)
def test_no_part_is_off_by_a_cent_and_unknown_stays_unknown(
    given_parts: list[Decimal | None],
) -> None:
    for exact, rounded in zip(given_parts, apportioned(given_parts), strict=True):
        assert (exact is None) == (rounded is None)
        if exact is not None and rounded is not None:
            assert abs(exact - rounded) < CENT
            assert rounded == rounded.quantize(CENT)


@given(parts)
def test_whole_cents_stay_as_they_are(given_parts: list[Decimal | None]) -> None:
    cents = [None if each is None else to_cents(each) for each in given_parts]
    assert apportioned(cents) == cents


def test_thirds_of_a_dollar() -> None:
    third = Decimal("0.333333333")
    assert apportioned([third] * 3) == [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]


def test_the_largest_remainder_gets_the_cent() -> None:
    found = apportioned([Decimal("1.004"), Decimal("2.009"), Decimal("3.007")])
    # 6.02 in all; 6.00 without remainders, so the two largest of 0.004, 0.009, 0.007 get one each
    assert found == [Decimal("1.00"), Decimal("2.01"), Decimal("3.01")]


def test_nothing_to_round() -> None:
    assert apportioned([]) == []
    assert apportioned([None, None]) == [None, None]


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        ("0.005", "0.00"),
        ("0.015", "0.02"),
        ("0.025", "0.02"),
        ("0.0250001", "0.03"),
        ("-0.015", "-0.02"),
    ],
)
def test_cents_are_rounded_half_to_even(exact: str, rounded: str) -> None:
    assert to_cents(Decimal(exact)) == Decimal(rounded)


def test_unknown_has_no_cents() -> None:
    assert to_cents(None) is None
