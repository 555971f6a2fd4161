"""The sidebar: which book is open, and through when its data goes."""

from __future__ import annotations

import streamlit as st

from hf_ledger.analytics.words import counted
from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import LABELS, Book, shelf
from hf_ledger.dashboard.filters import seed
from hf_ledger.dashboard.format import moment

#: How often a page looks for new calls; with the collector's pace it makes "within two seconds".
LOOK_SECONDS = 1.0


def show() -> None:
    """The book switch and the "data through" line, on every page."""
    with st.sidebar:
        choose_book()
        opened = book()
        if opened is not None:
            watch(opened, LOOK_SECONDS if opened.name != "sample" else None)


def available() -> list[str]:
    """Books of this server; practice only once there is something in it."""
    books = shelf().books
    return [
        name
        for name in LABELS
        if name in books and (name != "practice" or loaders.extent(books[name])[0])
    ]


def choose_book() -> None:
    names = available()
    if len(names) < 2:
        return
    labels = {name: LABELS[name] for name in names}
    if not seed("book", labels) and st.query_params.get("book") not in labels.values():
        # Seeded rather than a default, so that the URL always says which book it means.
        st.session_state["book"] = first_choice(names)
    st.segmented_control(
        "Ledger",
        names,
        format_func=LABELS.__getitem__,
        required=True,
        key="book",
        bind="query-params",
        width="stretch",
        wrap=False,
    )


def first_choice(names: list[str]) -> str:
    """Yours if it holds calls, else the sample."""
    if "sample" not in names or loaders.extent(shelf()["yours"])[0]:
        return "yours"
    return "sample"


def book() -> Book | None:
    """The open book; None before the server has opened any."""
    names = available()
    name = st.session_state.get("book")
    if not names:
        return None
    return shelf()[name if name in names else names[0]]


def opened() -> Book:
    """The open book, or the page ends here with a sentence."""
    found = book()
    if found is None:
        st.warning("No ledger is open. Start the dashboard with hf-ledger serve.")
        st.stop()
    return found


def watch(watched: Book, seconds: float | None) -> None:
    """Say through when the data goes; when calls arrive, the whole page is drawn again.

    Not by the run that draws the whole page anyway: it would be cut short, with what was clicked.
    """
    st.session_state[f"seen-{watched.name}"] = watched.version()

    @st.fragment(run_every=seconds)
    def data_through() -> None:
        calls, _, last = loaders.extent(watched)
        st.caption(
            f"Data through {moment(last, shelf().zone)} · {counted(calls, 'call')}"
            if calls
            else "No calls yet"
        )
        if st.session_state[f"seen-{watched.name}"] != watched.version():
            st.rerun(scope="app")

    data_through()
