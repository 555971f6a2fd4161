"""The scan: filters, NULL, bound values, and no way for a person's text to become SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from factories_questions import ALWAYS, NOON, WEEK, asked, make_row, memory, one, scope

from hf_ledger.analytics.kernel.scan import aggregate, expression, matching
from hf_ledger.analytics.scope import DERIVED, DIMENSIONS, Scope
from hf_ledger.ingest.errors import Usage

COUNT = "count(*) as calls"


def count(rows: list[dict[str, Any]], asked_scope: Scope) -> int:
    found: int = one(asked(rows)("totals", asked_scope))["calls"]
    return found


TEAMS = [make_row(team=team) for team in ("search", "search", "support", None, "")]


@pytest.mark.parametrize(
    ("accepted", "calls"),
    [
        (("search",), 2),
        (("search", "support"), 3),
        (("",), 1),
        (("search", ""), 3),
        (("nobody",), 0),
        ((), 0),
    ],
)
def test_a_filter_accepts_its_values_and_empty_means_not_set(
    accepted: tuple[str, ...], calls: int
) -> None:
    assert count(TEAMS, scope(team=accepted)) == calls


def test_filters_of_two_dimensions_both_hold() -> None:
    rows = [make_row(team=t, provider=p) for t in ("a", "b") for p in ("novita", "groq")]
    assert count(rows, scope(team="a", provider=("novita", "groq"))) == 2
    assert count(rows, scope(team="a", provider="novita")) == 1


def test_numbers_and_switches_are_filtered_by_their_text() -> None:
    rows = [
        make_row(status=status, stream=stream) for status in (200, 429) for stream in (True, False)
    ]
    assert count(rows, scope(status="429")) == 2
    assert count(rows, scope(stream="true")) == 2
    assert count(rows, scope(status=("200", "429"), stream="false")) == 2
    assert count([make_row(status=None)], scope(status="")) == 1


def test_a_derived_dimension_filters_like_a_stored_one() -> None:
    rows = [make_row(uncached_input_tokens=tokens, output_tokens=99) for tokens in (10, 20, 500)]
    assert count(rows, scope(suitable_class="medium")) == 2
    assert count(rows, scope(suitable_class=("medium", "large"))) == 3
    assert count([*rows, make_row(task=None)], scope(suitable_class="")) == 1


def test_the_period_includes_its_first_instant_and_not_its_last() -> None:
    step = timedelta(microseconds=1)
    rows = [
        make_row(ts=ts) for ts in (WEEK.since - step, WEEK.since, WEEK.until - step, WEEK.until)
    ]
    assert count(rows, WEEK) == 2


def test_a_period_may_be_given_in_any_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    shifted = Scope(WEEK.since.astimezone(tokyo), WEEK.until.astimezone(tokyo))
    assert count([make_row(ts=WEEK.since), make_row(ts=WEEK.until)], shifted) == 1


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(Usage, match="has no zone"):
        matching(Scope(datetime(2026, 8, 10), WEEK.until))  # noqa: DTZ001


def test_origins_are_never_mixed_unasked() -> None:
    rows = [make_row(origin=origin) for origin in ("live", "import", "practice", "sample")]
    assert count(rows, scope()) == 2
    assert count(rows, scope(origins=("sample",))) == 1
    assert count(rows, scope(origins=("practice",))) == 1


HOSTILE = (
    "'; drop table calls; --",
    '" or 1=1 --',
    "a' or 'a'='a",
    "search') or (1=1",
    "{team}",
    "?",
    "\0",
    "名前",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_compared_and_never_run(text: str) -> None:
    rows = [make_row(team="search"), make_row(team=text)]
    ask = asked(rows)
    assert one(ask("totals", scope(team=text)))["calls"] == 1
    assert one(ask("totals", ALWAYS))["calls"] == 2


@pytest.mark.parametrize(
    "name", ["calls; drop table calls", "1", "count(*)", "team, model", "call_id", "ts", "cost", ""]
)
def test_a_dimension_must_be_one_of_the_list(name: str) -> None:
    ask = asked([make_row()])
    for question, params in (("spend", {"by": [name]}), ("values", {"dimension": name})):
        with pytest.raises(Usage, match="unknown dimension"):
            ask(question, WEEK, **params)
    with pytest.raises(Usage, match="unknown dimension"):
        ask("totals", Scope(WEEK.since, WEEK.until, where={name: ("x",)}))


def test_an_unknown_dimension_comes_with_the_nearest() -> None:
    with pytest.raises(Usage, match=r"unknown dimension 'modle'; did you mean 'model'\?"):
        expression("modle")
    with pytest.raises(Usage, match="there are source, origin"):
        expression("xyzzy")


@pytest.mark.parametrize("dimension", [*DIMENSIONS, *DERIVED])
def test_every_dimension_groups_and_filters(dimension: str) -> None:
    ask = asked([make_row()])
    (row,) = ask("spend", WEEK, by=[dimension]).to_pylist()
    assert row["calls"] == 1
    value = "" if row[dimension] is None else str(row[dimension]).lower()
    if dimension not in {"stream", "status"}:
        value = row[dimension] or ""
    narrowed = scope(origins=("live",), **{dimension: value})
    assert one(ask("totals", narrowed))["calls"] == 1


def test_eras_number_the_stretches_between_times() -> None:
    hours = [timedelta(hours=h) for h in (-2, -1, 0, 1, 2)]
    cursor = memory([make_row(ts=NOON + h) for h in hours]).cursor()
    edges = [NOON - timedelta(hours=1), NOON + timedelta(hours=1)]
    table = aggregate(cursor, WEEK, ("provider",), COUNT, edges=edges)
    assert {r["era"]: r["calls"] for r in table.to_pylist()} == {0: 1, 1: 2, 2: 2}


def test_without_edges_there_is_one_era() -> None:
    table = aggregate(memory([make_row()]).cursor(), WEEK, (), COUNT, edges=[])
    assert table.to_pylist() == [{"era": 0, "calls": 1}]


def test_a_further_condition_narrows_the_scan() -> None:
    cursor = memory([make_row(latency_ms=5.0), make_row(latency_ms=None)]).cursor()
    assert one(aggregate(cursor, WEEK, (), COUNT, only="latency_ms is null"))["calls"] == 1


def test_times_are_compared_in_utc() -> None:
    assert matching(WEEK)[1][:2] == [
        datetime(2026, 8, 10, tzinfo=UTC).replace(tzinfo=None),
        datetime(2026, 8, 17, tzinfo=UTC).replace(tzinfo=None),
    ]
