"""Single values of an export: counts, amounts, times. What makes no sense is unfit, never guessed.

None, an empty text and an absent field all mean unknown. Reasons never quote a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_TEXT = 300
LARGEST_COUNT = 1 << 53
CENT_BILLIONTHS = Decimal("0.000000001")
#: Above it even a time in nanoseconds is none, and "1e999999" takes minutes as a whole number.
LARGEST_EXPONENT = 30
LARGEST_AMOUNT = Decimal(999_999_999)

_DIGITS = re.compile(r"(\.[0-9]{6})[0-9]+", re.ASCII)

#: Of one unit of time in microseconds.
UNITS: dict[str, Decimal] = {
    "s": Decimal(1_000_000),
    "ms": Decimal(1_000),
    "us": Decimal(1),
    "ns": Decimal("0.001"),
}


class Unfit(ValueError):  # noqa: N818 - says what the record is
    """A record that can't become a call; the message names the field and quotes no content."""


def absent(value: Any) -> bool:
    """Whether a field says nothing."""
    return value is None or value == ""


def first(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that says something."""
    return next((row[name] for name in names if not absent(row.get(name))), None)


def text(value: Any, *, longest: int = LONGEST_TEXT) -> str | None:
    """A label or an id; None where it says nothing or is no single value."""
    if absent(value) or isinstance(value, dict | list | bool):
        return None
    # JSON can spell half a character ("\\ud800"), which no file of UTF-8 can hold.
    return str(value)[:longest].encode(errors="replace").decode()


def number(value: Any, name: str) -> Decimal | None:
    """A finite number, also one written as text."""
    if absent(value):
        return None
    if isinstance(value, bool):
        raise Unfit(f"{name} is no number")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Unfit(f"{name} is no number") from None
    if not found.is_finite():
        raise Unfit(f"{name} is no finite number")
    if found.adjusted() > LARGEST_EXPONENT:
        raise Unfit(f"{name} is too large")
    return found


def count(value: Any, name: str) -> int | None:
    """A whole number, zero or more."""
    found = number(value, name)
    if found is None:
        return None
    if found < 0:
        raise Unfit(f"{name} is negative")
    if found > LARGEST_COUNT or found != found.to_integral_value():
        raise Unfit(f"{name} is no count")
    return int(found)


def money(value: Any, name: str) -> str | None:
    """An amount in USD as decimal text of nine places; None where nothing is said."""
    found = number(value, name)
    if found is None:
        return None
    if found < 0:
        raise Unfit(f"{name} is negative")
    if found > LARGEST_AMOUNT:
        raise Unfit(f"{name} is too large")
    return f"{found.quantize(CENT_BILLIONTHS):f}"


def estimate(value: Any, name: str) -> str | None:
    """Another ledger's own estimate: zero means that it knew no price."""
    found = money(value, name)
    return found if found and Decimal(found) > 0 else None


def duration_ms(value: Any, name: str, *, unit: str = "ms") -> float | None:
    """A time span in milliseconds; a negative one (clocks apart) is unknown."""
    found = number(value, name)
    if found is None or found < 0:
        return None
    return float(found * UNITS[unit] / 1000)


def moment(value: Any, name: str, *, unit: str = "s", zone: tzinfo = UTC) -> int | None:
    """Microseconds UTC of an ISO 8601 time (of `zone` where it states none) or of an epoch."""
    if absent(value):
        return None
    if isinstance(value, datetime):
        return micros(value if value.tzinfo else value.replace(tzinfo=zone))
    if isinstance(value, str) and not _numeric(value):
        try:
            when = datetime.fromisoformat(_iso(value.strip()))
        except ValueError:
            raise Unfit(f"{name} is not a time of ISO 8601") from None
        return micros(when if when.tzinfo else when.replace(tzinfo=zone))
    found = number(value, name)
    return None if found is None else int(found * UNITS[unit])


def _iso(stated: str) -> str:
    """As ISO 8601 has it: databases write " UTC" for Z, and more digits than are kept."""
    if stated.upper().endswith(" UTC"):
        stated = stated[:-4].removesuffix(" +0000") + "+00:00"
    return _DIGITS.sub(r"\1", stated)


def millisecond(value: Any, name: str) -> int | None:
    """A moment to the millisecond: one form of an export keeps more digits than another, and the
    same call is known by its id and start."""
    found = moment(value, name)
    return None if found is None else found - found % 1000


def micros(when: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (when - EPOCH) // MICROSECOND


def between_ms(first: int | None, last: int | None) -> float | None:
    """Milliseconds between two times; unknown where one is, or where they stand the wrong way."""
    if first is None or last is None or last < first:
        return None
    return (last - first) / 1000


def flag(value: Any) -> bool:
    """Whether a field says yes, as JSON, CSV and databases write it."""
    return str(value).strip().lower() in ("true", "t", "1", "yes")


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, also one that stands as JSON in a text; empty where it is none."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """A list, also one that stands as JSON in a text; empty where it is none."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _numeric(value: str) -> bool:
    try:
        Decimal(value)
    except InvalidOperation:
        return False
    return True
