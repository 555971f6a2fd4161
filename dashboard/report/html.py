"""The weekly report as one HTML file: no script, no request, light, dark and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from hf_ledger.analytics.kernel.measures import error_share
from hf_ledger.analytics.report import Day, Part, WeeklyReport
from hf_ledger.analytics.words import ESTIMATE, UNTESTED, dollars, percent
from hf_ledger.dashboard.report import svg, text

TEMPLATE = "weekly.html.j2"

Cells = dict[str, Any]


def render(report: WeeklyReport) -> str:
    """The whole document; text from users is escaped, wherever it came from."""
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return made.from_string(source()).render(
        report=report,
        estimate=ESTIMATE,
        untested=UNTESTED,
        lead=text.lead(report),
        headlines=headlines(report),
        coverage_line=text.coverage_line(report),
        endpoint_line=text.endpoint_line(report),
        day_chart=Markup(day_chart(report)),
        tables=tables(report),
        total=total_row(report),
        peak_line=text.peak_line(report),
        heat_chart=Markup(heat_chart(report)),
        moves=moves(report),
        terms=text.terms(report),
        made_at=text.moment(report.made_at, report.zone),
    )


def source() -> str:
    return resources.files("hf_ledger.dashboard.report").joinpath(TEMPLATE).read_text("utf-8")


def headlines(report: WeeklyReport) -> list[Cells]:
    """The four figures at the top."""
    now, before = report.totals, report.before
    each = now.cost * 1000 / now.priced_calls if now.cost is not None and now.priced_calls else None
    failed = error_share(now.errors, now.calls, now.refused)
    return [
        figure(cost_label(report), dollars(now.cost), against(now.cost, before.cost)),
        figure("Calls", f"{now.calls:,}", against(Decimal(now.calls), Decimal(before.calls))),
        figure("Per 1,000 priced calls", dollars(each) if each is not None else "–", "on average"),
        figure(
            "Failed calls", "–" if failed is None else percent(failed, 2), f"{now.errors:,} calls"
        ),
    ]


def cost_label(report: WeeklyReport) -> str:
    """Says that a total is a lower bound where calls without a price are missing from it."""
    covered = report.totals.coverage.complete or report.totals.cost is None
    return "Cost" if covered else "Cost, at least"


def against(now: Decimal | None, before: Decimal | None) -> str:
    return f"{text.change(now, before)} on the week before"


def figure(label: str, value: str, note: str) -> Cells:
    return {"label": label, "value": value, "note": note}


def day_chart(report: WeeklyReport) -> str:
    return svg.columns([bar(day) for day in report.days], "Cost per day and a week before")


def bar(day: Day) -> svg.Bar:
    return svg.Bar(
        f"{day.day:%a} {day.day.day}", drawn(day.cost), drawn(day.before), dollars(day.cost)
    )


def drawn(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)


def tables(report: WeeklyReport) -> list[Cells]:
    whole = report.totals.cost
    return [
        table("Teams", "Team", report.teams, whole, "no team set"),
        table("Models", "Model", report.models, whole, "unknown model"),
        table("Model sizes", "Size class", report.sizes, whole, "unknown size"),
    ]


def table(title: str, head: str, parts: Sequence[Part], whole: Decimal | None, unset: str) -> Cells:
    return {"title": title, "head": head, "rows": [row(part, whole, unset) for part in parts]}


def row(part: Part, whole: Decimal | None, unset: str) -> Cells:
    share = float(part.cost / whole) if part.cost is not None and whole else None
    return {
        "name": text.name(part, unset),
        "meter": Markup(svg.meter(share)),
        "cost": cents(part.cents),
        "share": percent(share, 1) if share is not None else "–",
        "before": dollars(part.before) if part.before is not None else "unknown",
        "change": text.change(part.cost, part.before),
        "calls": f"{part.calls:,}",
        "unpriced": f"{part.unpriced_calls:,}",
    }


def total_row(report: WeeklyReport) -> Cells:
    now, before = report.totals, report.before
    return {
        "cost": dollars(now.cost) if now.cost is None else cents(now.cost),
        "before": dollars(before.cost),
        "change": text.change(now.cost, before.cost),
        "calls": f"{now.calls:,}",
        "unpriced": f"{now.coverage.unpriced:,}",
    }


def cents(amount: Decimal | None) -> str:
    """Always two places, so that a column adds up as it is read."""
    return "unknown" if amount is None else f"${amount:,.2f}"


def heat_chart(report: WeeklyReport) -> str:
    return svg.heat(
        [(cell.weekday, cell.hour, *an_hour(cell.calls, cell.hours)) for cell in report.heat],
        "Calls by weekday and hour",
    )


def an_hour(calls: int, hours: float) -> tuple[float | None, str]:
    """Calls an hour and how to say it; unknown for an hour that the clock skipped."""
    if not hours:
        return None, "no such hour in this week"
    return calls / hours, f"{calls / hours:,.0f} calls"


def moves(report: WeeklyReport) -> list[Cells]:
    return [
        {
            "from_model": move.from_model,
            "from_provider": move.from_provider,
            "to_model": move.to_model,
            "to_provider": move.to_provider,
            "kind": text.KINDS[move.kind],
            "calls": f"{move.calls:,}",
            "cost": dollars(move.cost),
            "after": dollars(move.cost_after),
            "difference": dollars(move.difference),
        }
        for move in report.moves
    ]
