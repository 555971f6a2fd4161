"""Figures in sentences: dollars, counts, shares. Unknown is said, never rounded to zero."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

PRICE_UNKNOWN = "price unknown"

ESTIMATE = "Estimated cost, USD, before credits and tax"
NO_ENDPOINT_HOURS = "Dedicated endpoint hours not included."
NOT_INVOICED = "Not yet compared with Hugging Face's invoice."
UNTESTED = "Price difference, untested"
SAMPLE = "Sample data"
PRACTICE = "Practice server, no model ran"


def dollars(usd: Decimal | None) -> str:
    """To the cent with thousands; an amount below a cent keeps two digits that matter."""
    if usd is None:
        return PRICE_UNKNOWN
    sign, size = ("−" if usd < 0 else ""), abs(usd)
    if not size or size >= Decimal("0.00995"):
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_EVEN):,f}"
    places = min(9, 1 - Decimal(f"{size:.1e}").adjusted())
    return f"{sign}${size.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):f}"


def counted(number: int, noun: str) -> str:
    """ "1 call", "1,234 calls"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float | None, places: int = 0) -> str:
    """A share as percent that never rounds up to 100 or down to 0."""
    if share is None:
        return "unknown"
    least = 10.0**-places
    if 0 < share * 100 < least / 2:
        return f"<{least:.{places}f} %"
    if 100 - least / 2 <= share * 100 < 100:
        return f">{100 - least:.{places}f} %"
    return f"{share * 100:.{places}f} %"


def estimated_tokens(totals: Mapping[str, Any]) -> str:
    """One sentence more where the tokens of some calls are estimated; empty where none are."""
    calls = totals.get("estimated_calls") or 0
    return f" The tokens of {counted(calls, 'call')} are estimated." if calls else ""


def mean_tokens(value: float | None) -> str:
    return "an unknown number of" if value is None else f"{value:,.0f}"
