"""Local hours, days, weeks and months from UTC quarter hours, held to zoneinfo one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.kernel import clock
from hf_ledger.analytics.periods import midnight
from hf_ledger.ingest.errors import Usage

#: Whole, half and quarter hours from UTC; clocks moved by one hour and by half an hour; and a zone
#: that crossed the date line.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Pacific/Apia",
)
FIRST, LAST = 1_000_000, 2_600_000  # 1998 to 2044

buckets = st.lists(st.integers(FIRST, LAST), min_size=1, max_size=20)


def local(bucket: int, zone: str) -> datetime:
    return datetime.fromtimestamp(bucket * 900, ZoneInfo(zone))


def bucket_of(moment: datetime) -> int:
    return int(moment.timestamp()) // 900


@settings(max_examples=60, deadline=None)
@given(buckets, st.sampled_from(ZONES))
def test_weekday_and_hour_are_those_on_the_wall(numbers: list[int], zone: str) -> None:
    quarters = clock.local_quarters(np.array(numbers), zone)
    expected = [local(number, zone) for number in numbers]
    assert clock.weekdays(quarters).tolist() == [each.isoweekday() for each in expected]
    assert clock.hours(quarters).tolist() == [each.hour for each in expected]


@settings(max_examples=40, deadline=None)
@given(buckets, st.sampled_from(ZONES))
def test_days_weeks_and_months_begin_at_local_midnight(numbers: list[int], zone: str) -> None:
    for grain, first in (
        ("day", lambda day: day),
        ("week", lambda day: day - timedelta(days=day.weekday())),
        ("month", lambda day: day.replace(day=1)),
    ):
        starts = clock.starts(np.array(numbers), zone, grain)
        expected = [midnight(first(local(number, zone).date()), zone) for number in numbers]
        assert starts.tolist() == [int(each.timestamp()) * 1_000_000 for each in expected]


@settings(max_examples=40, deadline=None)
@given(buckets, st.sampled_from([z for z in ZONES if z != "Australia/Lord_Howe"]))
def test_an_hour_begins_at_its_full_hour_on_the_wall(numbers: list[int], zone: str) -> None:
    starts = clock.starts(np.array(numbers), zone, "hour")
    for number, start in zip(numbers, starts.tolist(), strict=True):
        begun = datetime.fromtimestamp(start / 1_000_000, ZoneInfo(zone))
        assert (begun.minute, begun.hour) == (0, local(number, zone).hour)
        assert 0 <= number * 900 - start // 1_000_000 < 3600


def test_the_hour_that_autumn_repeats_stays_two_hours() -> None:
    before, after = (
        datetime(2026, 10, 25, 0, 15, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 15, tzinfo=UTC),
    )
    numbers = np.array([bucket_of(before), bucket_of(after)])
    quarters = clock.local_quarters(numbers, "Europe/Berlin")
    assert clock.hours(quarters).tolist() == [2, 2]
    starts = clock.starts(numbers, "Europe/Berlin", "hour")
    assert (starts[1] - starts[0]) == 3600 * 1_000_000


def test_half_hour_zones_begin_their_hours_at_half_past() -> None:
    moment = datetime(2026, 8, 12, 12, 15, tzinfo=UTC)  # 17:45 in Kolkata
    (start,) = clock.starts(np.array([bucket_of(moment)]), "Asia/Kolkata", "hour").tolist()
    assert start == int(datetime(2026, 8, 12, 11, 30, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_a_local_day_holds_its_quarter_hours(zone: str, day: date, hours: float) -> None:
    since, until = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    numbers = clock.buckets_between(since, until)
    assert len(numbers) == hours * 4
    assert set(clock.starts(numbers, zone, "day").tolist()) == {int(since.timestamp()) * 1_000_000}


def test_a_skipped_day_has_no_quarter_hours() -> None:
    # Samoa went from 29 to 31 December 2011.
    since = midnight(date(2011, 12, 29), "Pacific/Apia")
    numbers = clock.buckets_between(since, since + timedelta(days=2))
    days = {local(int(number), "Pacific/Apia").date() for number in numbers}
    assert days == {date(2011, 12, 29), date(2011, 12, 31)}
    assert len(set(clock.starts(numbers, "Pacific/Apia", "day").tolist())) == 2


def test_only_quarter_hours_that_begin_inside_count() -> None:
    since = datetime(2026, 8, 12, 12, 1, tzinfo=UTC)
    numbers = clock.buckets_between(since, datetime(2026, 8, 12, 13, 0, tzinfo=UTC))
    assert numbers.tolist() == [bucket_of(since) + 1, bucket_of(since) + 2, bucket_of(since) + 3]


def test_no_buckets_have_no_local_time() -> None:
    none = np.array([], dtype="int64")
    assert clock.local_quarters(none, "Europe/Berlin").tolist() == []
    assert clock.starts(none, "Europe/Berlin", "day").tolist() == []


def test_changes_are_found_to_the_quarter_hour() -> None:
    first, last = (bucket_of(datetime(2026, m, 1, tzinfo=UTC)) for m in (1, 12))
    zone = ZoneInfo("Europe/Berlin")
    summer, winter = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
    expected = [(first, 4), (bucket_of(summer), 8), (bucket_of(winter), 4)]
    assert clock.changes(first, last, zone) == expected


def test_an_unknown_grain_is_refused() -> None:
    with pytest.raises(
        Usage, match="unknown grain 'fortnight'; write one of hour, day, week, month"
    ):
        clock.starts(np.array([FIRST]), "UTC", "fortnight")
