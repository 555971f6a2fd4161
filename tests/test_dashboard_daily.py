"""Rows put into the shape that charts draw: every call once, sums whole, unknown never zero."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_dashboard import asking, ledger_of, priced, unpriced
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.periods import between
from hf_ledger.dashboard import daily

MONDAY = date(2026, 11, 9)
DAYS = daily.days_between(MONDAY, MONDAY + timedelta(days=6))
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def row(day: date, model: str | None, cost: Decimal | None, calls: int = 1) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return {"period": at, "model": model, "cost": cost, "calls": calls}


money = st.none() | st.decimals(0, 1000, places=9)
models = st.none() | st.sampled_from([f"org/m{number}" for number in range(9)])
spent = st.lists(st.builds(row, st.sampled_from(DAYS), models, money, st.integers(1, 99)))


def total(series: list[tuple[str, daily.Values]]) -> Decimal | int:
    return sum((part or 0 for _, values in series for part in values), Decimal(0))


@given(spent)
def test_the_parts_make_the_whole_to_the_last_place(rows: list[dict[str, Any]]) -> None:
    cost = sum((each["cost"] or Decimal(0) for each in rows), Decimal(0))
    assert total(daily.top_series(rows, DAYS, "model", "cost")) == cost
    calls = daily.top_series(rows, DAYS, "model", "calls")
    assert total(calls) == sum(each["calls"] for each in rows)


@given(spent)
def test_each_day_of_the_parts_is_that_day(rows: list[dict[str, Any]]) -> None:
    series = daily.top_series(rows, DAYS, "model", "calls")
    whole = daily.by_day(rows, DAYS, "calls")
    for place in range(len(DAYS)):
        assert sum(values[place] or 0 for _, values in series) == whole[place]


@given(spent)
def test_there_are_at_most_four_and_the_rest_or_five(rows: list[dict[str, Any]]) -> None:
    series = daily.top_series(rows, DAYS, "model", "cost")
    assert len(series) <= daily.TOP + 1
    assert all(len(values) == len(DAYS) for _, values in series)


def test_ten_thousand_models_are_four_and_the_rest() -> None:
    rows = [row(MONDAY, f"org/m{place:05d}", Decimal(1), 1) for place in range(10_000)]
    series = daily.top_series(rows, DAYS, "model", "cost")
    names = [name for name, _ in series]
    assert names == ["m00000", "m00001", "m00002", "m00003", daily.OTHER]
    assert series[-1][1][0] == Decimal(10_000 - 4)


def test_the_rest_is_unknown_where_nothing_of_it_has_a_price() -> None:
    rows = [row(MONDAY, f"m{place}", Decimal(1)) for place in range(5)]
    rows += [row(MONDAY, "z1", None), row(MONDAY, "z2", None)]
    for each in rows[4:]:
        each["cost"] = None
    series = dict(daily.top_series(rows, DAYS, "model", "cost"))
    assert series[daily.OTHER][0] is None
    assert series[daily.OTHER][1] == 0


def test_unpriced_models_stand_behind_priced_ones() -> None:
    rows = [row(MONDAY, "a", None), row(MONDAY, "b", Decimal(1)), row(MONDAY, "c", Decimal(2))]
    assert daily.ranking(rows, "model", "cost") == ["c", "b", "a"]


def test_one_call_is_one_series() -> None:
    found = daily.top_series([row(MONDAY, "org/m", Decimal("0.5"))], DAYS, "model", "cost")
    assert found == [("m", [Decimal("0.5"), *[0] * 6])]


def test_no_rows_make_no_series() -> None:
    assert daily.top_series([], DAYS, "model", "cost") == []
    assert daily.by_day([], DAYS, "cost") == [0] * 7
    assert daily.day_table([]) == []


@given(st.lists(st.sampled_from(["a", "a (2)", "a (3)", "b", daily.OTHER]), max_size=9))
def test_no_two_series_have_one_name(names: list[str]) -> None:
    values: list[daily.Values] = [[place] for place in range(len(names))]
    told = daily.unique(list(zip(names, values, strict=True)))
    assert len({name for name, _ in told}) == len(names)
    assert [each for _, each in told] == values


def test_a_model_called_other_is_not_the_rest() -> None:
    rows = [row(MONDAY, f"m{place}", Decimal(1)) for place in range(6)]
    rows.append(row(MONDAY, "org/Other", Decimal(9)))
    names = [name for name, _ in daily.top_series(rows, DAYS, "model", "cost")]
    assert names[0] == "Other"
    assert names[-1] == "Other (2)"


@given(st.lists(money))
def test_sums_are_of_what_is_known(values: list[Decimal | None]) -> None:
    known = [value for value in values if value is not None]
    assert daily.added(values) == (sum(known) if known else None)


@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.integers(0, 400))
def test_days_are_all_there_and_once(first: date, more: int) -> None:
    days = daily.days_between(first, first + timedelta(days=more))
    assert len(set(days)) == more + 1
    assert (days[0], days[-1]) == (first, first + timedelta(days=more))


def test_a_day_without_priced_calls_has_no_mean() -> None:
    assert daily.ratio_days([Decimal(3), None, 0], [2, 2, 0], 1000) == [1500.0, None, None]


def test_tokens_known_on_one_side_only_count() -> None:
    assert daily.plus([1, None, None], [2, 3, None]) == [3, 3, None]


# -- the heat map --------------------------------------------------------------------------------


def cells_of(rows: list[dict[str, Any]], first: date, last: date, measure: str = "calls") -> Any:
    period = between(first, last, NOW, "Europe/Berlin")
    found = asking(ledger_of(rows))("heat", period.scope()).to_pylist()
    return daily.heat_cells(found, measure)


def test_a_week_without_calls_has_168_zeros() -> None:
    cells = cells_of([], MONDAY, MONDAY + timedelta(days=6))
    assert [cell for line in cells for cell in line] == [0.0] * 168


def test_the_hour_that_comes_twice_is_a_mean_of_two() -> None:
    sunday = date(2026, 10, 25)
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 0, 1, 2)]
    cells = cells_of([priced("3.00", ts=at) for at in twice], sunday, sunday)
    # Three calls in the two hours that are both called 2 o'clock, one in the only 3 o'clock.
    assert cells[6][2] == pytest.approx(3 / 2)
    assert cells[6][3] == 1.0
    assert cells[5] == [None] * 24


def test_the_hour_that_is_skipped_has_no_cell() -> None:
    sunday = date(2026, 3, 29)
    cells = cells_of([], sunday, sunday)
    assert cells[6][2] is None
    assert [hour for hour, cell in enumerate(cells[6]) if cell is None] == [2]


def test_an_hour_of_unknown_price_is_not_a_cheap_one() -> None:
    at = datetime(2026, 11, 9, 11, 0, tzinfo=UTC)
    cells = cells_of([unpriced(ts=at)], MONDAY, MONDAY, "cost")
    assert cells[0][12] is None


def test_calls_of_the_map_are_all_calls() -> None:
    begin = datetime(2026, 11, 9, tzinfo=UTC)
    rows = [priced("0.01", ts=begin + timedelta(hours=5 * step)) for step in range(30)]
    cells = cells_of(rows, MONDAY, MONDAY + timedelta(days=6))
    assert sum(cell for line in cells for cell in line) == 30


def test_the_file_of_days_has_dates_and_every_column_but_the_period() -> None:
    assert daily.day_table([row(MONDAY, "m", None)]) == [
        {"day": MONDAY, "model": "m", "cost": None, "calls": 1}
    ]
