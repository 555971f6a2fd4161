"""Answers for the pages, kept by question, scope and the ledger's version.

A new call changes the version, so the next rerun asks again; otherwise an answer is asked once for
everybody. Rows are plain dicts: money is `Decimal`, unknown is None, times are UTC without a zone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import streamlit as st

from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.scope import Scope
from hf_ledger.dashboard.books import Book

Row = dict[str, Any]


@st.cache_data(ttl=900, max_entries=512, show_spinner=False)
def _kept(
    book: str, version: tuple[int, ...], question: str, scope: Scope | None, params: Row, _ask: Ask
) -> pa.Table:
    return _ask(question, scope, **params)


@st.cache_data(ttl=900, max_entries=64, show_spinner=False)
def _values(
    book: str, version: tuple[int, ...], scope: Scope, dimensions: tuple[str, ...], _ask: Ask
) -> dict[str, list[str | None]]:
    return {name: _ask("values", scope, dimension=name)["value"].to_pylist() for name in dimensions}


def values(book: Book, scope: Scope, dimensions: tuple[str, ...]) -> dict[str, list[str | None]]:
    """Values of each dimension in the scope, most calls first; one entry for all of them."""
    scope = replace(scope, origins=book.origins)
    return _values(book.name, book.version(), scope, dimensions, book.ask)


def table(book: Book, question: str, scope: Scope | None = None, **params: Any) -> pa.Table:
    """The answer as asked, in Arrow."""
    if scope is not None:
        scope = replace(scope, origins=book.origins)
    return _kept(book.name, book.version(), question, scope, params, book.ask)


def rows(book: Book, question: str, scope: Scope | None = None, **params: Any) -> list[Row]:
    found: list[Row] = table(book, question, scope, **params).to_pylist()
    return found


def one(book: Book, question: str, scope: Scope | None = None, **params: Any) -> Row:
    """The single row of a question that has one, such as `totals`."""
    return rows(book, question, scope, **params)[0]


def extent(book: Book) -> tuple[int, datetime | None, datetime | None]:
    """Calls of the book, and the first and last start, as aware UTC times."""
    own = [row for row in rows(book, "extent") if row["origin"] in book.origins and row["calls"]]
    if not own:
        return 0, None, None
    first = min(row["first_ts"] for row in own)
    last = max(row["last_ts"] for row in own)
    return sum(row["calls"] for row in own), aware(first), aware(last)


def aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def added(values: list[Decimal | None]) -> Decimal | None:
    """Sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
