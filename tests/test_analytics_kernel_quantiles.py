"""Quantiles from latency bins: within 2.5 % of the exact nearest rank."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.kernel.quantiles import bin_middle_ms, quantile_ms

latencies = st.lists(st.floats(1.0, 600_000.0), min_size=1, max_size=200)


def bin_of(ms: float) -> int:
    return math.floor(math.log(ms) / math.log(1.05))


@given(latencies, st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_within_two_and_a_half_percent_of_the_nearest_rank(
    found: list[float], share: float
) -> None:
    exact = sorted(found)[max(0, math.ceil(share * len(found)) - 1)]
    estimate = quantile_ms(Counter(map(bin_of, found)), share)
    assert estimate is not None
    # A value on a bin's edge may fall to either side of it in floating point.
    assert exact / 1.0251 <= estimate <= exact * 1.0251


def test_the_median_of_one_call_is_its_bin() -> None:
    assert quantile_ms({140: 1}, 0.5) == bin_middle_ms(140) == pytest.approx(1.05**140.5)


def test_ranks_count_calls_not_bins() -> None:
    histogram = {10: 94, 100: 5, 200: 1}
    assert quantile_ms(histogram, 0.50) == bin_middle_ms(10)
    assert quantile_ms(histogram, 0.94) == bin_middle_ms(10)
    assert quantile_ms(histogram, 0.95) == bin_middle_ms(100)
    assert quantile_ms(histogram, 1.00) == bin_middle_ms(200)


def test_no_calls_have_no_median() -> None:
    assert quantile_ms({}, 0.5) is None
