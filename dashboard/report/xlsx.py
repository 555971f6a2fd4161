"""The weekly report as a workbook: real numbers, native charts, and no text that could calculate.

Costs are unrounded figures with a number format, so a sum in the sheet equals the ledger's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from hf_ledger.analytics.report import Part, WeeklyReport
from hf_ledger.analytics.words import ESTIMATE, PRICE_UNKNOWN, UNTESTED
from hf_ledger.dashboard.report import svg, text

#: Whatever a user typed stays text: "=1+1" is a team's name, not a formula.
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}

FORMATS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 16},
    "label": {"bold": True, "bg_color": "#FFF7E0", "font_color": "#7A5B00"},
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "bottom"},
    "text": {"text_wrap": True, "valign": "top"},
    "money": {"num_format": "$#,##0.00", "valign": "top"},
    "count": {"num_format": "#,##0", "valign": "top"},
    "share": {"num_format": "0.0%", "valign": "top"},
    "day": {"num_format": "ddd d mmm yyyy", "align": "left"},
    "ms": {"num_format": "#,##0", "valign": "top"},
}

ACCENT, GREY = "#4338CA", "#9AA3AF"


@dataclass(frozen=True)
class Column:
    """A heading, the format of its cells, its width in characters."""

    head: str
    format: str
    width: int = 14


@dataclass(frozen=True)
class Sheet:
    """A table: one sheet, one header row, one row each."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]


COST, CALLS = Column("Cost, USD", "money"), Column("Calls", "count", 11)

PART_COLUMNS = (
    COST,
    Column("Share of cost", "share", 11),
    Column("Week before, USD", "money"),
    CALLS,
    Column("Calls without price", "count"),
    Column("Input tokens", "count"),
    Column("Output tokens", "count"),
)


def render(report: WeeklyReport) -> bytes:
    """The whole workbook."""
    kept = io.BytesIO()
    book = xlsxwriter.Workbook(kept, OPTIONS)
    book.set_properties({"title": f"Inference cost {report.week}", "author": "hf-ledger"})
    # The date it was made is the report's, so that the same report gives the same file.
    book.set_properties({"created": report.made_at.replace(tzinfo=None)})
    formats = {name: book.add_format(given) for name, given in FORMATS.items()}
    sheets = [write(book, formats, sheet, report.origin_label) for sheet in tables(report)]
    draw(book, sheets, report)
    book.close()
    return kept.getvalue()


def tables(report: WeeklyReport) -> list[Sheet]:
    """Every table of the report, in the order of its sheets."""
    return [
        summary(report),
        days(report),
        parts("Teams", "Team", report.teams, report),
        parts("Models", "Model", report.models, report),
        parts("Sizes", "Size class", report.sizes, report),
        peaks(report),
        hours(report),
        observations(report),
        moves(report),
        coverage(report),
    ]


def summary(report: WeeklyReport) -> Sheet:
    now, before = report.totals, report.before
    columns = [
        Column("Figure", "text", 34),
        Column("This week", "money"),
        Column("Before", "money"),
    ]
    return Sheet(
        "Summary",
        columns,
        [
            (ESTIMATE, now.cost, before.cost),
            ("List price, USD", now.list_cost, before.list_cost),
            ("Calls", now.calls, before.calls),
            ("Failed calls", now.errors, before.errors),
            ("Calls refused by your gateway", now.refused, before.refused),
            ("Calls with a price", now.priced_calls, before.priced_calls),
            ("Calls that are free", now.free_calls, before.free_calls),
            ("Calls without a price", now.coverage.unpriced, before.coverage.unpriced),
            ("Calls to dedicated endpoints", now.coverage.endpoint, before.coverage.endpoint),
            ("Input tokens", stated(now.input_tokens), stated(before.input_tokens)),
            ("Output tokens", stated(now.output_tokens), stated(before.output_tokens)),
            ("Latency p50, ms", stated(now.p50_ms), stated(before.p50_ms)),
            ("Latency p95, ms", stated(now.p95_ms), stated(before.p95_ms)),
        ],
    )


def stated(figure: float | None) -> float | str:
    """A figure that is no money, in a column of money: unknown is a dash and no unknown price."""
    return "–" if figure is None else figure


def days(report: WeeklyReport) -> Sheet:
    columns = [Column("Day", "day", 18), COST, Column("Week before, USD", "money"), CALLS]
    rows = [(day.day, day.cost, day.before, day.calls) for day in report.days]
    return Sheet("Days", columns, rows)


def parts(name: str, head: str, found: Sequence[Part], report: WeeklyReport) -> Sheet:
    whole = report.totals.cost
    rows = [
        (
            text.name(part),
            part.cost,
            float(part.cost / whole) if part.cost is not None and whole else None,
            part.before,
            part.calls,
            part.unpriced_calls,
            part.input_tokens,
            part.output_tokens,
        )
        for part in found
    ]
    return Sheet(name, [Column(head, "text", 40), *PART_COLUMNS], rows)


def peaks(report: WeeklyReport) -> Sheet:
    columns = [Column("Hour of the day", "text", 16), CALLS, Column("Share", "share"), COST]
    rows = [(f"{each.hour:02d}:00", each.calls, each.share, each.cost) for each in report.busiest]
    return Sheet("Peaks", columns, rows)


def hours(report: WeeklyReport) -> Sheet:
    """Weekday × hour: a row for each hour, a column for each weekday."""
    calls = {(cell.weekday, cell.hour): cell.calls for cell in report.heat}
    columns = [Column("Hour", "text", 8), *(Column(day, "count", 9) for day in svg.WEEKDAYS)]
    rows = [
        (f"{hour:02d}:00", *(calls.get((weekday, hour), 0) for weekday in range(1, 8)))
        for hour in range(24)
    ]
    return Sheet("Hours", columns, rows)


