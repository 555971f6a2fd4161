"""The weekly report as a value: the same figures as the questions, and parts that add up."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from factories_questions import (
    Row,
    asked,
    at,
    free,
    insert,
    make_row,
    memory,
    on_endpoint,
    one,
    priced,
    unpriced,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_analytics_savings import call, world

from hf_ledger.analytics.periods import named
from hf_ledger.analytics.questions import Ask, asking
from hf_ledger.analytics.report import MOST_ROWS, Part, WeeklyReport, weekly
from hf_ledger.analytics.rounding import to_cents
from hf_ledger.ingest.errors import Usage

#: The Monday after the week of the factories' noon.
MONDAY = datetime(2026, 8, 17, 9, tzinfo=UTC)
WEEK33 = "2026-W33"


def report(ask: Ask, week: str = WEEK33, **options: object) -> WeeklyReport:
    return weekly(ask, week, **{"now": MONDAY, **options})  # type: ignore[arg-type]


def cents(parts: tuple[Part, ...]) -> Decimal:
    return sum((part.cents for part in parts if part.cents is not None), Decimal(0))


def test_an_empty_week_is_a_report_too() -> None:
    found = report(asked())
    assert found.totals.calls == 0
    assert (found.teams, found.models, found.sizes, found.busiest) == ((), (), (), ())
    assert (found.moves, found.observations) == ((), ())
    assert [day.calls for day in found.days] == [0] * 7
    assert [day.cost for day in found.days] == [Decimal(0)] * 7
    assert len(found.heat) == 168
    assert (found.price_list_at, found.price_list_days) == (None, None)


def test_the_heading_says_which_week_in_which_zone() -> None:
    found = report(asked(), zone="Europe/Berlin")
    assert (found.week, found.zone) == (WEEK33, "Europe/Berlin")
    assert (found.first, found.last) == (date(2026, 8, 10), date(2026, 8, 16))
    assert found.label == "10 – 16 Aug 2026"
    assert found.previous_label == "3 – 9 Aug 2026"
    assert (found.origin_label, found.running) == (None, False)


def test_last_week_is_the_week_by_its_number() -> None:
    ask = asked([priced("1"), unpriced()])
    assert report(ask, "last-week") == report(ask, WEEK33)


def test_totals_are_those_of_the_question() -> None:
    rows = [priced("1.5"), priced("2"), free(), unpriced(), on_endpoint()]
    ask = asked(rows)
    found, row = report(ask), one(ask("totals", named(WEEK33, MONDAY).scope()))
    for name in ("calls", "errors", "cost", "list_cost", "input_tokens", "priced_calls", "p50_ms"):
        assert getattr(found.totals, name) == row[name], name
    assert found.totals.coverage.unpriced == 1
    assert found.totals.coverage.endpoint == 1


def test_the_week_before_stands_beside() -> None:
    rows = [
        priced("3"),
        priced("2", ts=at("2026-08-05T12:00:00")),
        priced("9", ts=at("2026-08-02")),
    ]
    found = report(asked(rows))
    assert (found.totals.cost, found.before.cost) == (Decimal(3), Decimal(2))
    (team,) = found.teams
    assert (team.cost, team.before) == (Decimal(3), Decimal(2))
    wednesday = found.days[2]
    assert (wednesday.day, wednesday.cost, wednesday.before) == (date(2026, 8, 12), 3, 2)


def test_a_new_team_cost_nothing_before_and_one_without_price_is_unknown() -> None:
    rows = [
        priced("1", team="new"),
        priced("1", team="dark"),
        unpriced(team="dark", ts=at("2026-08-05")),
    ]
    before = {part.name: part.before for part in report(asked(rows)).teams}
    assert before == {"new": Decimal(0), "dark": None}


def test_a_running_week_is_compared_up_to_the_same_moment() -> None:
    wednesday = datetime(2026, 8, 12, 13, tzinfo=UTC)
    early, late = at("2026-08-05T12:59:00"), at("2026-08-05T13:01:00")
    rows = [priced("4"), priced("1", ts=early), priced("7", ts=late)]
    found = report(asked(rows), now=wednesday)
    assert found.running
    assert (found.totals.cost, found.before.cost) == (Decimal(4), Decimal(1))


def test_days_are_local() -> None:
    late = priced("1", ts=at("2026-08-11T23:30:00"))
    found = report(asked([late]), zone="Europe/Berlin")
    assert [day.calls for day in found.days] == [0, 0, 1, 0, 0, 0, 0]


def test_sunday_night_belongs_to_the_zones_week() -> None:
    row = priced("1", ts=at("2026-08-09T22:30:00"))  # Monday, 00:30 in Berlin
    assert report(asked([row]), zone="Europe/Berlin").totals.calls == 1
    assert report(asked([row]), zone="UTC").totals.calls == 0


def test_sizes_come_in_their_order_with_what_is_unpriced() -> None:
    rows = [
        priced("1", size_class="xl"),
        priced("2", size_class="small"),
        unpriced(size_class=None),
    ]
    found = report(asked(rows)).sizes
    assert [(p.name, p.cost, p.unpriced_calls) for p in found] == [
        ("small", Decimal(2), 0),
        ("xl", Decimal(1), 0),
        (None, None, 1),
    ]


def test_a_long_tail_becomes_one_row_that_adds_up() -> None:
    rows = [priced(n, team=f"team {n:02d}") for n in range(1, 31)]
    found = report(asked(rows)).teams
    assert len(found) == MOST_ROWS
    others = found[-1]
    assert others.others == 30 - (MOST_ROWS - 1) == 19
    assert others.cost == sum(range(1, 20))
    assert others.calls == 19
    assert sum(part.cost or 0 for part in found) == sum(range(1, 31))


def test_others_without_a_price_stay_unknown() -> None:
    rows = [*(priced(50 + n, team=f"t{n}") for n in range(MOST_ROWS)), unpriced(team="x")]
    others = report(asked(rows)).teams[-1]
    assert (others.others, others.cost, others.unpriced_calls) == (2, Decimal(50), 1)
    dark = [unpriced(team=f"t{n}", uncached_input_tokens=None) for n in range(MOST_ROWS + 1)]
    rest = report(asked(dark)).teams[-1]
    assert (rest.cost, rest.cents, rest.input_tokens) == (None, None, None)


money = st.decimals(Decimal("0.000000001"), Decimal(5000), places=9)
teams = st.sampled_from([f"team {n}" for n in range(16)] + [None])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(money, teams, st.sampled_from(["small", "xl", None])), max_size=20))
def test_parts_add_up_exactly_and_rounded(
    calls: list[tuple[Decimal, str | None, str | None]],
) -> None:
    rows = [priced(usd, team=team, model=team, size_class=size) for usd, team, size in calls]
    found = report(asked([*rows, unpriced(team="none")]))
    whole = sum((usd for usd, _, _ in calls), Decimal(0))
    for parts in (found.teams, found.models, found.sizes):
        assert sum((part.cost for part in parts if part.cost is not None), Decimal(0)) == whole
        assert cents(parts) == to_cents(whole)
        assert sum(part.calls for part in parts) == len(calls) + 1
    days = [day.cost for day in found.days if day.cost is not None]
    assert sum(days, Decimal(0)) == whole


def test_peaks_are_those_of_the_question() -> None:
    rows = [make_row(ts=at(f"2026-08-12T{hour}:00:00")) for hour in ("09", "09", "14")]
    found = report(asked(rows))
    assert [(each.hour, each.calls) for each in found.busiest] == [(9, 2), (14, 1)]
    assert sum(cell.calls for cell in found.heat) == 3


def test_moves_and_observations_are_told_untested() -> None:
    found = report(world([call(), call(300, 3), unpriced()]))
    assert {move.kind for move in found.moves} == {"downgrade", "cheaper_provider"}
    assert all(move.difference == move.cost - move.cost_after > 0 for move in found.moves)
    kinds = [each.kind for each in found.observations]
    assert "unpriced" in kinds
    assert "untested" in found.observations[0].sentence


def test_no_kind_of_observation_drowns_the_others() -> None:
    calls = [call(500, 100), call(100, 200), call(300, 3), call(2500, 4)]
    failures = [free() for _ in range(30)]
    kinds = [each.kind for each in report(world([*calls, *failures])).observations]
    assert max(kinds.count(kind) for kind in kinds) <= 2
    assert {"errors", "peak"} <= set(kinds)


def test_the_price_list_has_an_age() -> None:
    ledger = memory([priced("1")])
    captured = at("2026-07-27").replace(tzinfo=None)
    insert(
        ledger.cursor(),
        "price_lists",
        [{"snapshot": "s", "source": "test", "captured_at": captured}],
    )
    found = report(asking(ledger.cursor()))
    assert found.price_list_at == at("2026-07-27")
    assert found.price_list_days == 21  # 27 July to 17 August


@pytest.mark.parametrize(
    ("origin", "label"),
    [("sample", "Sample data"), ("practice", "Practice server, no model ran"), ("live", None)],
)
def test_figures_that_are_nobodys_are_labelled(origin: str, label: str | None) -> None:
    rows: list[Row] = [priced("1", origin=o) for o in ("live", "sample", "practice")]
    found = report(asked(rows), origins=(origin,))
    assert found.origin_label == label
    assert found.totals.calls == 1


@pytest.mark.parametrize("name", ["28d", "2026-08", "2026-08-10", "2026-08-11..2026-08-17", "mtd"])
def test_only_weeks_are_reported(name: str) -> None:
    with pytest.raises(Usage, match="is no week; write it as 2026-W46"):
        report(asked(), name)


def test_monday_to_sunday_by_date_is_the_week() -> None:
    assert report(asked(), "2026-08-10..2026-08-16").week == WEEK33


def test_a_week_to_come_is_refused() -> None:
    with pytest.raises(Usage, match="begins on 2026-08-24; there is nothing to report yet"):
        report(asked(), "2026-W35")


def test_the_value_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        report(asked()).week = "2026-W01"  # type: ignore[misc]
