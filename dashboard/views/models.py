"""Models: which size classes do the work, and where a model is too big for it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from hf_ledger.analytics.words import dollars, percent
from hf_ledger.dashboard import cards, charts, filters, loaders
from hf_ledger.dashboard.filters import NOT_SET, View, nothing_here
from hf_ledger.dashboard.format import count, full, share, short_model
from hf_ledger.dashboard.words import How

Row = dict[str, Any]

HOW_SIZES = How(
    "Calls, tokens and cost of each size class.",
    "Class by total parameters and family: an embedding model of 7 B is large, a chat model of "
    "7 B is not.",
    "Published parameters of the model; the class stands with every call, with its version.",
)
HOW_OVERKILL = How(
    "Calls whose model is two or more classes bigger than the smallest that suits the work.",
    "Suitable class by task and input tokens: low < 256, medium < 2,048, else high.",
    "The rule of price book flat. It looks at length and task, not at how hard the text is.",
)


def size_card(view: View, rows: list[Row], measure: str) -> None:
    what = "Cost" if measure == "cost" else "Calls"
    with cards.card(f"{what} by size class", how_so=HOW_SIZES):
        whole = sum(float(row[measure] or 0) for row in rows)
        drawn = charts.columns(
            [row["size_class"] or "unknown" for row in rows],
            [row[measure] for row in rows],
            [percent(share(row[measure], whole)) for row in rows],
        )
        cards.chart(drawn, f"{what} by size class", "sizes")
        with st.container(horizontal=True, vertical_alignment="center"):
            cards.open_calls(view, "size_class", [row["size_class"] for row in rows])
            cards.csv_button(view, "sizes", rows)


def size_table(rows: list[Row]) -> list[dict[str, str]]:
    return [
        {
            "Class": row["size_class"] or "unknown",
            "Calls": full(row["calls"]),
            "Input": count(row["input_tokens"]),
            "Output": count(row["output_tokens"]),
            "Cost": dollars(row["cost"]).replace("$", "\\$"),
        }
        for row in rows
    ]


def overkill_frame(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "Model": short_model(row["model"]),
            "Task": row["task"],
            "Is": row["size_class"],
            "Would do": row["suitable_class"],
            "Calls": row["calls"],
            "Mean in": whole(row["mean_input_tokens"]),
            "Mean out": whole(row["mean_output_tokens"]),
            "Cost": dollars(row["cost"]),
        }
        for row in rows
    ]


def whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def model_frame(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "Model": row["model"] or NOT_SET,
            "Class": row["size_class"] or "unknown",
            "Calls": row["calls"],
            "Input": row["input_tokens"],
            "Output": row["output_tokens"],
            "Cost": dollars(row["cost"]),
            "Price unknown": row["unpriced_calls"],
        }
        for row in rows
    ]


view = filters.view()
now = loaders.one(view.book, "totals", view.scope)
if not now["calls"]:
    nothing_here(view)
    st.stop()

sizes = loaders.rows(view.book, "sizes", view.scope)
measure = "calls" if now["cost"] is None else "cost"
left, right = st.columns([3, 2])
with left:
    size_card(view, sizes, measure)
with right, cards.card("Size classes"):
    st.table(size_table(sizes), border="horizontal")
cards.honesty(now)

overkill = loaders.rows(view.book, "overkill", view.scope)
with cards.card(
    "Bigger than the work seems to need",
    caption="Observations, not advice: two or more classes above the smallest that suits by rule.",
    how_so=HOW_OVERKILL,
):
    if overkill:
        cards.data_table(overkill_frame(overkill), "Models bigger than their work")
        with st.container(horizontal=True, vertical_alignment="center"):
            cards.open_calls(view, "model", [row["model"] for row in overkill])
            cards.csv_button(view, "overkill", overkill)
    else:
        st.caption("No call of this period is two classes above what its task and length call for.")

by_model = loaders.rows(view.book, "spend", view.scope, by=("model", "size_class"))
with cards.card("All models"):
    cards.data_table(model_frame(by_model), "Calls, tokens and cost by model")
    with st.container(horizontal=True, vertical_alignment="center"):
        cards.open_calls(view, "model", [row["model"] for row in by_model])
        cards.csv_button(view, "models", by_model)
