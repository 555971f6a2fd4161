"""The report as a workbook, read back: real numbers, native charts, text that stays text."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories_questions import Row, asked, at, free, on_endpoint, one, priced, unpriced
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from test_analytics_savings import call, world

from hf_ledger.analytics.periods import named
from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.report import weekly
from hf_ledger.dashboard.report import xlsx

MONDAY = datetime(2026, 8, 17, 9, tzinfo=UTC)
SHEETS = [
    "Summary",
    "Days",
    "Teams",
    "Models",
    "Sizes",
    "Peaks",
    "Hours",
    "Observations",
    "Price differences",
    "Coverage",
]
FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "https://example.com",
    "\t=1",
    "007",
)


def rendered(ask: Ask, **options: Any) -> bytes:
    return xlsx.render(weekly(ask, "2026-W33", **{"now": MONDAY, **options}))


def book(*rows: Row, **options: Any) -> Workbook:
    return load_workbook(io.BytesIO(rendered(asked(rows), **options)))


def rows_of(sheet: Worksheet, first: int = 2) -> list[tuple[Any, ...]]:
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows(min_row=first)]


def test_there_is_a_sheet_for_each_table() -> None:
    assert book(priced("1")).sheetnames == SHEETS
    assert book().sheetnames == SHEETS


def test_figures_are_numbers_with_formats() -> None:
    found = book(priced("1234.567891234", team="a"), priced("0.5", team="b"))
    teams = found["Teams"]
    assert teams["B2"].value == pytest.approx(1234.567891234, abs=1e-9)
    assert teams["B2"].number_format == "$#,##0.00"
    assert teams["C2"].number_format == "0.0%"
    assert teams["E2"].number_format == "#,##0"
    assert [teams[f"E{n}"].value for n in (2, 3)] == [1, 1]
    days = found["Days"]
    assert days["A4"].value == datetime(2026, 8, 12)  # noqa: DTZ001 - Excel knows no zones
    assert days["A4"].number_format == "ddd d mmm yyyy"


def test_the_sheet_sums_to_the_ledgers_total() -> None:
    rows = [priced(Decimal("3.337") * n, team=f"t{n}", model=f"m{n}") for n in range(1, 20)]
    ask = asked(rows)
    total = one(ask("totals", named("2026-W33", MONDAY).scope()))["cost"]
    found = load_workbook(io.BytesIO(rendered(ask)))
    for name in ("Teams", "Models", "Sizes", "Days"):
        costs = [row[1] for row in rows_of(found[name])]
        assert sum(costs) == pytest.approx(float(total), abs=1e-6)
    assert found["Summary"]["B2"].value == pytest.approx(float(total))


@pytest.mark.parametrize("typed", FORMULAS)
def test_no_user_text_becomes_a_formula_or_a_link(typed: str) -> None:
    row = priced("1", team=typed, model=typed, provider=typed)
    found = book(row, unpriced(team=typed, model=typed, provider=typed))
    for sheet in found:
        for cells in sheet.iter_rows():
            for cell in cells:
                assert cell.data_type != "f"
                assert cell.hyperlink is None
    assert found["Teams"]["A2"].value == typed
    assert found["Teams"]["A2"].data_type == "s"


def test_there_is_no_formula_in_the_file_at_all() -> None:
    made = rendered(world([call(), call(300, 3)]))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        names = [n for n in archive.namelist() if n.startswith("xl/worksheets/sheet")]
        assert len(names) == len(SHEETS)
        for name in names:
            assert b"<f>" not in archive.read(name)
        assert not any(
            "vba" in name.lower() or "external" in name.lower() for name in archive.namelist()
        )


def test_charts_are_native_and_where_their_tables_are() -> None:
    made = rendered(asked([priced("1", team="a"), priced("2", team="b")]))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        charts = [n for n in archive.namelist() if n.startswith("xl/charts/chart")]
        drawn = b" ".join(archive.read(name) for name in charts)
    assert len(charts) == 3
    for reference in (
        b"Days!$B$2:$B$8",
        b"Days!$C$2:$C$8",
        b"Teams!$A$2:$A$3",
        b"Models!$B$2",
    ):
        assert reference in drawn


def test_unknown_is_said_and_not_zero() -> None:
    found = book(unpriced(team="a", uncached_input_tokens=None))
    assert found["Teams"]["B2"].value == "price unknown"
    assert found["Summary"]["B2"].value == "price unknown"
    tokens = next(row for row in found["Summary"].values if row[0] == "Input tokens")
    assert tokens[1:] == ("–", "–"), "an unknown count is no unknown price"
    assert found["Teams"]["G2"].value == "–"
    assert found["Teams"]["F2"].value == 1


def test_an_empty_week_has_its_sheets_and_no_invented_numbers() -> None:
    found = book()
    assert rows_of(found["Teams"]) == []
    assert [row[1] for row in rows_of(found["Days"])] == [0.0] * 7
    assert found["Coverage"]["B7"].value == "–"


def test_hours_are_a_table_of_the_week() -> None:
    calls = [priced("1", ts=at(f"2026-08-1{day}T09:30:00")) for day in (0, 0, 2)]
    sheet = book(*calls)["Hours"]
    assert [cell.value for cell in sheet[1]] == [
        "Hour",
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Sat",
        "Sun",
    ]
    assert [cell.value for cell in sheet[11]] == ["09:00", 2, 0, 1, 0, 0, 0, 0]
    assert sum(v for row in rows_of(sheet) for v in row[1:]) == 3


def test_coverage_has_a_sheet_of_its_own() -> None:
    rows = [priced("1"), priced("1"), free(), unpriced(), on_endpoint()]
    found = {row[0]: row[1] for row in rows_of(book(*rows)["Coverage"])}
    assert found["Week"] == "2026-W33, 10 – 16 Aug 2026, UTC"
    assert (found["Calls billed per call"], found["Priced calls"]) == (4, 3)
    assert found["Share of calls priced"] == 0.75
    notes = [row[1] for row in rows_of(book(*rows)["Coverage"]) if row[0] == "Note"]
    assert any("1 call has no known price" in note for note in notes)
    assert any("Dedicated endpoint hours not included." in note for note in notes)
    assert any("before credits and tax" in note for note in notes)


def test_price_differences_are_headed_untested() -> None:
    found = load_workbook(io.BytesIO(rendered(world([call(), call(300, 3)]))))
    sheet = found["Price differences"]
    assert sheet["I1"].value == "Price difference, untested, USD"
    for row in rows_of(sheet):
        assert row[8] == pytest.approx(row[6] - row[7], abs=1e-9)
    assert found["Observations"]["C1"].value == "Difference, USD, untested"


def test_sample_figures_are_labelled_on_every_sheet() -> None:
    found = book(priced("1", origin="sample"), origins=("sample",))
    for sheet in found:
        assert sheet["A1"].value == "Sample data"
    assert found["Teams"]["A2"].value == "Team"
    assert found["Teams"]["B3"].value == 1.0
    assert all(sheet["A1"].value != "Sample data" for sheet in book(priced("1")))


def test_headers_stay_in_sight() -> None:
    assert all(sheet.freeze_panes == "A2" for sheet in book(priced("1")))
    labelled = book(priced("1", origin="sample"), origins=("sample",))
    assert all(sheet.freeze_panes == "A3" for sheet in labelled)


def test_the_same_report_is_the_same_file() -> None:
    ask = asked([priced("1"), unpriced()])
    assert rendered(ask) == rendered(ask)
