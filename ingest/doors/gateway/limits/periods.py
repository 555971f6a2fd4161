"""Days, ISO weeks and months of budgets in a zone: `2026-11-25`, `2026-W48`, `2026-11`.

A period is named, not numbered, so that every process and the journal mean the same by it and
a budget whose period changes begins a new account.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hf_ledger.ingest.doors.gateway.state import Period


def period_name(kind: Period, moment: datetime, zone: ZoneInfo) -> str:
    """The name of the period that an aware moment falls in."""
    day = moment.astimezone(zone).date()
    if kind == "month":
        return f"{day:%Y-%m}"
    if kind == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat()


def first_day(name: str) -> date:
    """The day that a named period begins with."""
    if "W" in name:
        year, _, week = name.partition("-W")
        return date.fromisocalendar(int(year), int(week), 1)
    return date.fromisoformat(name if len(name) > len("2026-11") else f"{name}-01")


def next_start(kind: Period, moment: datetime, zone: ZoneInfo) -> datetime:
    """When the period after that of `moment` begins, UTC."""
    first = first_day(period_name(kind, moment, zone))
    if kind == "month":
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        following = first + timedelta(days=7 if kind == "week" else 1)
    return datetime.combine(following, time(), zone).astimezone(UTC)


class Calendar:
    """Which periods are current; each name is worked out once and kept until its period ends."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self._info = ZoneInfo(zone)
        self._known: dict[Period, tuple[float, float, str]] = {}

    def current(self, kind: Period, now: float) -> str:
        """The name of the period of `now` (seconds since 1970)."""
        known = self._known.get(kind)
        if known and known[0] <= now < known[1]:
            return known[2]
        moment = datetime.fromtimestamp(now, UTC)
        name = period_name(kind, moment, self._info)
        start = datetime.combine(first_day(name), time(), self._info).timestamp()
        end = next_start(kind, moment, self._info).timestamp()
        self._known[kind] = (start, end, name)
        return name
