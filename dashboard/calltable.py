"""The table of calls: its columns, its order, and its rows as text and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from hf_ledger.analytics.words import dollars
from hf_ledger.dashboard.format import short_model

#: Rows of one page, and how deep pages go: the question `calls` counts no further.
PAGE = 25
REACH = 100_000

#: Columns one may order by → what the page calls them.
ORDERS = {
    "ts": "Time",
    "cost": "Cost",
    "input_tokens": "Input tokens",
    "output_tokens": "Output tokens",
    "latency_ms": "Latency",
    "ttft_ms": "First token",
}

Row = dict[str, Any]


def pages(calls: int) -> int:
    """How many pages a number of calls makes."""
    return max(1, -(-min(calls, REACH) // PAGE))


def frame(rows: Sequence[Row], zone: str) -> pd.DataFrame:
    """One line a call, times in the reporting zone, money as text so that unknown is never 0."""
    local = ZoneInfo(zone)
    return pd.DataFrame(
        {
            "Time": [row["ts"].astimezone(local).strftime("%-d %b %H:%M:%S") for row in rows],
            "Team": [row["team"] or "" for row in rows],
            "Model": [short_model(row["model"] or row["requested_model"]) for row in rows],
            "Provider": [row["provider"] or "" for row in rows],
            "Task": [row["task"] or "unknown" for row in rows],
            "In": [row["input_tokens"] for row in rows],
            "Out": [row["output_tokens"] for row in rows],
            "Cost": [cost(row) for row in rows],
            "Latency": [seconds(row["latency_ms"]) for row in rows],
            "Outcome": [outcome(row) for row in rows],
        }
    )


def cost(row: Row) -> str:
    """Money, or why there is none."""
    if row["cost"] is None and row["cost_basis"] == "endpoint_hours":
        share = row.get("allocated_cost")
        return "by the hour" if share is None else f"{dollars(share)} allocated"
    return dollars(row["cost"])


def outcome(row: Row) -> str:
    if row["outcome"] == "ok":
        return "ok"
    said = "refused by gateway" if row["outcome"] == "refused" else row["outcome"]
    return " ".join(str(each) for each in (said, row["status"], row["error_kind"]) if each)


def seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 2)


def columns() -> dict[str, Any]:
    """Widths in pixels: automatic ones clip the columns that matter."""
    number = st.column_config.NumberColumn
    text = st.column_config.TextColumn
    return {
        "Time": text(width=120),
        "Team": text(width=85),
        "Model": text(width=180),
        "Provider": text(width=95),
        "Task": text(width=120),
        "In": number(width=62, format="localized", help="Input tokens, cached ones included"),
        "Out": number(width=62, format="localized", help="Output tokens"),
        "Cost": text(width=100, alignment="right", help="Estimated, USD, before credits and tax"),
        "Latency": number(width=72, format="%.2f s"),
        "Outcome": text(width=80),
    }
