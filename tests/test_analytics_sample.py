"""Laws over the sample ledger as `hf-ledger sample` makes it: real prices, teams, a spike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories_questions import Row, one

from hf_ledger.analytics.connect import RemoteSession, connect, responder
from hf_ledger.analytics.coverage import coverage
from hf_ledger.analytics.kernel.suitable import CLASSES, classes_over
from hf_ledger.analytics.periods import Period, named
from hf_ledger.analytics.questions import QUESTIONS, Ask, asking
from hf_ledger.analytics.report import weekly
from hf_ledger.analytics.rounding import to_cents
from hf_ledger.analytics.scope import DERIVED, DIMENSIONS, Scope
from hf_ledger.dashboard.report.files import FORMATS
from hf_ledger.ingest.doors.sample.making import make_sample
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import Listener, call_owner
from hf_ledger.ingest.places import Places

LAST = date(2026, 11, 22)
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    places = Places(tmp_path_factory.mktemp("sample") / "ledger")
    make_sample(places, seed=3, calls=4_000, days=70, last=LAST)
    with Ledger.open(places.sample) as opened:
        yield opened


@pytest.fixture
def ask(ledger: Ledger) -> Ask:
    return asking(ledger.cursor())


def period(name: str = "28d", zone: str = "UTC") -> Period:
    return named(name, NOW, zone)


def sample(name: str = "28d", zone: str = "UTC", **where: tuple[str, ...]) -> Scope:
    return period(name, zone).scope(origins=("sample",), where=where)


def opened(ask: Ask, link: str, name: str = "28d") -> Row:
    """The totals of the calls that a link opens."""
    where = {dimension: tuple(values) for dimension, values in json.loads(link).items()}
    return one(ask("totals", sample(name, **where)))


def money(rows: list[Row], name: str = "cost") -> Decimal:
    return sum((row[name] for row in rows if row[name] is not None), Decimal(0))


def test_the_sample_has_something_of_everything(ask: Ask) -> None:
    row = one(ask("totals", sample("all")))
    assert row["calls"] == 4_000
    for name in ("priced_calls", "free_calls", "unpriced_calls", "endpoint_calls", "errors"):
        assert row[name] > 0, name
    assert row["cost"] > 0
    assert 0 < row["p50_ms"] < row["p95_ms"]
    assert 0.5 < (coverage(row).calls_share or 0) < 1


def test_it_is_in_no_total_of_ones_own(ask: Ask) -> None:
    assert one(ask("totals", period("all").scope()))["calls"] == 0
    (row,) = ask("extent").to_pylist()
    assert (row["origin"], row["calls"]) == ("sample", 4_000)


@pytest.mark.parametrize("dimension", [*DIMENSIONS, *DERIVED])
def test_every_dimension_breaks_the_total_down_completely(ask: Ask, dimension: str) -> None:
    whole = one(ask("totals", sample()))
    parts = ask("spend", sample(), by=[dimension]).to_pylist()
    assert money(parts) == whole["cost"]
    assert sum(row["calls"] for row in parts) == whole["calls"]
    values = ask("values", sample(), dimension=dimension).to_pylist()
    assert sum(row["calls"] for row in values) == whole["calls"]
    assert len(values) == len(parts)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("grain", ["hour", "day", "week", "month"])
def test_every_grain_adds_up_in_every_zone(ask: Ask, zone: str, grain: str) -> None:
    scope = sample("2026-10", zone)  # clocks change in this month in two of the zones
    whole = one(ask("totals", scope))
    parts = ask("spend", scope, by=["team"], grain=grain).to_pylist()
    assert money(parts) == whole["cost"]
    assert sum(row["calls"] for row in parts) == whole["calls"]
    starts = [row["period"] for row in parts]
    assert starts == sorted(starts)


@pytest.mark.parametrize("zone", ZONES)
def test_heat_and_busiest_hours_agree(ask: Ask, zone: str) -> None:
    scope = sample("2026-10", zone)
    whole = one(ask("totals", scope))
    heat = ask("heat", scope).to_pylist()
    assert sum(row["calls"] for row in heat) == whole["calls"]
    assert money(heat) == whole["cost"]
    hours = (scope.until - scope.since).total_seconds() / 3600
    assert sum(row["hours"] for row in heat) == hours
    by_hour = {hour: sum(r["calls"] for r in heat if r["hour"] == hour) for hour in range(24)}
    busiest = ask("busiest", scope).to_pylist()
    assert [row["calls"] for row in busiest] == sorted(by_hour.values(), reverse=True)[:3]
    assert all(by_hour[row["hour"]] == row["calls"] for row in busiest)


def test_adjacent_periods_add_up(ask: Ask) -> None:
    weeks = [one(ask("totals", sample(f"2026-W{week}"))) for week in range(41, 45)]
    whole = one(ask("totals", sample("2026-10-05..2026-11-01")))
    assert money(weeks) == whole["cost"]
    for name in ("calls", "errors", "tokens", "unpriced_calls"):
        assert sum(week[name] for week in weeks) == whole[name]


def test_each_move_opens_exactly_its_calls_and_is_cheaper(ask: Ask) -> None:
    moves = ask("savings", sample()).to_pylist()
    assert {move["kind"] for move in moves} == {"downgrade", "cheaper_provider"}
    for move in moves:
        found = opened(ask, move["link_where"])
        assert (found["calls"], found["cost"]) == (move["calls"], move["cost"])
        assert move["cost"] - move["cost_after"] == move["difference"] > 0
        assert move["label"] == "untested"


def test_a_move_goes_to_another_route_and_a_downgrade_to_a_smaller_class(ask: Ask) -> None:
    for move in ask("savings", sample()).to_pylist():
        same_model = move["from_model"].lower() == move["to_model"].lower()
        assert same_model == (move["kind"] == "cheaper_provider")
        if same_model:
            assert move["from_provider"] != move["to_provider"]
        else:
            assert (classes_over(move["from_class"], move["to_class"]) or 0) > 0
            assert CLASSES.index(move["suitable_class"]) <= CLASSES.index(move["to_class"])


def test_overkill_opens_exactly_its_calls(ask: Ask) -> None:
    rows = ask("overkill", sample()).to_pylist()
    assert rows, "the sample holds an xl model that answers a few tokens"
    assert any(row["size_class"] == "xl" and row["mean_output_tokens"] < 17 for row in rows)
    for row in rows:
        keys = ("task", "model", "size_class", "suitable_class")
        found = opened(ask, json.dumps({key: [row[key]] for key in keys}))
        assert (found["calls"], found["cost"]) == (row["calls"], row["cost"])


def test_each_observation_opens_as_many_calls_as_it_says(ask: Ask) -> None:
    rows = ask("recommendations", sample(), n=1000).to_pylist()
    whole = one(ask("totals", sample()))["calls"]
    for row in rows:
        expected = whole if row["kind"] == "peak" else row["calls"]
        assert opened(ask, row["link_where"])["calls"] == expected, row["sentence"]
    assert {"downgrade", "cheaper_provider", "overkill", "unpriced", "peak"} <= {
        row["kind"] for row in rows
    }


def test_the_flat_analyzer_adds_up(ask: Ask) -> None:
    rows = ask("flat", sample()).to_pylist()

    def section(name: str) -> list[Row]:
        return [row for row in rows if row["section"] == name]

    (spent,), (saving,) = section("spend"), section("saving")
    assert money(section("size"), "amount") == spent["amount"]
    assert money(section("move"), "amount") == saving["amount"] < spent["amount"]
    assert sum(r["calls"] for r in section("size")) == one(ask("totals", sample()))["calls"]
    assert sum(r["calls"] for r in section("move")) == saving["calls"]
    assert sum(r["calls"] for r in section("overkill")) <= saving["calls"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("week", ["2026-W43", "2026-W44", "2026-W46", "2026-W47"])
def test_the_report_of_any_week_adds_up(ask: Ask, week: str, zone: str) -> None:
    report = weekly(ask, week, zone=zone, now=NOW, origins=("sample",))
    whole = one(ask("totals", sample(week, zone)))
    assert report.totals.cost == whole["cost"]
    for parts in (report.teams, report.models, report.sizes):
        assert sum(part.cents or 0 for part in parts) == to_cents(whole["cost"])
        assert sum(part.calls for part in parts) == whole["calls"]
    assert sum(day.cost or 0 for day in report.days) == whole["cost"]
    assert sum(day.calls for day in report.days) == whole["calls"]
    assert sum(cell.calls for cell in report.heat) == whole["calls"]
    before = one(ask("totals", period(week, zone).previous(origins=("sample",))))
    assert report.before.cost == before["cost"]


def test_its_report_is_labelled_in_both_formats(ask: Ask) -> None:
    report = weekly(ask, "last-week", now=NOW, origins=("sample",))
    assert report.origin_label == "Sample data"
    assert b"Sample data" in FORMATS["html"](report)
    assert FORMATS["xlsx"](report).startswith(b"PK")


PARAMETERS: dict[str, dict[str, Any]] = {
    "spend": {"by": ["team", "suitable_class"], "grain": "week"},
    "values": {"dimension": "model"},
    "calls": {"limit": 20, "order": "cost"},
    "busiest": {"n": 5},
    "route_prices": {"model": "deepseek-ai/DeepSeek-V3.2"},
}


@pytest.mark.parametrize("name", sorted(set(QUESTIONS) - {"call"}))
def test_the_socket_answers_as_the_file_does(ledger: Ledger, name: str) -> None:
    assert ledger.path
    places = Places(ledger.path.parent)
    params, scope = PARAMETERS.get(name, {}), sample("last-week", "Europe/Berlin")
    with Listener(places, responder(ledger, places)), connect(places) as local:
        caller = call_owner(places)
        assert caller
        with RemoteSession(caller) as remote:
            assert remote.ask(name, scope, **params).equals(local.ask(name, scope, **params))
