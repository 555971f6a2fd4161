"""The pieces that pages are laid out with: figure cards, chart cards, "how", CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import (
    ESTIMATE,
    NOT_INVOICED,
    PRICE_UNKNOWN,
    dollars,
    list_age,
    price_notes,
)
from hf_ledger.dashboard import charts, words
from hf_ledger.dashboard.books import shelf
from hf_ledger.dashboard.filters import NOT_SET, View
from hf_ledger.dashboard.format import plain
from hf_ledger.dashboard.headlines import Figure
from hf_ledger.dashboard.words import How

CALLS_PAGE = "views/calls.py"

Row = dict[str, Any]


def figures(view: View, shown: Sequence[Figure]) -> None:
    """A row of headline cards: the first twice as wide, so that phones show no hole either."""
    grid = st.grid(len(shown) + 1, min_column_width=140, gap="small", key="headlines")
    for each in shown:
        cell = grid.cell(column_span=2 if each.wide else 1)
        with cell, st.container(border=True, height="stretch", gap="xsmall"):
            figure(view, each)


def figure(view: View, shown: Figure) -> None:
    st.metric(
        shown.label,
        shown.value,
        shown.change,
        delta_color="inverse" if shown.bad_when_up else "off",
        delta_description="vs. prior" if shown.change and shown.wide else None,
        chart_data=sparkline(shown.days),
        chart_type="bar" if shown.bars else "line",
        help=shown.note,
    )
    st.space("stretch")
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        how(shown.how)
        st.page_link(CALLS_PAGE, label="Calls", icon="", query_params=view.link)


def sparkline(days: Sequence[float | None]) -> list[float] | None:
    """Days of unknown value are drawn at the last known one; a lone day needs no line."""
    drawn: list[float] = []
    for day in days:
        drawn.append(day if day is not None else (drawn[-1] if drawn else 0.0))
    return [float(f"{day:.4g}") for day in drawn] if len(drawn) > 1 else None


def how(shown: How, label: str = "How?") -> None:
    """Formula, the numbers put in, and their source, on demand."""
    with st.popover(label, type="tertiary", help="How was this computed?"):
        st.markdown("**How was this computed?**")
        for text in (shown.formula, shown.figures, shown.source):
            st.markdown(text.replace("$", "\\$"))


def now() -> datetime:
    return shelf().clock()


def open_calls(view: View, dimension: str, values: Sequence[str | None]) -> None:
    """The calls behind one bar, without a mouse: choose its name."""
    with st.popover("Open calls", type="tertiary", icon=":material/list_alt:"):
        for value in list(dict.fromkeys(values))[:12]:
            calls_link(view, value or NOT_SET, {dimension: [value or ""]})


def calls_link(view: View, label: str, where: Mapping[str, Sequence[str]]) -> None:
    """A link to exactly these calls of the view."""
    st.page_link(CALLS_PAGE, label=plain(label), icon="", query_params=view.link_to(**where))


def savings_table(rows: Sequence[Row]) -> None:
    """Moves with what the same tokens cost now and there, dearest difference first."""
    shown = [
        {"Move": plain(words.move(row)), "Difference": plain(dollars(row["difference"]))}
        for row in rows
    ]
    st.table(shown, border="horizontal", alt="Price differences by move, untested")


def data_table(
    shown: Sequence[Row], alt: str, widths: Mapping[str, int] = MappingProxyType({})
) -> None:
    """A table whose whole numbers have thousands and whose money stands on the right.

    `widths` in pixels are for columns of long names, which else push the rest off a phone.
    """
    text = st.column_config.TextColumn
    columns: dict[str, Any] = {name: text(width=width) for name, width in widths.items()}
    for name, value in (shown[0] if shown else {}).items():
        if isinstance(value, int):
            columns[name] = st.column_config.NumberColumn(format="localized")
        elif isinstance(value, str) and ("$" in value or value == PRICE_UNKNOWN):
            columns[name] = text(alignment="right")
    st.dataframe(list(shown), column_config=columns, hide_index=True, alt=alt, placeholder="–")


def honesty(totals: Row) -> None:
    """The lines under a total: what it is, what it covers, which list, and how old that is."""
    listed, old = list_age(totals["price_list_at"], now())
    said = [f"{ESTIMATE}.", words.covered(totals), "" if old else listed]
    said += [*price_notes(totals), words.endpoint_hours(totals), NOT_INVOICED]
    st.caption(" ".join(each for each in said if each))
    if old:
        st.markdown(f":orange-badge[:material/history: {listed}] Prices may have changed since.")


@contextmanager
def card(title: str, *, caption: str | None = None, how_so: How | None = None) -> Iterator[None]:
    """A bordered card with its heading, and "How?" at the heading's end."""
    with st.container(border=True, height="stretch"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.subheader(title, anchor=False, width="content")
            if how_so:
                how(how_so)
            else:
                st.space("small")  # headings of neighbours stand level
        if caption:
            st.caption(caption.replace("$", "\\$"))
        yield


def chart(drawn: charts.Chart, alt: str, key: str) -> None:
    st.plotly_chart(drawn, key=key, config=charts.CONFIG, alt=alt, width="stretch")


def csv_button(
    view: View, name: str, shown: Sequence[Mapping[str, Any]], label: str = "CSV"
) -> None:
    """Download exactly the rows that are shown; the file says when they are made up."""
    st.download_button(
        label,
        data=lambda: csv_text(shown, view.book.banner).encode(),
        file_name=f"{view.file_stem}-{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"csv-{name}",
        type="tertiary",
    )


def csv_text(shown: Sequence[Mapping[str, Any]], banner: str | None = None) -> str:
    """Rows as CSV: money in full, unknown empty, and no text that a spreadsheet would run."""
    out = io.StringIO()
    names = list(shown[0]) if shown else []
    if banner:
        names = [*names, "note"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in shown:
        writer.writerow([harmless(banner if name == "note" else row[name]) for name in names])
    return out.getvalue()


def harmless(value: object) -> str:
    """A cell as text; one that would start a formula is quoted with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return (
        f"'{text}"
        if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")
        else text
    )
