"""Spend: parts equal the whole by every dimension and grain, in every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from factories_questions import (
    ALWAYS,
    NOON,
    WEEK,
    Row,
    asked,
    at,
    free,
    on_endpoint,
    one,
    priced,
    scope,
    unpriced,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.scope import DERIVED, DIMENSIONS, Scope
from hf_ledger.analytics.spend import COLUMNS
from hf_ledger.ingest.errors import Usage

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns")

money = st.decimals(Decimal(0), Decimal(999_999), places=9)
moments = st.integers(1_772_000_000, 1_798_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A call of any kind, team, model, size and time; spring and autumn clock changes included."""
    columns: dict[str, Any] = {
        "ts": draw(moments),
        "team": draw(st.sampled_from(["a", "b", "", None])),
        "model": draw(st.sampled_from(["x/1", "x/2", None])),
        "size_class": draw(st.sampled_from(["small", "xl", None])),
        "stream": draw(st.booleans()),
        "uncached_input_tokens": draw(st.one_of(st.none(), st.integers(0, 5000))),
    }
    make = draw(st.sampled_from(["priced", "free", "unpriced", "endpoint"]))
    if make == "priced":
        return priced(draw(money), **columns)
    return {"free": free, "unpriced": unpriced, "endpoint": on_endpoint}[make](**columns)


def added(found: list[Row], name: str) -> Any:
    known = [row[name] for row in found if row[name] is not None]
    return sum(known, Decimal(0)) if name in {"cost", "list_cost"} else sum(known)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(rows(), max_size=15),
    st.lists(st.sampled_from([*DIMENSIONS, *DERIVED]), max_size=3),
    st.sampled_from([None, "hour", "day", "week", "month"]),
    st.sampled_from(ZONES),
)
def test_parts_sum_to_the_whole(
    calls: list[Row], by: list[str], grain: str | None, zone: str
) -> None:
    ask = asked(calls)
    everywhere = Scope(ALWAYS.since, ALWAYS.until, zone)
    parts = ask("spend", everywhere, by=by, grain=grain).to_pylist()
    whole = one(ask("totals", everywhere))
    for name in COLUMNS:
        assert added(parts, name) == (whole[name] or 0), name
    keys = [tuple(row[k] for k in ["period", *by] if k in row) for row in parts]
    assert len(keys) == len(set(keys))


@settings(max_examples=25, deadline=None)
@given(st.lists(rows(), min_size=1, max_size=12), st.sampled_from(ZONES))
def test_each_day_holds_the_calls_of_its_local_date(calls: list[Row], zone: str) -> None:
    table = asked(calls)("spend", Scope(ALWAYS.since, ALWAYS.until, zone), grain="day")
    expected: dict[Any, int] = {}
    for row in calls:
        day = row["ts"].replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
        expected[day] = expected.get(day, 0) + 1
    assert {r["period"].date(): r["calls"] for r in table.to_pylist()} == expected


def test_without_dimensions_there_is_one_row() -> None:
    row = one(asked([priced("1"), unpriced()])("spend", WEEK))
    assert tuple(row) == COLUMNS
    assert (row["calls"], row["cost"]) == (2, Decimal(1))


def test_an_empty_ledger_answers_with_zero_or_no_rows() -> None:
    ask = asked()
    assert one(ask("spend", WEEK))["cost"] == Decimal(0)
    assert ask("spend", WEEK, by=["team"]).num_rows == 0
    table = ask("spend", WEEK, by=["team"], grain="day")
    assert (table.num_rows, table.column_names[:2]) == (0, ["period", "team"])


def test_rows_come_dearest_first_and_unknown_last() -> None:
    calls = [
        priced("1", team="b"),
        priced("5", team="a"),
        unpriced(team="c"),
        priced("1", team="a2"),
    ]
    table = asked([*calls, unpriced(team="d"), unpriced(team="d")])("spend", WEEK, by=["team"])
    assert table["team"].to_pylist() == ["a", "a2", "b", "d", "c"]
    assert table["cost"].to_pylist() == [5, 1, 1, None, None]


