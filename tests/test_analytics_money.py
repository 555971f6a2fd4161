"""Thirty calls priced by hand, down the whole street: spool, ledger, question, command, HTML, XLSX.

The week is 2026-W31 in Berlin. It begins on 26 July at 22:00 UTC, two hours before the list of
27 July raised together's price of Llama 3.3 from $0.88 to $1.04 a million tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from factories_calls import ledger_with, make_call
from factories_questions import at, one
from openpyxl import load_workbook

from hf_ledger.analytics.connect import connect
from hf_ledger.analytics.periods import named
from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.report import weekly
from hf_ledger.analytics.rounding import to_cents
from hf_ledger.analytics.words import dollars
from hf_ledger.cli import main
from hf_ledger.dashboard.report import html
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.places import Places

ZONE, WEEK = "Europe/Berlin", "2026-W31"
NOW = at("2026-08-03T06:00:00")

LLAMA, SMALL = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"
OSS, DEEPSEEK = "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3.2"

#: USD per million tokens of input and output in that week.
PRICES: dict[tuple[str, str], tuple[str, str]] = {
    ("novita", LLAMA): ("0.135", "0.4"),
    ("novita", SMALL): ("0.02", "0.05"),
    ("novita", DEEPSEEK): ("0.269", "0.4"),
    ("groq", OSS): ("0.15", "0.75"),
    ("together", LLAMA): ("1.04", "1.04"),
}
OLD_PRICE = ("0.88", "0.88")  # together, until 27 July 00:00 UTC


class Made(NamedTuple):
    """One call as it was made; `prices` where it is not the week's list."""

    ts: str
    team: str | None
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    prices: tuple[str, str] | None = None


PRICED = [
    Made("2026-07-26T22:00:00", "search", "together", LLAMA, 1_000_000, 500_000, OLD_PRICE),
    Made("2026-07-26T23:59:59", "search", "together", LLAMA, 123, 45, OLD_PRICE),
    Made("2026-07-27T00:00:00", "search", "together", LLAMA, 123, 45),
    Made("2026-07-27T08:00:00", "search", "together", LLAMA, 1, 0),
    Made("2026-07-27T09:15:00", "support", "together", LLAMA, 40_000, 12_345),
    Made("2026-07-27T12:30:00", "support", "novita", LLAMA, 7_777, 333),
    Made("2026-07-28T07:00:00", "support", "novita", LLAMA, 2_500_000, 900_001),
    Made("2026-07-28T09:00:00", "search", "novita", LLAMA, 1, 1),
    Made("2026-07-28T09:01:00", "growth", "novita", SMALL, 10_000_000, 1),
    Made("2026-07-28T09:02:00", "growth", "novita", SMALL, 3, 7),
    Made("2026-07-28T15:00:00", "growth", "novita", SMALL, 99_999, 88_888),
    Made("2026-07-29T06:30:00", "growth", "groq", OSS, 5_000, 25_000),
    Made("2026-07-29T09:00:00", "search", "groq", OSS, 321_654, 987_654),
    Made("2026-07-29T09:30:00", "search", "groq", OSS, 1, 2),
    Made("2026-07-30T10:00:00", "support", "groq", OSS, 640_000, 3),
    Made("2026-07-30T11:00:00", None, "novita", DEEPSEEK, 1_234_567, 7_654_321),
    Made("2026-07-30T12:00:00", "search", "novita", DEEPSEEK, 17, 19),
    Made("2026-07-31T09:59:59", "search", "novita", DEEPSEEK, 8_192, 1_024),
    Made("2026-07-31T13:00:00", "growth", "novita", DEEPSEEK, 1_000_003, 999_983),
    Made("2026-08-01T20:00:00", None, "novita", SMALL, 50_000_000, 20_000_000),
    Made("2026-08-02T21:59:59", "support", "together", LLAMA, 2_222, 1_111),
]

#: In the week, but in no total of money: failed, on an endpoint, without a price.
FAILED = [("2026-07-27T10:00:00", "search"), ("2026-07-28T10:00:00", "growth")]
UNPRICED = [("2026-07-29T10:00:00", "search"), ("2026-07-31T10:00:00", "support")]
ON_ENDPOINT = ["2026-07-30T09:00:00"]
#: A second before the week and at its very end.
OUTSIDE = ["2026-07-26T21:59:59", "2026-08-02T22:00:00"]
#: The same service as practice and as sample: never added up with the others.
OTHERS = ["practice", "sample"]


def cost(made: Made) -> Decimal:
    """Tokens × USD per million, to the last of nine places."""
    entry, output = made.prices or PRICES[(made.provider, made.model)]
    exact = made.input_tokens * Decimal(entry) + made.output_tokens * Decimal(output)
    return exact / 10**6


TOTAL = sum(map(cost, PRICED), Decimal(0))


def line(ts: str, **columns: Any) -> Call:
    return make_call(ts=at(ts), provider_model=None, **columns)


def calls() -> list[Call]:
    """All thirty calls as a recorder writes them."""
    lines = [
        line(
            made.ts,
            team=made.team,
            provider=made.provider,
            requested_model=made.model,
            uncached_input_tokens=made.input_tokens,
            output_tokens=made.output_tokens,
        )
        for made in PRICED
    ]
    lines += [line(ts, team=team, outcome="error", status=500) for ts, team in FAILED]
    lines += [line(ts, team=team, provider="featherless-ai") for ts, team in UNPRICED]
    lines += [line(ts, team=None, host_kind="endpoint", provider=None) for ts in ON_ENDPOINT]
    lines += [line(ts) for ts in OUTSIDE]
    return [*lines, *(line("2026-07-29T12:00:00", origin=origin) for origin in OTHERS)]


