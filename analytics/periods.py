"""Named periods: from "last-week" and a clock to a span of UTC, with the comparable one before it.

Days, weeks and months are those of the reporting zone, so a day may have 23 or 25 hours. The clock
is always passed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hf_ledger.analytics.scope import OWN_ORIGINS, Scope
from hf_ledger.ingest.errors import Usage

#: Names a person may type; N is a number of days.
NAMES = (
    "today",
    "yesterday",
    "7d",
    "28d",
    "last-week",
    "last-month",
    "mtd",
    "all",
    "2026-W46",
    "2026-11",
    "2026-11-09",
    "2026-11-09..2026-11-15",
)

#: Hugging Face's inference service is younger than this, so "all" begins here.
BEGINNING = date(2019, 1, 1)


@dataclass(frozen=True)
class Period:
    """Local days `first` to `last`, both included, and the comparable days before them.

    `since <= ts < until` is the same in UTC. Where the period still runs, `previous_until` stops
    at the same local time of day, so that half a Tuesday is compared with half a Tuesday.
    """

    name: str
    zone: str
    first: date
    last: date
    since: datetime
    until: datetime
    previous_since: datetime
    previous_until: datetime

    def scope(
        self,
        *,
        origins: tuple[str, ...] = OWN_ORIGINS,
        where: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Scope:
        """What to ask about for this period."""
        return Scope(self.since, self.until, self.zone, origins, dict(where or {}))

    def previous(
        self,
        *,
        origins: tuple[str, ...] = OWN_ORIGINS,
        where: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Scope:
        """What to ask about for the comparable period before."""
        span = (self.previous_since, self.previous_until)
        return Scope(*span, self.zone, origins, dict(where or {}))

    @property
    def label(self) -> str:
        """The local days in words, as "9 – 15 Nov 2026"."""
        return days_label(self.first, self.last)

    @property
    def previous_label(self) -> str:
        zone = zone_info(self.zone)
        first = self.previous_since.astimezone(zone).date()
        last = (self.previous_until - timedelta(microseconds=1)).astimezone(zone).date()
        return days_label(first, max(first, last))


def zone_info(name: str) -> ZoneInfo:
    """The zone of an IANA name, or `Usage`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise Usage(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin.") from exc


def midnight(day: date, zone: str) -> datetime:
    """The first instant of a local day, in UTC (also where the clock skips midnight)."""
    return datetime.combine(day, time(), zone_info(zone)).astimezone(UTC)


@contextmanager
def in_calendar(said: str) -> Iterator[None]:
    """A day or moment outside the years 1 to 9999, in UTC too, is wrong use."""
    try:
        yield
    except OverflowError as exc:
        raise Usage(f"the period {said!r} is not in the calendar: {exc}.") from exc


def local_date(moment: datetime, zone: str) -> date:
    return moment.astimezone(zone_info(zone)).date()


def days_label(first: date, last: date) -> str:
    """Two days in words, without repeating a month or year they share."""
    end = f"{last.day} {last:%b %Y}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {end}"
    if first.year == last.year:
        return f"{first.day} {first:%b} – {end}"
    return f"{first.day} {first:%b %Y} – {end}"


def named(name: str, now: datetime, zone: str = "UTC") -> Period:
    """The period of a name, seen from `now` (aware); `Usage` where the name says nothing.

    `7d` and `28d` end with today; `last-week` is Monday to Sunday; a range includes both its days.
    """
    today = local_date(now, zone)
    with in_calendar(name):
        return build(name.strip(), zone, spelled(name.strip(), today), now)


def between(first: date, last: date, now: datetime, zone: str = "UTC") -> Period:
    """The local days `first` to `last`, both included."""
    if last < first:
        raise Usage(f"the period ends ({last}) before it begins ({first}).")
    name = f"{first}..{last}"
    with in_calendar(name):
        return build(name, zone, span(first, last), now)


Days = tuple[date, date, tuple[date, date]]


def build(name: str, zone: str, days: Days, now: datetime) -> Period:
    """The period of first day, last day, and the comparable first and last day before."""
    first, last, earlier = days
    since, until = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    before = midnight(earlier[0], zone)
    ended = midnight(earlier[1] + timedelta(days=1), zone)
    if since <= now < until:
        ended = min(ended, same_clock(now, first, earlier[0], zone))
    return Period(name, zone, first, last, since, until, before, ended)


def same_clock(now: datetime, first: date, earlier: date, zone: str) -> datetime:
    """The same local time of day, as many days into the earlier period as now is into this one."""
    local = now.astimezone(zone_info(zone))
    day = earlier + (local.date() - first)
    return datetime.combine(day, local.time(), zone_info(zone)).astimezone(UTC)


def spelled(name: str, today: date) -> Days:
    """First day, last day, and the comparable first and last day before."""
    if name in FIXED:
        return FIXED[name](today)
    for pattern, parse in PATTERNS:
        match = re.fullmatch(pattern, name)
        if match:
            return parse_days(name, parse, match, today)
    raise Usage(f"unknown period {name!r}; write one of {', '.join(NAMES)}.")


def parse_days(
    name: str, parse: Callable[[re.Match[str], date], Days], match: re.Match[str], today: date
) -> Days:
    try:
        return parse(match, today)
    except (ValueError, OverflowError) as exc:
        raise Usage(f"the period {name!r} is not in the calendar: {exc}.") from exc


def days_before(first: date, last: date) -> tuple[date, date]:
    """As many days, ending the day before `first`."""
    return first - (last - first) - timedelta(days=1), first - timedelta(days=1)


def span(first: date, last: date) -> Days:
    if last < first:
        raise ValueError("it ends before it begins")
    return first, last, days_before(first, last)


def month_of(day: date) -> tuple[date, date]:
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def whole_month(day: date) -> Days:
    first, last = month_of(day)
    return first, last, month_of(first - timedelta(days=1))


def month_to_date(today: date) -> Days:
    """Up to today, against as many days of the month before (or all of it, where it is shorter)."""
    first, _ = month_of(today)
    earlier, end = month_of(first - timedelta(days=1))
    return first, today, (earlier, min(end, earlier + (today - first)))


def last_week(today: date) -> Days:
    monday = today - timedelta(days=today.weekday() + 7)
    return span(monday, monday + timedelta(days=6))


def iso_week(match: re.Match[str], _today: date) -> Days:
    monday = date.fromisocalendar(int(match["year"]), int(match["week"]), 1)
    return span(monday, monday + timedelta(days=6))


def last_days(match: re.Match[str], today: date) -> Days:
    count = int(match["days"])
    if count < 1:
        raise ValueError("it has no days")
    return span(today - timedelta(days=count - 1), today)


def one_day(match: re.Match[str], _today: date) -> Days:
    day = date.fromisoformat(match["day"])
    return span(day, day)


def range_of_days(match: re.Match[str], _today: date) -> Days:
    return span(date.fromisoformat(match["first"]), date.fromisoformat(match["last"]))


FIXED: dict[str, Callable[[date], Days]] = {
    "today": lambda today: span(today, today),
    "yesterday": lambda today: span(today - timedelta(days=1), today - timedelta(days=1)),
    "last-week": last_week,
    "last-month": lambda today: whole_month(month_of(today)[0] - timedelta(days=1)),
    "mtd": month_to_date,
    "all": lambda today: span(BEGINNING, today),
}

PATTERNS: tuple[tuple[str, Callable[[re.Match[str], date], Days]], ...] = (
    (r"(?P<days>\d{1,4})d", last_days),
    (r"(?P<year>\d{4})-W(?P<week>\d{2})", iso_week),
    (r"(?P<month>\d{4}-\d{2})", lambda m, _: whole_month(date.fromisoformat(m["month"] + "-01"))),
    (r"(?P<day>\d{4}-\d{2}-\d{2})", one_day),
    (r"(?P<first>\d{4}-\d{2}-\d{2})\.\.(?P<last>\d{4}-\d{2}-\d{2})", range_of_days),
)