def test_with_a_grain_rows_come_by_period_first() -> None:
    calls = [
        priced(usd, team=team, ts=at(f"2026-08-1{day}"))
        for usd, team, day in (("1", "a", 2), ("9", "b", 2), ("5", "a", 1))
    ]
    table = asked(calls)("spend", WEEK, by=["team"], grain="day")
    assert [(r["period"].day, r["team"]) for r in table.to_pylist()] == [
        (11, "a"),
        (12, "b"),
        (12, "a"),
    ]


def test_not_set_is_a_value_of_its_own() -> None:
    table = asked([priced("1", team=None), priced("2", team="")])("spend", WEEK, by=["team"])
    assert table["team"].to_pylist() == ["", None]


def test_a_group_without_a_price_is_unknown_beside_one_with() -> None:
    calls = [priced("1", team="a"), unpriced(team="a"), unpriced(team="b"), free(team="c")]
    costs = {r["team"]: r["cost"] for r in asked(calls)("spend", WEEK, by=["team"]).to_pylist()}
    assert costs == {"a": Decimal(1), "b": None, "c": Decimal(0)}


def test_an_unpriced_hour_does_not_make_its_day_unknown() -> None:
    calls = [priced("1"), unpriced(ts=NOON + timedelta(hours=3))]
    ask = asked(calls)
    assert one(ask("spend", WEEK, grain="day"))["cost"] == Decimal(1)
    assert ask("spend", WEEK, grain="hour")["cost"].to_pylist() == [Decimal(1), None]


def test_periods_are_aware_starts_in_the_zone() -> None:
    call = priced("1", ts=at("2026-08-12T22:30:00"))
    ask = asked([call])
    berlin = scope(zone="Europe/Berlin")
    starts = {
        "hour": "2026-08-13T00:00:00+02:00",
        "day": "2026-08-13T00:00:00+02:00",
        "week": "2026-08-10T00:00:00+02:00",
        "month": "2026-08-01T00:00:00+02:00",
    }
    for grain, start in starts.items():
        table = ask("spend", berlin, grain=grain)
        assert table.schema.field("period").type == pa.timestamp("us", tz="Europe/Berlin")
        assert one(table)["period"].isoformat() == start


def test_the_hour_repeated_in_autumn_is_two_rows_and_one_day() -> None:
    calls = [priced("1", ts=at(f"2026-10-25T0{hour}:30:00")) for hour in (0, 1)]
    ask = asked(calls)
    autumn = scope("2026-10-24", "2026-10-27", zone="Europe/Berlin")
    periods = ask("spend", autumn, grain="hour")["period"].to_pylist()
    assert [p.isoformat() for p in periods] == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
    ]
    assert one(ask("spend", autumn, grain="day"))["calls"] == 2


def test_iso_weeks_begin_on_monday() -> None:
    calls = [priced("1", ts=at(day)) for day in ("2026-08-16T23:59:59", "2026-08-17T00:00:00")]
    table = asked(calls)("spend", ALWAYS, grain="week")
    assert [p.date().isoformat() for p in table["period"].to_pylist()] == [
        "2026-08-10",
        "2026-08-17",
    ]


def test_columns_have_their_types_even_without_rows() -> None:
    schema = asked()("spend", WEEK, by=["team"], grain="day").schema
    kinds = {"cost": pa.decimal128(38, 9), "calls": pa.int64(), "input_tokens": pa.int64()}
    assert {name: schema.field(name).type for name in kinds} == kinds


def test_a_dimension_named_twice_is_one_column() -> None:
    table = asked([priced("1")])("spend", WEEK, by=["team", "team"])
    assert table.column_names == ["team", *COLUMNS]


def test_wrong_parameters_are_refused() -> None:
    ask = asked([priced("1")])
    with pytest.raises(Usage, match="'by' takes a list of dimensions"):
        ask("spend", WEEK, by="team")
    with pytest.raises(Usage, match="unknown grain 'quarter'"):
        ask("spend", WEEK, grain="quarter")
