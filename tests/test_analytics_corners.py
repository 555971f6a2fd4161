"""Odd corners that each cost somebody a wrong bill elsewhere: clock changes, borders, huge sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from factories_questions import Row, asked, at, make_row, one, priced, scope, unpriced

from hf_ledger.analytics.periods import named
from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.report import weekly

BERLIN = "Europe/Berlin"


def hourly(since: str, hours: int, usd: str = "1") -> list[Row]:
    """A call at the start of each UTC hour."""
    return [priced(usd, ts=at(since) + timedelta(hours=n)) for n in range(hours)]


@pytest.mark.parametrize(
    ("week", "since", "hours", "sunday"),
    [
        ("2026-W13", "2026-03-22T23:00:00", 167, 23),  # clocks go forward on its Sunday
        ("2026-W43", "2026-10-18T22:00:00", 169, 25),  # and back
        ("2026-W46", "2026-11-08T23:00:00", 168, 24),
    ],
)
def test_a_report_of_a_week_with_a_clock_change(
    week: str, since: str, hours: int, sunday: int
) -> None:
    outside = [at(since) - timedelta(seconds=1), at(since) + timedelta(hours=hours)]
    ask = asked([*hourly(since, hours), *(priced("5000", ts=each) for each in outside)])
    now = at(since) + timedelta(days=9)
    report = weekly(ask, week, zone=BERLIN, now=now)
    assert report.totals.cost == hours
    assert [day.calls for day in report.days] == [24] * 6 + [sunday]
    assert sum(cell.hours for cell in report.heat) == hours
    assert report.before.cost == 5000


def test_calls_an_hour_are_even_though_an_hour_is_missing_or_doubled() -> None:
    for since, hours in (("2026-03-22T23:00:00", 167), ("2026-10-18T22:00:00", 169)):
        whole = scope(since, (at(since) + timedelta(hours=hours)).isoformat(), BERLIN)
        heat = asked(hourly(since, hours))("heat", whole).to_pylist()
        rates = {row["calls"] / row["hours"] for row in heat if row["hours"]}
        assert rates == {1.0}
        assert all(row["calls"] == 0 for row in heat if not row["hours"])


def edges(ask: Ask, *moments: str) -> list[int]:
    """Calls between each moment and the next."""
    return [one(ask("totals", scope(a, b)))["calls"] for a, b in pairwise(moments)]


def test_a_call_on_a_border_is_in_one_period_only() -> None:
    border = at("2026-08-12T00:00:00")
    step = timedelta(microseconds=1)
    ask = asked([make_row(ts=border - step), make_row(ts=border), make_row(ts=border + step)])
    assert edges(ask, "2026-08-11", "2026-08-12", "2026-08-13") == [1, 2]


def test_days_before_1970_and_far_ahead_have_their_place() -> None:
    rows = [make_row(ts=at("2019-01-01T00:00:00")), make_row(ts=at("2059-12-31T23:59:59"))]
    table = asked(rows)("spend", scope("2018-01-01", "2061-01-01", BERLIN), grain="month")
    months = [period.strftime("%Y-%m") for period in table["period"].to_pylist()]
    assert months == ["2019-01", "2060-01"]


def test_a_long_history_is_asked_for_at_once() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    ask = asked([priced("1", ts=at("2021-06-01")), unpriced(ts=at("2020-01-01")), priced("2")])
    found = named("all", now, BERLIN).scope()
    assert one(ask("totals", found))["cost"] == 3
    assert sum(row["hours"] for row in ask("heat", found).to_pylist()) == (
        (found.until - found.since) / timedelta(hours=1)
    )


def test_sums_stay_exact_beyond_what_a_double_holds() -> None:
    rows = [priced("123456789.123456789") for _ in range(9)]
    assert one(asked(rows)("totals", scope()))["cost"] == Decimal("1111111102.111111101")
    parts = asked(rows)("spend", scope(), grain="hour")
    assert parts["cost"].to_pylist() == [Decimal("1111111102.111111101")]


def test_token_sums_stay_exact_as_well() -> None:
    huge = 9_007_199_254_740_993  # 2^53 + 1, which a double rounds away
    row = one(asked([make_row(uncached_input_tokens=huge, output_tokens=0)])("totals", scope()))
    assert row["input_tokens"] == row["tokens"] == huge


def test_the_empty_text_and_not_set_filter_alike_and_group_apart() -> None:
    ask = asked([make_row(team=""), make_row(team=None)])
    assert [row["team"] for row in ask("spend", scope(), by=["team"]).to_pylist()] == ["", None]
    # "" in a filter stands for "not set"; a team that is really named "" can't be filtered.
    assert one(ask("totals", scope(team="")))["calls"] == 1


def test_names_are_compared_as_they_are_written() -> None:
    names = ["Search", "search", "search ", "ＳＥＡＲＣＨ", "sеarch"]  # the last with a Cyrillic е
    ask = asked([make_row(team=name) for name in names])
    assert ask("spend", scope(), by=["team"]).num_rows == 5
    assert one(ask("totals", scope(team="search")))["calls"] == 1


def test_week_53_belongs_to_its_iso_year() -> None:
    rows = [priced("1", ts=at("2026-12-31T12:00:00")), priced("2", ts=at("2027-01-03T12:00:00"))]
    report = weekly(asked(rows), "2026-W53", now=at("2027-01-05"))
    assert (report.week, report.totals.cost) == ("2026-W53", 3)
    assert report.label == "28 Dec 2026 – 3 Jan 2027"
