"""A page that holds nothing but a task's form, or one answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console.column import PRACTICE, Column, Question, Run

MODEL = "practice/any"


def form_of(task: str) -> AppTest:
    """The task's form, drawn once; what it gave stands in the session as `asked`."""

    def script(task: str) -> None:
        import streamlit as st

        from hf_ledger.dashboard.console import forms

        st.session_state["asked"] = forms.ask(task, "k")

    return drawn(AppTest.from_function(script, kwargs={"task": task}))


def send(at: AppTest) -> dict[str, Any] | None:
    """What the form gave when it was sent."""
    at.button[0].click()
    drawn(at)
    asked: dict[str, Any] | None = at.session_state["asked"]
    return asked


def run_of(task: str, inputs: Mapping[str, Any], value: Any = None, text: str = "") -> Run:
    """A call that has ended with this value."""
    column = Column(target=PRACTICE, model=MODEL)
    question = Question(task=task, inputs=inputs)
    return Run(column=column, question=question, state="done", value=value, text=text)


def shown(*runs: Run) -> AppTest:
    """The answers of these runs below each other, drawn once."""

    def script(runs: tuple) -> None:  # type: ignore[type-arg]  # runs without this file's names
        from hf_ledger.dashboard.console import results

        for run in runs:
            results.show(run)

    return drawn(AppTest.from_function(script, kwargs={"runs": runs}))


def drawn(at: AppTest) -> AppTest:
    at.run(timeout=60)
    assert not at.exception, at.exception
    return at
