"""Quantiles from a histogram of `floor(ln(ms) / ln 1.05)`: within 2.5 % of the exact value."""

from __future__ import annotations

from collections.abc import Mapping

#: A bin is 5 % wide; its geometric middle is at most 2.5 % from anything in it.
WIDTH = 1.05


def bin_middle_ms(number: int) -> float:
    """The geometric middle of a bin, in milliseconds."""
    return float(WIDTH ** (number + 0.5))


def quantile_ms(histogram: Mapping[int, int], share: float) -> float | None:
    """The nearest-rank quantile of a histogram (bin → calls); None where it is empty."""
    total = sum(histogram.values())
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= share * total:
            return bin_middle_ms(number)
    return None
