"""Rounding that keeps parts equal to their whole: largest remainder, for tables of money."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")


def to_cents(usd: Decimal | None) -> Decimal | None:
    """Half to even at the cent; unknown stays unknown."""
    return None if usd is None else usd.quantize(CENT, ROUND_HALF_EVEN)


def apportioned(parts: Sequence[Decimal | None]) -> list[Decimal | None]:
    """Parts at the cent whose sum is the rounded sum of the parts; each is off by less than one.

    The cents left over by rounding down go to the largest remainders, of equals to the earlier
    part. Unknown parts stay unknown.
    """
    floors = [None if part is None else part.quantize(CENT, ROUND_FLOOR) for part in parts]
    known = [part for part in parts if part is not None]
    whole = sum(known, Decimal(0)).quantize(CENT, ROUND_HALF_EVEN)
    left = int((whole - sum((f for f in floors if f is not None), Decimal(0))) / CENT)
    for place in largest_remainders(parts)[:left]:
        floors[place] = (floors[place] or Decimal(0)) + CENT
    return floors


def largest_remainders(parts: Sequence[Decimal | None]) -> list[int]:
    """Places of the known parts, largest remainder below the cent first."""
    rest = {
        place: part - part.quantize(CENT, ROUND_FLOOR)
        for place, part in enumerate(parts)
        if part is not None
    }
    return sorted(rest, key=lambda place: (-rest[place], place))
