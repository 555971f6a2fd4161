"""Pages for tests: a week of calls in memory, a shelf over it, and Streamlit's own page runner."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import streamlit as st
from factories_calls import insert_rows, make_row
from streamlit.testing.v1 import AppTest

from hf_ledger.analytics.questions import Ask, answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.dashboard.books import Book, BookName, Shelf, book_origins, shelve
from hf_ledger.ingest.ledger.ledger import Ledger

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "dashboard" / "app.py"

#: A Monday noon; "last week" is 9 to 15 November 2026.
NOW = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
LAST_WEEK = datetime(2026, 11, 9, 10, 0, tzinfo=UTC)

_versions = itertools.count(1)


def asking(ledger: Ledger) -> Ask:
    def ask(question: str, scope: Scope | None = None, /, **params: Any) -> pa.Table:
        with closing(ledger.cursor()) as cursor:
            return answer(cursor, question, scope, params)

    return ask


def book_of(
    name: BookName,
    ledger: Ledger,
    version: Callable[[], tuple[int, ...]] | None = None,
    budgets: Callable[[], list[dict[str, Any]]] = list,
) -> Book:
    """A book whose answers are never those of another test."""
    fixed = (next(_versions),)
    return Book(name, book_origins(name), asking(ledger), version or (lambda: fixed), budgets)


def lay(
    ledgers: Mapping[BookName, Ledger],
    budgets: Callable[[], list[dict[str, Any]]] = list,
    **more: Any,
) -> Shelf:
    """Put these books on the shelf, with a clock that stands at `NOW`; budgets are yours."""
    st.cache_data.clear()
    books = {
        name: book_of(name, ledger, budgets=budgets if name == "yours" else list)
        for name, ledger in ledgers.items()
    }
    laid = Shelf(**{"books": books, "clock": lambda: NOW, "checkout": "/src/hf-ledger", **more})
    shelve(laid)
    return laid


def ledger_of(rows: Iterable[Mapping[str, Any]] = ()) -> Ledger:
    """A ledger in memory, with the shipped price list's date but only these calls."""
    ledger = Ledger.memory(reference=True)
    insert_rows(ledger, rows)
    return ledger


def priced(usd: str, **more: Any) -> dict[str, Any]:
    """A call that costs this much."""
    cost = Decimal(usd)
    given = {"cost": cost, "list_cost": cost, "cost_basis": "list_price_tokens", **more}
    return make_row(**{"ts": LAST_WEEK, **given})


def unpriced(**more: Any) -> dict[str, Any]:
    return make_row(**{"ts": LAST_WEEK, **more})


def failed(**more: Any) -> dict[str, Any]:
    """A call that came back with 503 and costs nothing."""
    given = {"outcome": "error", "status": 503, "error_kind": "overloaded", "cost_basis": "free"}
    return make_row(
        **{"ts": LAST_WEEK, **given, "cost": Decimal(0), "list_cost": Decimal(0), **more}
    )


def refused(**more: Any) -> dict[str, Any]:
    """A call that the gateway did not send on, in a millisecond."""
    given = {
        "source": "gateway",
        "outcome": "refused",
        "status": 402,
        "error_kind": "quota",
        "payer": "nobody",
        "latency_ms": 1.2,
        "lat_bin": 3,
        "uncached_input_tokens": None,
        "output_tokens": None,
        "tokens_source": "none",
    }
    return failed(**{**given, **more})


def week() -> list[dict[str, Any]]:
    """Last week's calls: six of 1.25, 2.50 … dollars, one failed, two without a price.

    Priced: 1.25 + 2.50 + 0.75 + 4.00 + 0.50 + 1.00 = 10.00 dollars.
    """
    day = timedelta(days=1)
    big = {"model": "deepseek-ai/DeepSeek-V3.1", "size_class": "xl", "provider": "together"}
    return [
        priced("1.25", team="search"),
        priced("2.50", team="search", ts=LAST_WEEK + day),
        priced("0.75", team="support", ts=LAST_WEEK + day),
        priced("4.00", team="support", ts=LAST_WEEK + 2 * day, **big),
        priced("0.50", team="legal", ts=LAST_WEEK + 3 * day, **big),
        priced("1.00", team=None, ts=LAST_WEEK + 4 * day),
        failed(team="search", ts=LAST_WEEK + 4 * day),
        unpriced(team="search", model="acme/unlisted", requested_model="acme/unlisted"),
        unpriced(team="legal", model="acme/unlisted", requested_model="acme/unlisted"),
    ]


def sampled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "origin": "sample"} for row in rows]


def page(name: str | None = None, query: Mapping[str, str | list[str]] | None = None) -> AppTest:
    """The dashboard on one page, run once with this URL; a page that raises fails the test."""
    at = AppTest.from_file(str(APP), default_timeout=60)
    if name is not None:
        at.switch_page(f"views/{name}.py")
    for key, value in (query or {}).items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, at.exception
    return at


def said(at: AppTest) -> str:
    """Every text of the page that a reader sees outside tables and charts."""
    kinds = (at.title, at.header, at.subheader, at.markdown, at.caption, at.info, at.warning)
    more = (at.success, at.error, at.text)
    return "\n".join(str(each.value) for kind in (*kinds, *more) for each in kind)


def metrics(at: AppTest) -> dict[str, str]:
    return {each.label: str(each.value) for each in at.metric}


def charts(at: AppTest) -> list[Any]:
    return list(at.get("plotly_chart"))
