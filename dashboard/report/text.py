"""The report's words and formatted figures, alike in HTML and XLSX."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hf_ledger.analytics.report import Figures, Part, WeeklyReport
from hf_ledger.analytics.words import (
    ESTIMATE,
    FRESH_DAYS,
    NO_ENDPOINT_HOURS,
    NOT_INVOICED,
    counted,
    dollars,
    percent,
    refusals,
)

KINDS = {"downgrade": "smaller model", "cheaper_provider": "same model"}


def total(figures: Figures) -> str:
    """The total, which says so when calls without a price are missing from it."""
    if figures.cost is None or figures.coverage.complete:
        return dollars(figures.cost)
    return f"at least {dollars(figures.cost)}"


def growth(now: Decimal | None, before: Decimal | None) -> float | None:
    """Growth as a share; None where there is nothing to compare with."""
    return None if now is None or not before else float(now / before - 1)


def change(now: Decimal | None, before: Decimal | None) -> str:
    """Growth in percent with its sign, "new" from nothing, "–" where unknown."""
    if now is not None and before == 0 and now > 0:
        return "new"
    grown = growth(now, before)
    return "–" if grown is None else signed(grown)


def signed(share: float) -> str:
    return f"{'+' if share >= 0 else '−'}{abs(share) * 100:,.1f} %"


def name(part: Part, unset: str = "not set") -> str:
    """What a row is called; `unset` where the calls say nothing."""
    if part.others:
        return f"{part.others} others"
    return unset if part.name is None else part.name


def lead(report: WeeklyReport) -> str:
    """The week in a sentence or two."""
    if not report.totals.calls:
        return f"No calls were recorded in week {report.week}."
    parts = [f"Inference cost {total(report.totals)} for {counted(report.totals.calls, 'call')}"]
    parts.append(compared(report))
    return "".join(parts) + largest(report)


def compared(report: WeeklyReport) -> str:
    grown = growth(report.totals.cost, report.before.cost)
    if grown is None:
        return "."
    more = "more" if grown >= 0 else "less"
    return f", {abs(grown) * 100:,.1f} % {more} than in the week before ({total(report.before)})."


def largest(report: WeeklyReport) -> str:
    """The dearest team and model, where they are known and cost something."""
    found = []
    for what, parts in (("team", report.teams), ("model", report.models)):
        named = next((part for part in parts if part.name and part.cost), None)
        if named and report.totals.cost:
            share = float((named.cost or Decimal(0)) / report.totals.cost)
            found.append(f"the largest {what} is {named.name} with {percent(share)}")
    return f" Of this, {', '.join(found)}." if found else ""


def coverage_line(report: WeeklyReport) -> str:
    covered = report.totals.coverage
    if not covered.per_call:
        return "No calls that are billed per call."
    line = f"Priced: {percent(covered.calls_share)} of calls"
    if covered.tokens_share is not None:
        line += f", {percent(covered.tokens_share)} of tokens"
    if covered.complete:
        return f"{line}."
    verb, are = ("has", "is") if covered.unpriced == 1 else ("have", "are")
    return (
        f"{line}; {counted(covered.unpriced, 'call')} {verb} no known price and {are} not in this "
        "total."
    )


def endpoint_line(report: WeeklyReport) -> str:
    calls = report.totals.coverage.endpoint
    if not calls:
        return NO_ENDPOINT_HOURS
    return f"{NO_ENDPOINT_HOURS} {counted(calls, 'call')} went to dedicated endpoints."


def list_line(report: WeeklyReport) -> str:
    """Which price list was used and how old it was."""
    days = report.price_list_days
    if report.price_list_at is None or days is None:
        return "There is no price list in this ledger."
    made = report.price_list_at
    line = f"Prices are those of the list of {made.day} {made:%b %Y} ({counted(days, 'day')} old)"
    return f"{line}; they may have changed since." if days > FRESH_DAYS else f"{line}."


def peak_line(report: WeeklyReport) -> str:
    if not report.busiest:
        return "No calls in this week."
    hours = [f"{each.hour:02d}:00 ({percent(each.share, 1)})" for each in report.busiest]
    return f"Calls an hour, {report.zone}. Busiest hours of the day begin at {', '.join(hours)}."


def moment(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M} {zone}"


def terms(report: WeeklyReport) -> list[str]:
    """What a reader has to know before passing a figure on."""
    labelled = [f"{report.origin_label}: these are nobody's costs."] if report.origin_label else []
    refused = f"{refusals(report.totals.refused)} " if report.totals.refused else ""
    return [
        *labelled,
        f"{ESTIMATE}: list price × tokens or units of each call, at the price of its provider, "
        "model and day, rounded once a call at nine places.",
        f"{coverage_line(report)} Unknown prices are never counted as zero.",
        " ".join((list_line(report), *report.price_notes)),
        f"{endpoint_line(report)} {NOT_INVOICED}",
        "Failed calls cost nothing and count as calls. "
        f"{refused}Weeks run from Monday to Sunday in {report.zone}.",
    ]
