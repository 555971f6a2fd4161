"""Figures in sentences: dollars, counts, shares. Unknown is said, never rounded to zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

PRICE_UNKNOWN = "price unknown"

ESTIMATE = "Estimated cost, USD, before credits and tax"
NO_ENDPOINT_HOURS = "Dedicated endpoint hours not included."
NOT_INVOICED = "Not yet compared with Hugging Face's invoice."
UNTESTED = "Price difference, untested"
SAMPLE = "Sample data"
PRACTICE = "Practice server, no model ran"


#: A list older than this may no longer be what is charged.
FRESH_DAYS = 7


def list_age(at: datetime | None, now: datetime) -> tuple[str, bool]:
    """Which price list was used, and whether it is too old to be believed without a warning."""
    days = list_days(at, now)
    if at is None or days is None:
        return "No price list covers these calls.", False
    return f"At the list of {at.day} {at:%b %Y} ({counted(days, 'day')} old).", days > FRESH_DAYS


def list_days(at: datetime | None, now: datetime) -> int | None:
    """The list's age in whole days."""
    return None if at is None else (now - (at if at.tzinfo else at.replace(tzinfo=UTC))).days


def price_notes(totals: Mapping[str, Any]) -> list[str]:
    """What in a total is not from the router's list, and what makes it an upper estimate."""
    further, cached = totals.get("further_price_calls"), totals.get("cache_at_input_price_calls")
    notes = []
    if further:
        notes.append(
            f"{counted(further, 'call')} priced by the provider's own list or the collection "
            "genai-prices: the router's list names no price."
        )
    if cached:
        notes.append(
            f"{counted(cached, 'call')} with cached input at the price of other input, as no "
            "price of its own is known: there the total is rather too high."
        )
    return notes


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


def refusals(calls: int) -> str:
    """What a refused call is, where there are any; else empty."""
    if not calls:
        return ""
    were = "was" if calls == 1 else "were"
    refused = f"{counted(calls, 'call')} {were} refused by your gateway"
    return f"{refused}, reached no model and cost nothing."


def mean_tokens(value: float | None) -> str:
    return "an unknown number of" if value is None else f"{value:,.0f}"
