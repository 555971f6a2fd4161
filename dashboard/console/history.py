"""What was asked in this browser session, until it ends or is told to forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import counted, dollars
from hf_ledger.dashboard.books import shelf
from hf_ledger.dashboard.console.board import Board, Round
from hf_ledger.dashboard.format import milliseconds, moment, plain, short_model

LONGEST = 160


def show(board: Board, key: str) -> None:
    """Earlier questions, newest first, each of which can be opened again."""
    if not board.rounds:
        return
    with st.expander(f"This session's questions ({len(board.rounds)})", icon=":material/history:"):
        st.caption(
            "Questions and answers stay in this browser session and go with it; the ledger keeps "
            "figures only."
        )
        for number, past in reversed(list(enumerate(board.rounds))):
            entry(board, past, number, key)
        st.button(
            "Forget all",
            icon=":material/delete:",
            type="tertiary",
            on_click=board.forget,
            help="Questions and answers of this session; the ledger keeps its rows",
        )


def entry(board: Board, past: Round, number: int, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        with st.container():
            st.text(shortened(text_of(past.question.inputs)))
            st.caption(plain(line(past)))
        st.button(
            "Open",
            key=f"{key}-open-{number}",
            help="Show its answers, and put the question into the form",
            on_click=reopen,
            args=(board, past, key),
        )


def line(past: Round) -> str:
    """When, of which task, and what each column took."""
    at = moment(past.runs[0].began, shelf().zone)
    each = " · ".join(
        f"{short_model(run.column.model or run.column.policy)} {run.state}"
        f" {milliseconds(run.latency_ms)} {dollars(run.cost)}"
        for run in past.runs
    )
    return f"{at} · {past.question.task} · {counted(len(past.runs), 'column')}: {each}"


def reopen(board: Board, past: Round, key: str) -> None:
    """Callback: show the round again, with its question in the form. Nothing is sent."""
    board.task, board.shown = past.question.task, past
    st.session_state["console-task"] = board.task
    fill(past.question.inputs, key)


def fill(inputs: Mapping[str, Any], key: str) -> None:
    """Put the texts of a question into the form; files have to be given again."""
    for name, value in inputs.items():
        if name == "messages":
            st.session_state[f"{key}-messages"] = said_last(value)
            st.session_state[f"{key}-messages-system"] = system_of(value)
        elif isinstance(value, str):
            st.session_state[f"{key}-{name}"] = value
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            st.session_state[f"{key}-{name}"] = "\n".join(value)


def text_of(inputs: Mapping[str, Any]) -> str:
    """The question in one line."""
    texts = [said_last(inputs["messages"])] if "messages" in inputs else []
    texts += [value for value in inputs.values() if isinstance(value, str)]
    return " · ".join(texts) or "A file"


def said_last(messages: Any) -> str:
    content = messages[-1]["content"] if messages else ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")


def system_of(messages: Any) -> str:
    first = messages[0] if messages else {}
    return first["content"] if first.get("role") == "system" else ""


def shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def nothing_yet() -> None:
    """Before the first question."""
    with st.container(horizontal_alignment="center", border=True):
        st.space("small")
        st.subheader("Nothing asked yet", anchor=False, text_alignment="center")
        st.markdown(
            "Write a question above and send it with Ctrl+Enter: every column is asked at once, "
            "and its tokens, time and cost stand below its answer. Esc stops them.",
            text_alignment="center",
        )
        st.space("small")
