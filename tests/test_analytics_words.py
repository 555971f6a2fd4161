"""Figures in words: unknown is said, nothing is rounded to zero or to all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.words import counted, dollars, mean_tokens, percent


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "price unknown"),
        ("0", "$0.00"),
        ("0E-9", "$0.00"),
        ("1", "$1.00"),
        ("3479.125", "$3,479.12"),
        ("3479.135", "$3,479.14"),
        ("1234567.891", "$1,234,567.89"),
        ("0.01", "$0.01"),
        ("0.0099", "$0.0099"),
        ("0.00996", "$0.01"),
        ("0.000999", "$0.0010"),
        ("0.000123456", "$0.00012"),
        ("0.000000001", "$0.000000001"),
        ("-0.5", "−$0.50"),
        ("-0.00012", "−$0.00012"),
    ],
)
def test_dollars(usd: str | None, text: str) -> None:
    assert dollars(None if usd is None else Decimal(usd)) == text


@given(st.decimals(Decimal("0.000000001"), Decimal(10**9), places=9))
def test_money_that_is_something_never_reads_as_nothing(usd: Decimal) -> None:
    digits = dollars(usd).strip("$").replace(",", "")
    assert Decimal(digits) > 0
    assert abs(Decimal(digits) - usd) <= max(Decimal("0.005"), usd / 10)


@pytest.mark.parametrize(
    ("share", "places", "text"),
    [
        (None, 0, "unknown"),
        (0.0, 0, "0 %"),
        (1.0, 0, "100 %"),
        (0.934, 0, "93 %"),
        (0.999, 0, ">99 %"),
        (0.9999, 1, ">99.9 %"),
        (0.004, 0, "<1 %"),
        (0.0004, 1, "<0.1 %"),
        (0.123, 1, "12.3 %"),
    ],
)
def test_percent(share: float | None, places: int, text: str) -> None:
    assert percent(share, places) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(0, 2))
def test_a_part_never_reads_as_none_or_all(share: float, places: int) -> None:
    text = percent(share, places)
    assert not text.startswith("100")
    assert text[0] == "<" or float(text.strip(">% ")) > 0


def test_counts_agree_with_their_noun() -> None:
    assert counted(0, "call") == "0 calls"
    assert counted(1, "call") == "1 call"
    assert counted(12_340, "call") == "12,340 calls"


def test_means_may_be_unknown() -> None:
    assert mean_tokens(None) == "an unknown number of"
    assert mean_tokens(1234.5) == "1,234"
