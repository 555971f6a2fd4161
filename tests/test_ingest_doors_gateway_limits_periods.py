"""Periods of budgets: named by the zone's days, in every year and across its clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.limits.periods import (
    Calendar,
    first_day,
    next_start,
    period_name,
)
from hf_ledger.ingest.doors.gateway.state import Period

BERLIN = ZoneInfo("Europe/Berlin")
KINDS: tuple[Period, ...] = ("day", "week", "month")
moments = st.integers(1_577_836_800, 2_208_988_800).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@pytest.mark.parametrize(
    ("moment", "named"),
    [
        ("2026-11-25T12:00Z", ("2026-11-25", "2026-W48", "2026-11")),
        ("2026-11-30T23:30Z", ("2026-12-01", "2026-W49", "2026-12")),  # already December there
        ("2027-01-01T12:00Z", ("2027-01-01", "2026-W53", "2027-01")),  # ISO's week of 2026
        ("2026-10-24T22:30Z", ("2026-10-25", "2026-W43", "2026-10")),  # a day of 25 hours
    ],
)
def test_names_are_those_of_the_zone(moment: str, named: tuple[str, str, str]) -> None:
    then = datetime.fromisoformat(moment)
    assert tuple(period_name(kind, then, BERLIN) for kind in KINDS) == named


@given(moments, st.sampled_from(KINDS), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]))
def test_a_period_ends_where_the_next_begins(then: datetime, kind: Period, zone: str) -> None:
    info = ZoneInfo(zone)
    name, end = period_name(kind, then, info), next_start(kind, then, info)
    assert then < end
    assert period_name(kind, end - timedelta(microseconds=1), info) == name
    assert period_name(kind, end, info) != name
    assert first_day(name) <= then.astimezone(info).date() < end.astimezone(info).date()


@given(st.lists(moments, min_size=1, max_size=20), st.sampled_from(KINDS))
def test_a_calendar_says_what_was_worked_out_anew(thens: list[datetime], kind: Period) -> None:
    calendar = Calendar("Europe/Berlin")
    for then in thens:
        assert calendar.current(kind, then.timestamp()) == period_name(kind, then, BERLIN)


def test_names_tell_their_first_day() -> None:
    assert first_day("2026-11-25") == date(2026, 11, 25)
    assert first_day("2026-W48") == date(2026, 11, 23)
    assert first_day("2026-11") == date(2026, 11, 1)
