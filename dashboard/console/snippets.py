"""A question and its column as code that asks the same: hub's client, OpenAI's, or curl.

The token is read from its environment variable, so no code holds one. What a language can't say
is a sentence (Usage).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from hf_ledger.dashboard.console.column import Column, Question
from hf_ledger.dashboard.console.foreign import download
from hf_ledger.dashboard.console.snippet_curl import curl
from hf_ledger.dashboard.console.snippet_python import hub, openai
from hf_ledger.dashboard.console.wording import Asked, asked_of
from hf_ledger.dashboard.format import plain
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Usage

MOST_SHOWN = 50_000  # characters; longer code is saved as a file

LANGUAGES: dict[str, Callable[[Asked], str]] = {
    "huggingface_hub": hub,
    "openai": openai,
    "curl": curl,
}


def snippet(language: str, target: Target, column: Column, question: Question) -> str:
    """Code in this language of `LANGUAGES`. Raises Usage where it can't be said."""
    if column.policy:
        raise Usage(f"Not possible: the router chooses by {column.policy} inside of hf-ledger.")
    return LANGUAGES[language](asked_of(target, column, question))


def show(target: Target, column: Column, question: Question, key: str) -> None:
    """Draw the choice of a language and its code, to be copied."""
    chosen = st.segmented_control(
        "Copy as", list(LANGUAGES), default="huggingface_hub", key=f"{key}-language"
    )
    if chosen is None:
        return
    try:
        code = snippet(chosen, target, column, question)
    except Usage as wrong:
        st.caption(plain(str(wrong)))
        return
    draw(code, "bash" if chosen == "curl" else "python", key)


def draw(code: str, kind: str, key: str) -> None:
    if len(code) <= MOST_SHOWN:
        st.code(code, language=kind, wrap_lines=True)
        return
    name = "question.sh" if kind == "bash" else "question.py"
    st.caption("The question is long; its code is saved as a file.")
    download("Code as a file", code.encode("utf-8", "replace"), name, f"{key}-code")
