"""Peaks: the busiest hours, and hour by weekday."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import dollars, percent
from hf_ledger.dashboard import cards, charts, daily, filters, loaders
from hf_ledger.dashboard.filters import View, nothing_here
from hf_ledger.dashboard.format import full
from hf_ledger.dashboard.words import How

Row = dict[str, Any]

NO_CALLS = {"calls": 0, "cost": Decimal(0), "share": 0.0}

#: Measure → (label, unit in the chart's hover text).
MEASURES = {
    "calls": ("Calls", "calls an hour"),
    "cost": ("Estimated cost", "USD an hour"),
    "tokens": ("Tokens", "tokens an hour"),
}


def busiest_cards(view: View, top: list[Row]) -> None:
    """The three hours of the day with most calls."""
    with st.grid(3, min_column_width=200, gap="small"):
        for place, row in enumerate(top, start=1):
            st.metric(
                f"{ordinal(place)} hour",
                f"{row['hour']:02d}:00 – {(row['hour'] + 1) % 24:02d}:00",
                f"{percent(row['share'])} of calls",
                delta_color="off",
                delta_arrow="off",
                delta_description=f"{full(row['calls'])} calls, {dollars(row['cost'])}",
                border=True,
                height="stretch",
            )


def ordinal(place: int) -> str:
    return {1: "Busiest", 2: "Second busiest", 3: "Third busiest"}.get(place, f"{place}th")


def how_busiest(view: View) -> How:
    return How(
        "Calls by hour of the day, added up over all days of the period.",
        f"Share = calls that began in this hour ÷ all calls; hours in {view.period.zone}.",
        "Start time of each call.",
    )


def how_heat(view: View) -> How:
    return How(
        "Sum over the period ÷ how often it holds that hour of that weekday.",
        f"{view.period.label}: {full((view.period.last - view.period.first).days + 1)} days; "
        "days of 23 and 25 hours count as they are.",
        f"Start time of each call, in {view.period.zone}.",
    )


def heat_rows(cells: list[list[float | None]]) -> list[Row]:
    return [
        {"Day": charts.WEEKDAYS[day], **{f"{hour:02d}": cell for hour, cell in enumerate(row)}}
        for day, row in enumerate(cells)
    ]


view = filters.view()
now = loaders.one(view.book, "totals", view.scope)
if not now["calls"]:
    nothing_here(view)
    st.stop()

busiest_cards(view, loaders.rows(view.book, "busiest", view.scope, n=3))
hours = loaders.rows(view.book, "busiest", view.scope, n=24)
with cards.card("Calls by hour of the day", how_so=how_busiest(view)):
    met = {row["hour"]: row for row in hours}
    in_order = [met.get(hour, {"hour": hour, **NO_CALLS}) for hour in range(24)]
    drawn = charts.columns(
        [f"{row['hour']:02d}" for row in in_order],
        [row["calls"] for row in in_order],
        [percent(row["share"]) if row["calls"] else "" for row in in_order],
    )
    cards.chart(drawn, "Calls by hour of the day", "hours")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(cards.CALLS_PAGE, label="Open calls", query_params=view.link)
        cards.csv_button(view, "hours", in_order)

with cards.card("Hour by weekday", how_so=how_heat(view)):
    known = [name for name in MEASURES if name != "cost" or now["cost"] is not None]
    measure = st.segmented_control(
        "Measure",
        known,
        default="calls",
        required=True,
        format_func=lambda name: MEASURES[name][0],
        key="measure",
        bind="query-params",
        label_visibility="collapsed",
    )
    rows = loaders.rows(view.book, "heat", view.scope)
    cells = daily.heat_cells(rows, measure or "calls")
    label, unit = MEASURES[measure or "calls"]
    cards.chart(charts.heat(cells, unit), f"{label} by weekday and hour", "heat")
    with st.expander("As a table"):
        st.dataframe(heat_rows(cells), hide_index=True, alt=f"{label} by weekday and hour")
    cards.csv_button(view, "heat", rows)
