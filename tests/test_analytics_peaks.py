"""Peaks: 168 cells in local time, hours as often as the period holds them, shares of all calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from factories_questions import WEEK, asked, at, make_row, one, priced, scope, unpriced
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.peaks import CELLS, hours_held
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Usage

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York")
moments = st.integers(1_772_000_000, 1_798_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


def test_there_are_always_168_cells_in_order() -> None:
    table = asked()("heat", WEEK)
    assert table.column_names == ["weekday", "hour", "calls", "cost", "tokens", "hours"]
    assert list(zip(*(table[n].to_pylist() for n in ("weekday", "hour")), strict=True)) == CELLS
    assert set(table["calls"].to_pylist()) == {0}
    assert set(table["cost"].to_pylist()) == {Decimal(0)}
    assert set(table["hours"].to_pylist()) == {1.0}


@settings(max_examples=30, deadline=None)
@given(st.lists(moments, max_size=15), st.sampled_from(ZONES))
def test_each_call_is_in_the_cell_of_its_local_hour(times: list[datetime], zone: str) -> None:
    table = asked([priced("1", ts=each) for each in times])(
        "heat", scope("2026-01-01", "2027-01-01", zone)
    )
    expected = dict.fromkeys(CELLS, 0)
    for each in times:
        local = each.astimezone(ZoneInfo(zone))
        expected[(local.isoweekday(), local.hour)] += 1
    found = {(r["weekday"], r["hour"]): r for r in table.to_pylist()}
    assert {key: row["calls"] for key, row in found.items()} == expected
    assert {key: row["cost"] for key, row in found.items()} == expected


def test_a_cell_without_a_price_is_unknown_and_one_without_calls_is_zero() -> None:
    table = asked([unpriced(), priced("2", ts=at("2026-08-13T12:00:00"))])("heat", WEEK)
    costs = {(r["weekday"], r["hour"]): r["cost"] for r in table.to_pylist()}
    assert costs[(3, 12)] is None
    assert costs[(4, 12)] == Decimal(2)
    assert costs[(5, 12)] == Decimal(0)


def test_tokens_are_input_and_output() -> None:
    table = asked([make_row(), make_row(output_tokens=None)])("heat", WEEK)
    assert sum(table["tokens"].to_pylist()) == 120 + 100


@settings(max_examples=30, deadline=None)
@given(moments, st.integers(0, 40 * 96), st.sampled_from(ZONES))
def test_cells_hold_all_the_hours_of_a_period(since: datetime, quarters: int, zone: str) -> None:
    begun = since.replace(minute=since.minute // 15 * 15, second=0)
    period = Scope(begun, begun + timedelta(minutes=15 * quarters), zone)
    assert sum(hours_held(period)) == quarters / 4


def cell(period: Scope, weekday: int, hour: int) -> float:
    return hours_held(period)[CELLS.index((weekday, hour))]


def test_a_skipped_hour_is_held_once_less_and_a_repeated_one_once_more() -> None:
    berlin = "Europe/Berlin"
    # 29 March 2026 skips 02:00, 25 October repeats it; both are Sundays.
    spring = scope("2026-03-22T23:00:00", "2026-03-29T22:00:00", berlin)
    autumn = scope("2026-10-18T22:00:00", "2026-10-25T23:00:00", berlin)
    assert [cell(spring, 7, hour) for hour in (1, 2, 3)] == [1, 0, 1]
    assert [cell(autumn, 7, hour) for hour in (1, 2, 3)] == [1, 2, 1]


def test_nine_mondays_count_nine_times() -> None:
    period = scope("2026-08-31", "2026-10-27")
    assert [cell(period, weekday, 12) for weekday in (1, 2)] == [9, 8]


def test_the_busiest_hours_by_calls_and_then_the_earlier() -> None:
    hours = [9, 9, 9, 14, 14, 14, 3, 3, 20]
    calls = [
        priced("0.5", ts=at(f"2026-08-1{n % 4}T{hour:02d}:30:00")) for n, hour in enumerate(hours)
    ]
    rows = asked(calls)("busiest", WEEK).to_pylist()
    assert [(r["hour"], r["calls"]) for r in rows] == [(9, 3), (14, 3), (3, 2)]
    assert [r["cost"] for r in rows] == [Decimal("1.5"), Decimal("1.5"), Decimal(1)]
    assert [r["share"] for r in rows] == pytest.approx([3 / 9, 3 / 9, 2 / 9])


def test_busiest_hours_are_local() -> None:
    call = make_row(ts=at("2026-08-12T22:20:00"))
    for zone, hour in (("UTC", 22), ("Europe/Berlin", 0), ("Asia/Kathmandu", 4)):
        row = one(asked([call])("busiest", scope(zone=zone)))
        assert (row["hour"], row["calls"], row["share"]) == (hour, 1, 1.0)


def test_hours_without_calls_are_never_busy() -> None:
    ask = asked([make_row()])
    assert ask("busiest", WEEK, n=24).num_rows == 1
    assert asked()("busiest", WEEK).num_rows == 0


def test_all_shares_add_up_to_one() -> None:
    calls = [
        make_row(ts=at(f"2026-08-12T{hour:02d}:00:00")) for hour in range(24) for _ in range(hour)
    ]
    shares = asked(calls)("busiest", WEEK, n=24)["share"].to_pylist()
    assert len(shares) == 23  # no call at midnight
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("n", [0, 25, -1, "3", 2.5, True])
def test_a_wrong_number_of_hours_is_refused(n: object) -> None:
    with pytest.raises(Usage, match="n must be a whole number from 1 to 24"):
        asked()("busiest", WEEK, n=n)
