"""Connect: three lines that make a program keep a ledger, and the wait for its first call."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from hf_ledger.analytics.scope import Scope
from hf_ledger.analytics.words import counted
from hf_ledger.dashboard import connecting, loaders
from hf_ledger.dashboard.books import Book, shelf
from hf_ledger.dashboard.format import ago, plain, short_model

#: How often the card looks; with the collector's pace it makes "within two seconds".
LOOK_SECONDS = 1.0


@st.fragment(run_every=LOOK_SECONDS)
def waiting(books: dict[str, Book]) -> None:
    """Say what has come since this page was opened; before that, that it waits.

    A practice call is said to be one, and never stands in for the first call of one's own.
    """
    if received(books["yours"], "call"):
        return
    st.info(
        "Waiting for the first call … run your program, and it shows here by itself.",
        icon=":material/hourglass_top:",
    )
    if "practice" in books and received(books["practice"], "practice call"):
        st.caption(books["practice"].banner or "")


def received(book: Book, kind: str) -> bool:
    """Tell the latest call of a book; False where it has none."""
    calls, _, last = loaders.extent(book)
    if not calls or last is None:
        return False
    first = f"First {kind}" if calls == 1 else f"Latest {kind}"
    st.success(f"{first} received {since(last)}: {latest(book)}.", icon=":material/check_circle:")
    st.caption(f"{counted(calls, kind)} in this ledger")
    return True


def since(at: datetime) -> str:
    return ago((shelf().clock() - at).total_seconds())


def latest(book: Book) -> str:
    """The last call in words, without anything it said."""
    _, _, last = loaders.extent(book)
    if last is None:
        return "none"
    scope = Scope(last, last + timedelta(seconds=1), shelf().zone, book.origins)
    row = loaders.rows(book, "calls", scope, limit=1)[0]
    who = row["team"] or row["app"] or "a program"
    said = f"{who} asked {short_model(row['model'] or row['requested_model'])}"
    how = "refused by your gateway" if row["outcome"] == "refused" else row["outcome"]
    return plain(f"{said} at {row['provider'] or 'an unknown provider'}, {how}")


st.title("Connect a program", anchor=False)
st.caption(
    "Recording takes three lines. It keeps no prompt, no answer and no token, and whatever goes "
    "wrong inside it, your call goes on."
)
if "yours" not in shelf().books:
    st.warning("No ledger is open. Start the dashboard with hf-ledger serve.")
    st.stop()

install, nothing, record = connecting.lines(shelf().checkout)
with st.container(border=True):
    st.subheader("Three lines", anchor=False)
    st.caption("1 · In the environment of your program: brings msgspec, nothing else")
    st.code(install, language="bash")
    st.caption("2 · Nothing to set")
    st.code(nothing, language="bash")
    st.caption("3 · At the start of your program, with names of your own")
    st.code(record, language="python")
waiting(shelf().books)

with st.container(border=True):
    st.subheader("With what you use", anchor=False)
    snippets = connecting.snippets(shelf().practice_url)
    for tab, (text, language) in zip(st.tabs(list(snippets)), snippets.values(), strict=True):
        tab.code(text, language=language)
    st.caption("Is it on, which clients does it cover, where do calls go, what was not counted?")
    st.code(connecting.DOCTOR, language="bash")
