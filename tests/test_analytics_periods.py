"""Named periods in a zone, with days of 23 and 25 hours, and what each is compared with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.periods import (
    BEGINNING,
    NAMES,
    between,
    days_label,
    local_date,
    midnight,
    named,
)
from hf_ledger.analytics.scope import OWN_ORIGINS
from hf_ledger.ingest.errors import Usage

#: Monday, 23 November 2026, in the afternoon.
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)

BERLIN = "Europe/Berlin"
ZONES = ("UTC", BERLIN, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Kolkata")

HOUR = timedelta(hours=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", date(2026, 11, 23), date(2026, 11, 23)),
        ("yesterday", date(2026, 11, 22), date(2026, 11, 22)),
        ("7d", date(2026, 11, 17), date(2026, 11, 23)),
        ("28d", date(2026, 10, 27), date(2026, 11, 23)),
        ("1d", date(2026, 11, 23), date(2026, 11, 23)),
        ("last-week", date(2026, 11, 16), date(2026, 11, 22)),
        ("last-month", date(2026, 10, 1), date(2026, 10, 31)),
        ("mtd", date(2026, 11, 1), date(2026, 11, 23)),
        ("all", BEGINNING, date(2026, 11, 23)),
        ("2026-W46", date(2026, 11, 9), date(2026, 11, 15)),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 3)),
        ("2026-W01", date(2025, 12, 29), date(2026, 1, 4)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("2026-11-09", date(2026, 11, 9), date(2026, 11, 9)),
        ("2026-11-09..2026-11-15", date(2026, 11, 9), date(2026, 11, 15)),
        (" 7d ", date(2026, 11, 17), date(2026, 11, 23)),
    ],
)
def test_a_name_says_which_days(name: str, first: date, last: date) -> None:
    period = named(name, NOW)
    assert (period.first, period.last) == (first, last)
    assert period.since == datetime(first.year, first.month, first.day, tzinfo=UTC)
    following = last + timedelta(days=1)
    assert period.until == datetime(following.year, following.month, following.day, tzinfo=UTC)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zone", ZONES)
def test_every_listed_name_works_in_every_zone(name: str, zone: str) -> None:
    period = named(name, NOW, zone)
    assert period.since < period.until
    assert period.previous_until <= period.since
    assert period.previous_since < period.previous_until


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("last-week", date(2026, 11, 9), date(2026, 11, 15)),
        ("last-month", date(2026, 9, 1), date(2026, 9, 30)),
        ("2026-03", date(2026, 2, 1), date(2026, 2, 28)),
        ("2026-W46", date(2026, 11, 2), date(2026, 11, 8)),
        ("2026-11-09..2026-11-11", date(2026, 11, 6), date(2026, 11, 8)),
        ("yesterday", date(2026, 11, 21), date(2026, 11, 21)),
    ],
)
def test_a_period_is_compared_with_the_one_before(name: str, first: date, last: date) -> None:
    period = named(name, NOW)
    assert period.previous_since == midnight(first, "UTC")
    assert period.previous_until == midnight(last + timedelta(days=1), "UTC")
    assert period.previous_label == days_label(first, last)


def test_a_running_period_is_compared_up_to_the_same_time_of_day() -> None:
    period = named("7d", NOW)
    assert period.until == utc(2026, 11, 24)
    assert period.previous_since == utc(2026, 11, 10)
    assert period.previous_until == utc(2026, 11, 16, 15, 30)


def test_month_to_date_is_compared_with_as_much_of_the_month_before() -> None:
    period = named("mtd", NOW)
    assert period.previous_since == utc(2026, 10, 1)
    assert period.previous_until == utc(2026, 10, 23, 15, 30)


def test_a_long_month_to_date_is_compared_with_a_whole_short_month() -> None:
    period = named("mtd", utc(2026, 3, 31, 9))
    assert period.previous_since == utc(2026, 2, 1)
    assert period.previous_until == utc(2026, 3, 1)


def test_a_running_day_of_25_hours_is_compared_by_the_clock_on_the_wall() -> None:
    # 25 October 2026, 12:00 in Berlin is 11:00 UTC; a day before, noon was 10:00 UTC.
    period = named("today", utc(2026, 10, 25, 11), BERLIN)
    assert period.until - period.since == 25 * HOUR
    assert period.previous_until == utc(2026, 10, 24, 10)
    assert period.previous_until - period.previous_since == 12 * HOUR


def test_a_day_in_spring_has_23_hours() -> None:
    period = named("2026-03-29", NOW, BERLIN)
    assert period.until - period.since == 23 * HOUR
    assert period.since == utc(2026, 3, 28, 23)


def test_a_week_across_the_clock_change_has_169_hours() -> None:
    period = named("2026-W43", NOW, BERLIN)
    assert period.until - period.since == (7 * 24 + 1) * HOUR


def test_the_day_begins_when_the_clock_skips_midnight() -> None:
    # In São Paulo, 4 November 2018 began at 01:00, which was 03:00 UTC.
    assert midnight(date(2018, 11, 4), "America/Sao_Paulo") == utc(2018, 11, 4, 3)


def test_the_zone_decides_what_today_is() -> None:
    late = utc(2026, 11, 22, 23, 30)
    assert local_date(late, "UTC") == date(2026, 11, 22)
    assert local_date(late, BERLIN) == date(2026, 11, 23)
    assert named("last-week", late, "UTC").first == date(2026, 11, 9)
    assert named("last-week", late, BERLIN).first == date(2026, 11, 16)


@pytest.mark.parametrize(
    "name",
    ["", "yestreday", "2026-W54", "2025-W53", "2026-13", "2026-02-30", "0d", "2026", "-7d", "W46"],
)
def test_a_name_that_says_nothing_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="period"):
        named(name, NOW)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Usage, match="ends before it begins"):
        named("2026-11-15..2026-11-09", NOW)
    with pytest.raises(Usage, match=r"ends \(2026-11-09\) before it begins \(2026-11-15\)"):
        between(date(2026, 11, 15), date(2026, 11, 9), NOW)


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "", "../etc/passwd", "/etc/localtime", "a\0b"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(Usage, match="unknown time zone"):
        named("7d", NOW, zone)


@pytest.mark.parametrize(
    ("first", "last", "label"),
    [
        (date(2026, 11, 9), date(2026, 11, 15), "9 – 15 Nov 2026"),
        (date(2026, 10, 26), date(2026, 11, 1), "26 Oct – 1 Nov 2026"),
        (date(2025, 12, 29), date(2026, 1, 4), "29 Dec 2025 – 4 Jan 2026"),
        (date(2026, 11, 9), date(2026, 11, 9), "9 Nov 2026"),
    ],
)
def test_days_in_words_repeat_nothing(first: date, last: date, label: str) -> None:
    assert days_label(first, last) == label
    assert between(first, last, NOW).label == label


def test_a_period_becomes_a_scope_with_filters() -> None:
    period = named("2026-W46", NOW, BERLIN)
    scope = period.scope(where={"team": ("search",)})
    assert (scope.since, scope.until, scope.zone) == (period.since, period.until, BERLIN)
    assert scope.origins == OWN_ORIGINS
    assert scope.where == {"team": ("search",)}
    before = period.previous(origins=("sample",))
    assert (before.since, before.until) == (period.previous_since, period.previous_until)
    assert before.origins == ("sample",)
    assert before.where == {}


days = st.dates(date(2000, 1, 1), date(2060, 1, 1))


@given(days, st.integers(0, 400), st.sampled_from(ZONES))
def test_a_finished_range_follows_one_of_as_many_days(first: date, length: int, zone: str) -> None:
    last = first + timedelta(days=length)
    period = between(first, last, datetime(2100, 1, 1, tzinfo=UTC), zone)
    assert period.previous_until == period.since
    assert local_date(period.previous_since, zone) == first - timedelta(days=length + 1)


@given(days, st.sampled_from(ZONES))
def test_days_lie_side_by_side(day: date, zone: str) -> None:
    today, tomorrow = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    assert 23 * HOUR <= tomorrow - today <= 25 * HOUR
    assert local_date(today, zone) == day
    assert local_date(tomorrow - timedelta(microseconds=1), zone) == day


moments = st.integers(946_684_800, 2_840_140_800).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(moments, st.sampled_from(ZONES))
def test_last_week_is_the_monday_to_sunday_before_this_week(now: datetime, zone: str) -> None:
    period = named("last-week", now, zone)
    assert period.first.weekday() == 0
    assert period.last.weekday() == 6
    assert timedelta(0) <= now - period.until < timedelta(days=7, hours=1)


@given(moments, st.sampled_from(ZONES))
def test_a_running_month_stops_at_the_same_wall_clock(now: datetime, zone: str) -> None:
    period = named("mtd", now, zone)
    assert period.since <= now < period.until
    local, earlier = (m.astimezone(ZoneInfo(zone)) for m in (now, period.previous_until))
    whole_month_before = period.previous_until == period.since
    assert (
        whole_month_before
        or (earlier.day, earlier.hour) == (local.day, local.hour)
        or (
            # Clocks that skip or repeat this very hour in the month before read an hour beside it.
            abs(earlier.hour - local.hour) in {1, 23}
        )
    )
