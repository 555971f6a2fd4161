"""Savings: what the same tokens would cost elsewhere. Price differences, untested."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import UNTESTED, dollars
from hf_ledger.dashboard import cards, filters, loaders, words
from hf_ledger.dashboard.daily import added
from hf_ledger.dashboard.filters import View, nothing_here
from hf_ledger.dashboard.format import full, plain
from hf_ledger.dashboard.words import How

Row = dict[str, Any]

KINDS = {
    "downgrade": (
        "Smaller model",
        "Another model of a smaller class that suits by task and length.",
    ),
    "cheaper_provider": (
        "Cheaper provider",
        "The same model at a provider that lists it for less.",
    ),
}
LATER = ("Suggested by tests", "Proven by tests, 95 %", "Achieved, estimated")

HOW = How(
    "Cost of the calls at list price − cost of the same tokens at the other route's list price.",
    "Each call is in one row of a kind at most; the two kinds look at the same calls and are "
    "never added up.",
    "Price list of the day of each call. No quality was tested, and another model writes answers "
    "of another length: this is a ceiling, not a promise.",
)


def four_figures(view: View, rows: list[Row]) -> None:
    """Four figures side by side, never mixed; three of them wait for tests."""
    with st.grid(4, min_column_width=200, gap="small"):
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(UNTESTED, largest(rows))
            st.caption(said(view, rows))
            cards.how(HOW)
        for label in LATER:
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.metric(label, words.NOT_TESTED.capitalize())
                st.caption("Needs replays of your own calls; this version has none.")


def of_kind(rows: list[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def largest(rows: list[Row]) -> str:
    """The larger of the two kinds: they look at the same calls, so a sum would count twice."""
    sums = [added([row["difference"] for row in of_kind(rows, kind)]) for kind in KINDS]
    known = [each for each in sums if each is not None]
    return f"up to {dollars(max(known))}" if known else "none found"  # type: ignore[arg-type]


def said(view: View, rows: list[Row]) -> str:
    parts = []
    for kind, (label, _) in KINDS.items():
        moves = of_kind(rows, kind)
        calls = sum(row["calls"] for row in moves)
        if moves:
            amount = dollars(added([row["difference"] for row in moves]))  # type: ignore[arg-type]
            parts.append(f"{label}: {amount} over {full(calls)} calls.")
    return " ".join([view.period.label + ".", *parts]).replace("$", "\\$")


def frame(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "Move": words.move(row),
            "Would do": row["suitable_class"] or "",
            "Difference": dollars(row["difference"]),
            "Now": dollars(row["cost"]),
            "There": dollars(row["cost_after"]),
            "Calls": row["calls"],
            "Label": row["label"],
        }
        for row in rows
    ]


def moves_card(view: View, rows: list[Row], kind: str) -> None:
    label, meaning = KINDS[kind]
    with cards.card(f"{label}: {UNTESTED.lower()}", caption=meaning):
        if not rows:
            st.caption("None is cheaper by list price for the calls of this period.")
            return
        cards.data_table(frame(rows), f"Moves to a {label.lower()}, untested")
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.popover("Open calls", type="tertiary", icon=":material/list_alt:"):
                for row in rows[:12]:
                    cards.calls_link(view, words.move(row), json.loads(row["link_where"]))
            cards.csv_button(
                view, kind, [{k: v for k, v in r.items() if k != "link_where"} for r in rows]
            )


view = filters.view()
now = loaders.one(view.book, "totals", view.scope)
if not now["calls"]:
    nothing_here(view)
    st.stop()

rows = loaders.rows(view.book, "savings", view.scope)
four_figures(view, rows)
cards.honesty(now)
for kind in KINDS:
    moves_card(view, of_kind(rows, kind), kind)

with cards.card("Observations", caption="What the figures show, in words. None is proven."):
    for found in loaders.rows(view.book, "recommendations", view.scope):
        text, link = st.columns([9, 1])
        text.markdown(f"{found['rank']}. {plain(found['sentence'])}")
        with link:
            cards.calls_link(view, "Calls", json.loads(found["link_where"]))
