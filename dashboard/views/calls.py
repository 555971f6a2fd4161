"""Calls: every call behind a figure, paged in the ledger, and how each was priced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import percent
from hf_ledger.dashboard import calltable, cards, filters, loaders
from hf_ledger.dashboard.calldrawer import call_drawer, forget_call
from hf_ledger.dashboard.filters import View, nothing_here
from hf_ledger.dashboard.format import at_least, full
from hf_ledger.dashboard.headlines import error_rate

Row = dict[str, Any]


def chosen_order() -> tuple[str, bool]:
    """Column to order by, and whether the largest comes first; both in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox(
            "Order by",
            list(calltable.ORDERS),
            format_func=calltable.ORDERS.__getitem__,
            key="order",
            bind="query-params",
            width=200,
        )
        rising = st.toggle("Smallest first", key="rising", bind="query-params")
    return order, not rising


def pick(rows: list[Row]) -> Callable[[], None]:
    """Callback of the table: remember the call whose row was clicked."""

    def picked() -> None:
        chosen = st.session_state["rows"].selection.rows
        if chosen:
            st.session_state["drawer"] = rows[chosen[0]]["call_id"]

    return picked


def page_of(view: View, number: int, order: str, descending: bool) -> list[Row]:
    """The rows of one page; paging is done by the ledger."""
    return loaders.rows(
        view.book,
        "calls",
        view.scope,
        limit=calltable.PAGE,
        offset=(number - 1) * calltable.PAGE,
        order=order,
        descending=descending,
    )


view = filters.view()
wanted = st.query_params.get("call") or st.session_state.get("drawer")
if wanted:
    call_drawer(view.book, wanted)
else:
    forget_call()

now = loaders.one(view.book, "totals", view.scope)
if not now["calls"]:
    nothing_here(view)
    st.stop()

figures = st.grid(5, min_column_width=150, gap="small")
figures.cell(column_span=2).metric(
    "Estimated cost", at_least(now["cost"], now["unpriced_calls"]), border=True
)
with figures:
    st.metric("Calls", full(now["calls"]), border=True)
    st.metric("Price unknown", full(now["unpriced_calls"]), border=True)
    st.metric("Error rate", percent(error_rate(now), 2), border=True)
cards.honesty(now)

order, descending = chosen_order()
table = st.container()  # stands above the page numbers, which are asked first
with st.container(horizontal=True, horizontal_alignment="distribute"):
    number = st.pagination(calltable.pages(now["calls"]), key="page", bind="query-params")
    rows = page_of(view, number, order, descending)
    cards.csv_button(view, "calls", rows, label="CSV of this page")
table.dataframe(
    calltable.frame(rows, view.period.zone),
    column_config=calltable.columns(),
    hide_index=True,
    height="content",
    key="rows",
    on_select=pick(rows),
    selection_mode="single-row",
    alt="Calls of this period, one a row; select a row for all its columns",
    placeholder="–",
)
if now["calls"] > calltable.REACH:
    st.caption(
        f"Pages reach the first {full(calltable.REACH)} calls in this order; narrow the filters "
        "for the rest."
    )