@pytest.fixture
def ask(places: Places) -> Iterator[Ask]:
    ledger_with(places, calls()).close()
    with connect(places) as session:
        yield session.ask


def by(dimension: str) -> dict[str | None, Decimal]:
    """Cost of the priced calls by team, provider or model."""
    found: dict[str | None, Decimal] = {}
    for made in PRICED:
        name = getattr(made, dimension)
        found[name] = found.get(name, Decimal(0)) + cost(made)
    return found


def test_there_are_thirty_calls() -> None:
    assert len(calls()) == 30


def test_some_of_them_by_hand() -> None:
    assert cost(PRICED[0]) == Decimal("1.32")  # 1.5 M × 0.88
    assert cost(PRICED[1]) == Decimal("0.00014784")  # 168 × 0.88
    assert cost(PRICED[2]) == Decimal("0.00017472")  # 168 × 1.04
    assert cost(PRICED[6]) == Decimal("0.6975004")  # 0.3375 + 0.3600004
    assert cost(PRICED[16]) == Decimal("0.000012173")  # 17 × 0.269 + 19 × 0.4 = 12.173 millionths


def test_every_call_costs_what_it_costs_by_hand(ask: Ask) -> None:
    scope = named(WEEK, NOW, ZONE).scope(where={"cost_basis": ("list_price_tokens",)})
    rows = ask("calls", scope, descending=False).to_pylist()
    assert [row["cost"] for row in rows] == [cost(made) for made in PRICED]
    assert [row["list_cost"] for row in rows] == [cost(made) for made in PRICED]


def test_the_total_is_exact_and_says_what_it_leaves_out(ask: Ask) -> None:
    row = one(ask("totals", named(WEEK, NOW, ZONE).scope()))
    assert row["cost"] == TOTAL
    parts = ("calls", "priced_calls", "free_calls", "unpriced_calls", "endpoint_calls", "errors")
    assert [row[name] for name in parts] == [26, 21, 2, 2, 1, 2]


@pytest.mark.parametrize("dimension", ["team", "provider", "model"])
def test_parts_are_exact_and_sum_to_the_total(ask: Ask, dimension: str) -> None:
    scope = named(WEEK, NOW, ZONE).scope()
    rows = ask("spend", scope, by=[dimension]).to_pylist()
    found = {row[dimension]: row["cost"] for row in rows if row["priced_calls"]}
    assert found == by(dimension)
    assert sum(found.values()) == TOTAL


def test_days_are_those_of_berlin(ask: Ask) -> None:
    rows = ask("spend", named(WEEK, NOW, ZONE).scope(), grain="day").to_pylist()
    expected: dict[str, Decimal] = {}
    for made in PRICED:
        moment = at(made.ts).timestamp() + 2 * 3600  # summer time
        day = at("1970-01-01").fromtimestamp(moment, tz=at(made.ts).tzinfo).date().isoformat()
        expected[day] = expected.get(day, Decimal(0)) + cost(made)
    assert {row["period"].date().isoformat(): row["cost"] for row in rows} == expected
    assert min(expected) == "2026-07-27"


def test_the_zone_moves_calls_between_weeks(ask: Ask) -> None:
    utc = one(ask("totals", named(WEEK, NOW, "UTC").scope()))
    # In UTC the first two calls belong to the week before, and one of those outside comes in.
    late = (100 + 20) * Decimal("1.04") / 10**6
    assert utc["cost"] == TOTAL - cost(PRICED[0]) - cost(PRICED[1]) + late


def test_no_total_holds_sample_or_practice(ask: Ask) -> None:
    period = named(WEEK, NOW, ZONE)
    each = (100 + 20) * Decimal("1.04") / 10**6
    for origin in OTHERS:
        assert one(ask("totals", period.scope(origins=(origin,))))["cost"] == each


def test_page_command_html_and_xlsx_show_the_same(
    ask: Ask, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = weekly(ask, WEEK, zone=ZONE, now=NOW)
    assert report.totals.cost == TOTAL
    assert f"at least {dollars(TOTAL)}" in html.render(report)
    ask("extent")  # the session still holds the ledger while the command asks
    week = ["--zone", ZONE, "--format"]
    assert main(["spend", "--period", WEEK, "--by", "team", *week, "json"]) == 0
    spent = json.loads(capsys.readouterr().out)
    assert Decimal(spent["totals"]["cost"]) == TOTAL
    out = ["--out", str(tmp_path)]
    assert main(["report", "weekly", "--week", WEEK, *week, "html,xlsx", *out]) == 0
    document, workbook = capsys.readouterr().out.split()
    text = Path(document).read_text()
    for part in report.teams:
        assert part.cents is None or f">${part.cents:,.2f}<" in text
    assert sum(part.cents or 0 for part in report.teams) == to_cents(TOTAL)
    costs = [row[1].value for row in load_workbook(workbook)["Teams"].iter_rows(min_row=2)]
    numbers = [each for each in costs if isinstance(each, float)]
    assert sum(numbers) == pytest.approx(float(TOTAL), abs=1e-9)


def test_a_second_collection_adds_nothing(ask: Ask, places: Places) -> None:
    before = one(ask("totals", named("all", NOW).scope()))
    with connect(places) as again:
        again.command("collect")
        assert one(again.ask("totals", named("all", NOW).scope())) == before
