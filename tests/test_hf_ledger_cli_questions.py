"""The question commands on a real ledger file: shapes that stay, exit codes, the same figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories_questions import (
    Row,
    at,
    free,
    insert,
    make_row,
    model_row,
    on_endpoint,
    price_rows,
    priced,
    unpriced,
)
from openpyxl import load_workbook

from hf_ledger.analytics.words import dollars
from hf_ledger.cli import main
from hf_ledger.cli.commands import COMMANDS
from hf_ledger.cli.options import chosen_origins, day, filters, listed, moment, spanned
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

WEEK = ["--since", "2026-08-10", "--until", "2026-08-16"]
IDS = [f"01900000-0000-7000-8000-{number:012d}" for number in range(9)]
QUESTIONS = ("spend", "peaks", "sizes", "overkill", "savings", "recommend", "calls", "coverage")

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must succeed; its standard output."""

    def ran(*arguments: str) -> str:
        code = main(list(arguments))
        written = capsys.readouterr()
        # The shipped list is old, which CSV, rows alone, has to say elsewhere.
        warned = "csv" in arguments and written.err.startswith("At the list of 27 Jul 2026 (")
        assert (code, "" if warned else written.err) == (0, "")
        return written.out

    return ran


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that is used wrongly; what it says on standard error."""

    def ran(*arguments: str) -> str:
        code = main(list(arguments))
        written = capsys.readouterr()
        assert code == 2
        assert written.out == ""
        assert "Traceback" not in written.err
        return written.err

    return ran


def fill(places: Places, rows: list[Row]) -> None:
    with Ledger.open(places) as ledger:
        insert(ledger.cursor(), "calls", rows)


ROWS = [
    priced("1.5", call_id=IDS[0], team="search", size_class="xl", output_tokens=3),
    priced("2.25", call_id=IDS[1], team="support", ts=at("2026-08-13T09:30:00")),
    free(call_id=IDS[2], team="search"),
    unpriced(call_id=IDS[3], team="[red]search[/red]", provider="groq"),
    on_endpoint(call_id=IDS[4], team=None),
    priced("100", call_id=IDS[5], origin="practice"),
    priced("7", call_id=IDS[6], ts=at("2026-08-05T12:00:00")),
]


@pytest.fixture
def filled(places: Places) -> Places:
    fill(places, ROWS)
    return places


def answer(run: Run, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, *WEEK, "--format", "json"))
    return found


@pytest.mark.usefixtures("filled")
def test_json_has_its_documented_shape(run: Run) -> None:
    found = answer(run, "spend", "--by", "team", "--where", "provider=together")
    assert list(found) == ["question", "period", "origins", "where", "totals", "rows"]
    assert found["question"] == "spend"
    assert found["period"] == {
        "since": "2026-08-10T00:00:00+00:00",
        "until": "2026-08-17T00:00:00+00:00",
        "zone": "UTC",
    }
    assert found["origins"] == ["live", "import"]
    assert found["where"] == {"provider": ["together"]}
    assert [(r["team"], r["cost"]) for r in found["rows"]] == [
        ("support", "2.250000000"),
        ("search", "1.500000000"),
        (None, None),
    ]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("command", QUESTIONS)
def test_every_question_has_three_formats(command: str, run: Run) -> None:
    rows = answer(run, command)["rows"]
    written = run(command, *WEEK, "--format", "csv")
    read = list(csv.DictReader(io.StringIO(written)))
    assert len(read) == len(rows)
    for from_csv, from_json in zip(read, rows, strict=True):
        assert list(from_csv) == list(from_json)
        for name, value in from_json.items():
            if value is None:
                assert from_csv[name] == ""
            elif isinstance(value, str):
                assert from_csv[name] == value
    assert "10 – 16 Aug 2026 (UTC)" in run(command, *WEEK)


@pytest.mark.usefixtures("filled")
def test_money_and_coverage_for_people(run: Run) -> None:
    text = run("spend", *WEEK, "--by", "team")
    assert "Estimated cost, USD, before credits and tax: at least $3.75 for 5 calls." in text
    assert "Priced: 75 % of calls" in text
    assert "1 call has no known price and is not in this total." in text
    assert "Dedicated endpoint hours not included." in text
    assert "price unknown" in text
    assert "$0.00 " not in text.replace("$0.00 for", "")


@pytest.mark.usefixtures("filled")
def test_what_a_user_typed_is_no_markup(run: Run) -> None:
    assert "[red]search[/red]" in run("spend", *WEEK, "--by", "team")


@pytest.mark.usefixtures("filled")
def test_totals_stand_beside_the_rows_and_agree(run: Run) -> None:
    for by in ("team", "model,provider", "cost_basis", "suitable_class"):
        found = answer(run, "spend", "--by", by)
        costs = [Decimal(row["cost"]) for row in found["rows"] if row["cost"] is not None]
        assert sum(costs) == Decimal(found["totals"]["cost"]) == Decimal("3.75")
        assert sum(row["calls"] for row in found["rows"]) == found["totals"]["calls"] == 5


@pytest.mark.usefixtures("filled")
def test_practice_calls_are_shown_by_choice_and_labelled(run: Run) -> None:
    text = run("spend", *WEEK, "--origin", "practice")
    assert "Practice server, no model ran" in text
    assert "$100.00 for 1 call." in text
    assert "Practice" not in run("spend", *WEEK)


def test_the_sample_is_a_ledger_of_its_own(places: Places, run: Run) -> None:
    fill(places.sample, [priced("42", origin="sample")])
    text = run("spend", *WEEK, "--sample")
    assert text.splitlines()[1] == "Sample data"
    assert "$42.00 for 1 call." in text


@pytest.mark.usefixtures("filled")
def test_grains_say_their_periods_in_the_zone(run: Run) -> None:
    found = answer(run, "spend", "--grain", "day", "--zone", "Europe/Berlin")["rows"]
    assert [row["period"] for row in found] == [
        "2026-08-12T00:00:00+02:00",
        "2026-08-13T00:00:00+02:00",
    ]
    both = answer(run, "spend", "--grain", "day", "--by", "team")["rows"]
    assert {"period", "team"} <= set(both[0])


@pytest.mark.usefixtures("filled")
def test_peaks_are_three_hours_or_the_week(run: Run) -> None:
    found = answer(run, "peaks")
    assert (found["question"], found["rows"][0]["hour"]) == ("busiest", 12)
    assert len(answer(run, "peaks", "--top", "1")["rows"]) == 1
    week = answer(run, "peaks", "--heat")
    assert (week["question"], len(week["rows"])) == ("heat", 168)


@pytest.mark.usefixtures("filled")
def test_overkill_shows_the_model_too_big(run: Run) -> None:
    (row,) = answer(run, "overkill")["rows"]
    assert (row["size_class"], row["suitable_class"], row["classes_over"]) == ("xl", "small", 3)
    assert "no proof that smaller suffices" in run("overkill", *WEEK)


@pytest.mark.usefixtures("filled")
def test_flat_is_the_original_analyzer(run: Run) -> None:
    found = answer(run, "savings", "--price-book", "flat")
    sections = {row["section"]: row for row in found["rows"]}
    # One xl at 0.02 and four large at 0.01 by their size; chat of 100 tokens suits a medium one.
    assert sections["spend"]["amount"] == f"{Decimal('0.02') + 4 * Decimal('0.01'):.9f}"
    assert sections["saving"]["amount"] == f"{Decimal('0.015') + 4 * Decimal('0.005'):.9f}"
    text = run("savings", *WEEK, "--price-book", "flat")
    assert "Price book flat: $0.001 small, 0.005 medium, 0.01 large, 0.02 xl" in text


def test_savings_are_price_differences_untested(places: Places, run: Run) -> None:
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        insert(
            cursor,
            "prices",
            price_rows("dear", "a/b", "2", "2") + price_rows("fair", "a/b", "1", "1"),
        )
        insert(cursor, "models", [model_row("a/b", "large")])
        insert(cursor, "calls", [priced("0.00024", model="a/b", provider="dear")])
    # The shipped prices know smaller models too; the same model elsewhere is the row looked at.
    (row,) = (r for r in answer(run, "savings")["rows"] if r["kind"] == "cheaper_provider")
    assert (row["to_provider"], row["label"]) == ("fair", "untested")
    assert row["difference"] == "0.000120000"
    assert row["link_where"] == {
        "model": ["a/b"],
        "provider": ["dear"],
        "cost_basis": ["list_price_tokens"],
    }
    assert run("savings", *WEEK).startswith("Price difference, untested")


@pytest.mark.usefixtures("filled")
def test_coverage_by_basis_and_what_has_no_price(run: Run) -> None:
    bases = {row["cost_basis"]: row["calls"] for row in answer(run, "coverage")["rows"]}
    assert bases == {"list_price_tokens": 2, "free": 1, "unknown": 1, "endpoint_hours": 1}
    (missing,) = answer(run, "coverage", "--unpriced")["rows"]
    assert (missing["provider"], missing["unpriced_calls"]) == ("groq", 1)


@pytest.mark.usefixtures("filled")
def test_observations_have_rank_and_link(run: Run) -> None:
    rows = answer(run, "recommend", "--top", "2")["rows"]
    assert [row["rank"] for row in rows] == [1, 2]
    assert isinstance(rows[0]["link_where"], dict)
    assert "Observations, not proofs" in run("recommend", *WEEK)


@pytest.mark.usefixtures("filled")
def test_calls_page_order_and_filter(run: Run) -> None:
    assert [r["call_id"] for r in answer(run, "calls", "--limit", "1")["rows"]] == [IDS[1]]
    oldest = answer(run, "calls", "--order", "cost", "--ascending")["rows"]
    assert [row["cost"] for row in oldest[:2]] == ["0.000000000", "1.500000000"]
    assert len(answer(run, "calls", "--offset", "4")["rows"]) == 1
    unset = answer(run, "calls", "--where", "team=")["rows"]
    assert [row["call_id"] for row in unset] == [IDS[4]]
    two = answer(run, "calls", "--where", "team=search", "--where", "team=support")["rows"]
    assert len(two) == 3


@pytest.mark.usefixtures("filled")
def test_call_ids_can_be_copied_from_the_table(run: Run) -> None:
    text = run("calls", *WEEK)
    assert all(call_id in text for call_id in IDS[:5])
    assert "2026-08-12 14:00:00" in run("calls", *WEEK, "--zone", "Europe/Berlin")


@pytest.mark.usefixtures("filled")
def test_one_call_shows_every_column_that_says_something(run: Run) -> None:
    text = run("calls", IDS[0])
    assert f"call_id                {IDS[0]}" in text
    assert "cost                   $1.50" in text
    assert "fallback_of" not in text
    (row,) = json.loads(run("calls", IDS[0], "--format", "json"))["rows"]
    assert (row["cost"], row["fallback_of"], row["team"]) == ("1.500000000", None, "search")


@pytest.mark.usefixtures("filled")
def test_wrong_use_is_one_sentence(refused: Run) -> None:
    for arguments, sentence in (
        (("spend", "--by", "tem"), "unknown dimension 'tem'; did you mean 'team'?"),
        (
            ("spend", "--grain", "year"),
            "unknown grain 'year'; write one of hour, day, week, month.",
        ),
        (
            ("spend", "--where", "team"),
            "--where takes dimension=value, as team=search; not 'team'.",
        ),
        (
            ("spend", "--period", "7d", "--since", "2026-08-10"),
            "give --period, or --since and --until",
        ),
        (("spend", "--until", "2026-08-10"), "--until needs --since."),
        (("spend", "--zone", "Mars/Phobos"), "unknown time zone 'Mars/Phobos'"),
        (("spend", "--origin", "life"), "unknown origin 'life'; there are live, import, practice"),
        (("spend", "--origin", "live", "--origin", "practice"), "are never added up with others"),
        (("spend", "--period", "lastweek"), "unknown period 'lastweek'; write one of today"),
        (("peaks", "--top", "0"), "n must be a whole number from 1 to 24, not 0."),
        (("calls", "--order", "prompt"), "calls have no column 'prompt' to order by"),
        (("calls", "nonsense"), "'nonsense' is no call id"),
        (("calls", IDS[8]), f"the ledger has no call {IDS[8]}."),
        (("report", "weekly", "--week", "46"), "unknown period '46'"),
        (("report", "weekly", "--week", "28d"), "'28d' is no week"),
        (
            ("report", "weekly", "--week", "2026-W33", "--format", "pdf"),
            "unknown report format 'pdf'",
        ),
    ):
        said = refused(*arguments)
        assert sentence in said
        assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [("spend", "--format", "yaml"), ("spend", "--nonsense")])
def test_click_refuses_with_two_as_well(arguments: tuple[str, ...], refused: Run) -> None:
    assert refused(*arguments)


def test_without_a_ledger_the_way_to_one_is_said(places: Places, refused: Run) -> None:
    assert "there is no ledger in" in refused("spend")
    assert "hf-ledger sample" in refused("spend", "--sample")
    assert not places.root.exists()


def test_a_period_without_calls_is_no_error(places: Places, run: Run) -> None:
    fill(places, [])
    assert "No calls match." in run("spend", *WEEK)
    assert "No move is cheaper" in run("savings", *WEEK)
    assert "No call went to a model two or more classes too big." in run("overkill", *WEEK)
    assert "Nothing to observe: no calls match." in run("recommend", *WEEK)
    assert answer(run, "spend")["rows"] == []


def test_an_unpriced_ledger_never_reads_as_zero(places: Places, run: Run) -> None:
    fill(places, [unpriced(), unpriced()])
    text = run("spend", *WEEK)
    assert "price unknown for 2 calls." in text
    assert "$0" not in text
    assert answer(run, "spend")["totals"]["cost"] is None


@pytest.mark.usefixtures("filled")
def test_the_zone_of_the_settings_is_the_default(
    filled: Places, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert filled.root.exists()
    monkeypatch.setenv("HF_LEDGER_ZONE", "Asia/Kolkata")
    assert answer(run, "peaks")["period"]["zone"] == "Asia/Kolkata"
    assert answer(run, "peaks", "--zone", "UTC")["period"]["zone"] == "UTC"


# The weekly report -----------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_page_command_html_and_xlsx_agree_to_the_cent(run: Run, tmp_path: Path) -> None:
    week = ("--period", "2026-W33", "--zone", "Europe/Berlin", "--by", "team", "--format", "json")
    spent = json.loads(run("spend", *week))
    total = Decimal(spent["totals"]["cost"])
    paths = run(
        "report", "weekly", "--week", "2026-W33", "--zone", "Europe/Berlin", "--out", str(tmp_path)
    ).splitlines()
    document, workbook = Path(paths[0]).read_text(), load_workbook(paths[1])
    assert f"Inference cost at least {dollars(total)} for 5 calls" in document
    teams = {row[0].value: row[1].value for row in workbook["Teams"].iter_rows(min_row=2)}
    for row in spent["rows"]:
        cost = None if row["cost"] is None else Decimal(row["cost"])
        name = row["team"] or "not set"
        shown = "price unknown" if cost is None else pytest.approx(float(cost), abs=1e-9)
        assert teams[name] == shown
        if cost is not None:
            assert f'<td class="n">${cost:,.2f}</td>' in document
    assert workbook["Summary"]["B2"].value == pytest.approx(float(total), abs=1e-9)


@pytest.mark.usefixtures("filled")
def test_a_report_may_be_one_format_only(run: Run, tmp_path: Path) -> None:
    made = run("report", "weekly", "--week", "2026-W33", "--format", "xlsx", "--out", str(tmp_path))
    assert [Path(line).name for line in made.splitlines()] == ["hf-ledger-2026-W33.xlsx"]
    both = run(
        "report", "weekly", "--week", "2026-W33", "--format", "html,xlsx", "--out", str(tmp_path)
    )
    assert len(both.splitlines()) == 2


def test_reports_go_to_the_ledgers_folder_by_default(filled: Places, run: Run) -> None:
    made = run("report", "weekly", "--week", "2026-W33", "--format", "html").strip()
    assert Path(made) == filled.reports / "hf-ledger-2026-W33.html"


def test_a_report_of_the_sample_says_so(places: Places, run: Run, tmp_path: Path) -> None:
    fill(places.sample, [priced("1", origin="sample")])
    made = run(
        "report",
        "weekly",
        "--week",
        "2026-W33",
        "--sample",
        "--format",
        "html",
        "--out",
        str(tmp_path),
    ).strip()
    assert Path(made).name == "hf-ledger-sample-data-2026-W33.html"
    assert "Sample data" in Path(made).read_text()


def test_last_week_is_the_default(places: Places, run: Run) -> None:
    monday = datetime.now(UTC).date()
    monday -= timedelta(days=monday.weekday() + 7)
    fill(places, [make_row(ts=at(f"{monday}T12:00:00"))])
    made = run("report", "weekly", "--zone", "UTC", "--format", "html").strip()
    year, week, _ = monday.isocalendar()
    assert made.endswith(f"hf-ledger-{year}-W{week:02d}.html")


# What the options say, without a ledger ---------------------------------------------------------

NOW = datetime(2026, 8, 17, 9, tzinfo=UTC)


def test_an_open_end_is_today() -> None:
    span = spanned(None, "2026-08-10", None, NOW, "UTC")
    assert (span.since, span.until) == (at("2026-08-10"), at("2026-08-18"))


def test_moments_are_exact_and_in_the_zone() -> None:
    span = spanned(None, "2026-08-10T14:00", "2026-08-10T15:30:00+00:00", NOW, "Europe/Berlin")
    assert (span.since, span.until) == (at("2026-08-10T12:00:00"), at("2026-08-10T15:30:00"))
    mixed = spanned(None, "2026-08-10T14:00", "2026-08-10", NOW, "UTC")
    assert mixed.until == at("2026-08-11")
    with pytest.raises(Usage, match=r"ends .* before it begins"):
        spanned(None, "2026-08-10T14:00", "2026-08-10T13:00", NOW, "UTC")


def test_days_and_times_that_are_none_are_refused() -> None:
    assert day("2026-08-10T14:00") is None
    with pytest.raises(Usage, match="'2026-02-30' is not a day of the calendar"):
        day("2026-02-30")
    with pytest.raises(Usage, match="'tomorrow at noon' is no time"):
        moment("tomorrow at noon", "UTC")


def test_no_origins_are_mixed_but_live_and_import() -> None:
    assert chosen_origins(None, sample=False) == ("live", "import")
    assert chosen_origins(None, sample=True) == ("sample",)
    assert chosen_origins(["import", "live", "import"], sample=False) == ("import", "live")
    assert chosen_origins(["practice"], sample=False) == ("practice",)


def test_filters_collect_values_and_keep_what_follows_the_first_equals() -> None:
    assert filters(["team=a", "app=x=y", "team=", "team=a,b"]) == {
        "team": ("a", "", "a,b"),
        "app": ("x=y",),
    }


def test_names_may_be_repeated_or_joined() -> None:
    assert listed(["team,model", " app "]) == ["team", "model", "app"]
    assert listed(None, ["model"]) == listed([], ["model"]) == ["model"]


@pytest.mark.parametrize("command", [*QUESTIONS, "report"])
def test_every_command_says_how_it_is_used(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command in COMMANDS
    main([command, "--help"])
    assert "Usage" in capsys.readouterr().out
