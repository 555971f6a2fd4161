"""Figures as text: money, counts, shares, changes. Unknown stays unknown, zero stays zero."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hf_ledger.analytics.words import PRICE_UNKNOWN, dollars

UNKNOWN = "unknown"
NONE = "–"


def exact(usd: Decimal | None) -> str:
    """All nine places, as stored."""
    return PRICE_UNKNOWN if usd is None else f"${usd:.9f}"


def at_least(usd: Decimal | None, unpriced: int) -> str:
    """The headline of a total: it says so when calls without a price are missing from it."""
    if usd is None or not unpriced:
        return dollars(usd)
    return f"at least {dollars(usd)}"


def count(number: int | None) -> str:
    """Up to four digits in full, then k, M, G with three digits that matter."""
    if number is None:
        return UNKNOWN
    if abs(number) < 10_000:
        return f"{number:,}"
    for unit, size in (("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if abs(number) < 999.5 * size:
            return f"{shortened(number / size)}{unit}"
    return f"{number / 10**12:.1f}T"


def shortened(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


def full(number: int | None) -> str:
    """Every digit."""
    return UNKNOWN if number is None else f"{number:,}"


def share(part: float | int | Decimal | None, whole: float | int | Decimal | None) -> float | None:
    """Part of a whole from 0 to 1; None without one."""
    if part is None or not whole:
        return None
    return float(part) / float(whole)


def change(now: Decimal | float | None, before: Decimal | float | None) -> str | None:
    """Growth in percent with its sign (a plain one: the arrow beside it is drawn by that)."""
    if now is None or not before:
        return None
    grown = 100 * (float(now) / float(before) - 1)
    return f"{'+' if grown >= 0 else '-'}{abs(grown):.1f} %"


def points(now: float | None, before: float | None) -> str | None:
    """Difference of two shares in percentage points."""
    if now is None or before is None:
        return None
    moved = 100 * (now - before)
    return f"{'+' if moved >= 0 else '-'}{abs(moved):.2f} pp"


def milliseconds(ms: float | None) -> str:
    if ms is None:
        return UNKNOWN
    return f"{ms / 1000:.2f} s" if ms >= 999.5 else f"{ms:.0f} ms"


def moment(at: datetime | None, zone: str) -> str:
    """Date and time in the reporting zone, which is named."""
    if at is None:
        return "never"
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M} {zone}"


def ago(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            whole = int(seconds // size)
            return f"{whole} {unit}{'s' if whole > 1 else ''} ago"
    return f"{int(max(0.0, seconds))} s ago"


def short_model(model: str | None) -> str:
    """A model without its organisation, for legends; the full id stands in tables."""
    return "not set" if not model else model.rsplit("/", 1)[-1] or model


def plain(text: str) -> str:
    """Text for Markdown: dollar signs start formulas, the rest could be markup or a new line."""
    text = " ".join(text.splitlines())
    for mark in "\\`*_{}[]<>#$~|:&":
        text = text.replace(mark, f"\\{mark}")
    return text
