"""Periods in words, and what they mean in one time zone on one day.

A period is half open, from local midnight to local midnight, so days of 23 and 25 hours come out
right. Each has a prior period of as many days that lines up with its weekdays where it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: Name in the URL → what the page calls it.
PERIODS: dict[str, str] = {
    "7d": "7 days",
    "28d": "28 days",
    "last-week": "Last week",
    "mtd": "This month",
    "last-month": "Last month",
    "custom": "Custom",
}
DEFAULT = "28d"


@dataclass(frozen=True)
class Period:
    """Whole local days `first` … `last`, both included, and the days they are compared with."""

    first: date
    last: date
    prior_first: date
    prior_last: date
    zone: str

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        return midnight(self.first, self.zone)

    @property
    def until(self) -> datetime:
        return midnight(self.last + timedelta(days=1), self.zone)

    @property
    def prior_since(self) -> datetime:
        return midnight(self.prior_first, self.zone)

    @property
    def prior_until(self) -> datetime:
        return midnight(self.prior_last + timedelta(days=1), self.zone)

    @property
    def words(self) -> str:
        """E.g. "25 Oct – 21 Nov 2026"."""
        return span(self.first, self.last)

    @property
    def prior_words(self) -> str:
        return span(self.prior_first, self.prior_last)


def midnight(day: date, zone: str) -> datetime:
    """Start of a local day, as an aware UTC datetime."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def span(first: date, last: date) -> str:
    """Two dates with as little repetition as English allows."""
    if first == last:
        return f"{first.day} {first:%b %Y}"
    if first.year != last.year:
        return f"{first.day} {first:%b %Y} – {last.day} {last:%b %Y}"
    if first.month != last.month:
        return f"{first.day} {first:%b} – {last.day} {last:%b %Y}"
    return f"{first.day} – {last.day} {last:%b %Y}"


def month_start(day: date) -> date:
    return day.replace(day=1)


def back(first: date, last: date, zone: str) -> Period:
    """A period compared with as many days right before it."""
    length = (last - first).days + 1
    return Period(
        first, last, first - timedelta(days=length), first - timedelta(days=1), zone
    )


def last_week(today: date, zone: str) -> Period:
    """Monday to Sunday, the last whole week before today."""
    monday = today - timedelta(days=today.weekday() + 7)
    return back(monday, monday + timedelta(days=6), zone)


def last_month(today: date, zone: str) -> Period:
    """The whole calendar month before this one, compared with the one before it."""
    last = month_start(today) - timedelta(days=1)
    prior_last = month_start(last) - timedelta(days=1)
    return Period(month_start(last), last, month_start(prior_last), prior_last, zone)


def this_month(today: date, zone: str) -> Period:
    """From the first to today, compared with the same days of the month before."""
    first = month_start(today)
    prior_end = first - timedelta(days=1)
    prior_first = month_start(prior_end)
    return Period(
        first, today, prior_first, min(prior_first + (today - first), prior_end), zone
    )


def period(
    name: str, today: date, zone: str, first: date | None = None, last: date | None = None
) -> Period:
    """The period of this name as of `today`, a date in `zone`; unknown names are the default.

    `custom` takes both dates, in either order; with one missing it is that day alone.
    """
    if name == "custom" and (first or last):
        ends = sorted((first or last or today, last or first or today))
        return back(ends[0], ends[1], zone)
    if name == "last-week":
        return last_week(today, zone)
    if name == "last-month":
        return last_month(today, zone)
    if name == "mtd":
        return this_month(today, zone)
    days = 7 if name == "7d" else 28
    return back(today - timedelta(days=days - 1), today, zone)