def observations(report: WeeklyReport) -> Sheet:
    columns = [
        Column("Kind", "text", 18),
        Column("Observation", "text", 100),
        Column("Difference, USD, untested", "money", 18),
        CALLS,
    ]
    rows = [(each.kind, each.sentence, each.amount, each.calls) for each in report.observations]
    return Sheet("Observations", columns, rows)


def moves(report: WeeklyReport) -> Sheet:
    text_columns = ("Kind", "From model", "From provider", "To model", "To provider")
    columns = [
        *(Column(head, "text", 34 if "model" in head else 16) for head in text_columns),
        CALLS,
        COST,
        Column("There, USD", "money"),
        Column(f"{UNTESTED}, USD", "money", 20),
    ]
    rows = [
        (
            text.KINDS[move.kind],
            move.from_model,
            move.from_provider,
            move.to_model,
            move.to_provider,
            move.calls,
            move.cost,
            move.cost_after,
            move.difference,
        )
        for move in report.moves
    ]
    return Sheet("Price differences", columns, rows)


def coverage(report: WeeklyReport) -> Sheet:
    """What the figures cover and what they are, in words and shares."""
    covered = report.totals.coverage
    rows: list[tuple[str, Any]] = [
        ("Week", f"{report.week}, {report.label}, {report.zone}"),
        ("Compared with", report.previous_label),
        ("Made", text.moment(report.made_at, report.zone)),
        ("Calls billed per call", covered.per_call),
        ("Priced calls", covered.priced),
        ("Share of calls priced", covered.calls_share),
        ("Share of tokens priced", covered.tokens_share),
        ("Price list of", report.price_list_at.date() if report.price_list_at else None),
        ("Price list, days old", report.price_list_days),
    ]
    rows += [("Note", line) for line in text.terms(report)]
    return Sheet("Coverage", [Column("What", "text", 26), Column("Value", "text", 100)], rows)


def write(
    book: xlsxwriter.Workbook, formats: dict[str, Any], sheet: Sheet, label: str | None
) -> Any:
    """One sheet: the origin's label where there is one, header, rows; the header stays in sight."""
    page = book.add_worksheet(sheet.name)
    top = 0
    if label:
        page.write_string(0, 0, label, formats["label"])
        top = 1
    for place, column in enumerate(sheet.columns):
        page.set_column(place, place, column.width)
        page.write_string(top, place, column.head, formats["head"])
    for number, row in enumerate(sheet.rows, start=top + 1):
        for place, (column, value) in enumerate(zip(sheet.columns, row, strict=True)):
            put(page, (number, place), value, column.format, formats)
    page.freeze_panes(top + 1, 0)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    return page


def put(page: Any, place: tuple[int, int], value: Any, kind: str, formats: dict[str, Any]) -> None:
    """One cell, by the kind of its value: text is written as text whatever it begins with."""
    if value is None:
        page.write_string(*place, PRICE_UNKNOWN if kind == "money" else "–", formats["text"])
    elif isinstance(value, str):
        page.write_string(*place, value, formats["text"])
    elif isinstance(value, date | datetime):
        page.write_datetime(*place, value, formats["day"])
    else:
        page.write_number(*place, float(value), formats[number_format(value, kind)])


def number_format(value: Decimal | float | int, kind: str) -> str:
    """The column's format, or one that suits the number in a column of mixed figures."""
    if isinstance(value, int):
        return "count"
    if isinstance(value, Decimal):
        return "money"
    return "share" if kind in {"share", "text"} else "ms"


def draw(book: xlsxwriter.Workbook, sheets: Sequence[Any], report: WeeklyReport) -> None:
    """Native charts beside their tables."""
    first = 2 if report.origin_label else 1
    by_name = {page.get_name(): page for page in sheets}
    by_name["Days"].insert_chart("F2", day_chart(book, first, len(report.days)))
    for name, found in (("Teams", report.teams), ("Models", report.models)):
        if found:
            by_name[name].insert_chart("J2", part_chart(book, name, first, len(found)))
    last = first + 23
    scale = {"type": "2_color_scale", "min_color": "#F2F2FB", "max_color": ACCENT}
    by_name["Hours"].conditional_format(first, 1, last, 7, scale)


def day_chart(book: Any, first: int, count: int) -> Any:
    chart = book.add_chart({"type": "column"})
    for place, (name, colour) in enumerate((("This week", ACCENT), ("Week before", GREY)), start=1):
        chart.add_series(
            {
                "name": name,
                "categories": ["Days", first, 0, first + count - 1, 0],
                "values": ["Days", first, place, first + count - 1, place],
                "fill": {"color": colour},
            }
        )
    chart.set_title({"name": "Cost per day, USD", "name_font": {"size": 12}})
    chart.set_x_axis({"num_format": "ddd", "text_axis": True})
    chart.set_y_axis({"num_format": "$#,##0", "major_gridlines": {"visible": True}})
    chart.set_legend({"position": "bottom"})
    return chart


def part_chart(book: Any, name: str, first: int, count: int) -> Any:
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": "Cost, USD",
            "categories": [name, first, 0, first + count - 1, 0],
            "values": [name, first, 1, first + count - 1, 1],
            "fill": {"color": ACCENT},
        }
    )
    chart.set_title({"name": f"Cost by {name.lower()[:-1]}, USD", "name_font": {"size": 12}})
    chart.set_y_axis({"reverse": True})
    chart.set_legend({"none": True})
    return chart
