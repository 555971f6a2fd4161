"""Reports: one week as HTML or XLSX, built when asked for, the same to the cent as the pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import streamlit as st

from hf_ledger.analytics.periods import local_date
from hf_ledger.analytics.report import WeeklyReport, weekly
from hf_ledger.analytics.words import dollars, percent
from hf_ledger.dashboard import cards, loaders
from hf_ledger.dashboard.books import Book, shelf
from hf_ledger.dashboard.filters import seed
from hf_ledger.dashboard.format import at_least, change, full, plain
from hf_ledger.dashboard.report.files import as_html, as_xlsx, file_name
from hf_ledger.dashboard.sidebar import opened

WEEKS = 26
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def weeks(book: Book) -> list[str]:
    """Weeks that hold calls, latest whole week first; the last 26 at most."""
    today = local_date(shelf().clock(), shelf().zone)
    monday = today - timedelta(days=today.weekday())
    _, first, _ = loaders.extent(book)
    begin = local_date(first, shelf().zone) if first else monday
    found = [monday - timedelta(weeks=back) for back in range(1, WEEKS + 1)]
    return [named(day) for day in found if day + timedelta(days=7) > begin] or [named(found[0])]


def named(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def report_of(book: Book, week: str) -> WeeklyReport:
    """The report as a value; the loaders keep its answers."""
    ask = partial(loaders.table, book)
    return weekly(ask, week, zone=shelf().zone, now=shelf().clock(), origins=book.origins)


def download(
    label: str, report: WeeklyReport, suffix: str, mime: str, build: Callable[[WeeklyReport], bytes]
) -> None:
    """A file that is built on the click."""
    st.download_button(
        label,
        data=lambda: build(report),
        file_name=file_name(report, suffix),
        mime=mime,
        icon=":material/download:",
        on_click="ignore",
        key=f"report-{suffix}",
    )


book = opened()
st.title("Reports", anchor=False)
st.caption("One week against the week before: spend, teams, models, peaks, sizes, observations.")
if book.banner:
    st.info(book.banner, icon=":material/science:")
choices = weeks(book)
seed("week", {week: week for week in choices})
week = st.selectbox("Week", choices, key="week", bind="query-params", width=220)
report = report_of(book, week or choices[0])

with st.container(border=True):
    st.subheader(f"{report.week}: {report.label}", anchor=False)
    st.caption(f"Days in {report.zone}, compared with {report.previous_label}")
    totals, before = report.totals, report.before
    grid = st.grid(5, min_column_width=120, gap="small")
    grid.cell(column_span=2).metric(
        "Estimated cost",
        at_least(totals.cost, totals.coverage.unpriced),
        change(totals.cost, before.cost),
        delta_color="off",
    )
    with grid:
        st.metric(
            "Calls", full(totals.calls), change(totals.calls, before.calls), delta_color="off"
        )
        st.metric("Priced calls", percent(totals.coverage.calls_share))
        st.metric("Observations", full(len(report.observations)))
    with st.container(horizontal=True, vertical_alignment="center"):
        download("HTML", report, "html", "text/html", as_html)
        download("XLSX", report, "xlsx", XLSX, as_xlsx)
        st.page_link(
            "views/overview.py",
            label="The same week on the Overview",
            icon=":material/dashboard:",
            query_params={
                "book": book.label,
                "period": "Custom",
                "days": [report.first.isoformat(), report.last.isoformat()],
            },
        )

for found in report.observations[:5]:
    st.markdown(f"- {plain(found.sentence)}")
teams = [
    {"Team": part.name or "(not set)", "Calls": part.calls, "Cost": dollars(part.cost)}
    for part in report.teams
]
with cards.card("Teams of this week"):
    cards.data_table(teams, "Calls and cost by team")
st.caption("On a schedule: `hf-ledger report weekly --week last-week --format html,xlsx --out DIR`")
