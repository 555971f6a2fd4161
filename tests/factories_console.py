"""A page that holds nothing but a task's form, or one answer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console.column import PRACTICE, Column, Question, Run
from hf_ledger.ingest.doors.router.tasks import TASKS, Kind
from hf_ledger.practice.media import tone
from hf_ledger.practice.models import MODELS

MODEL = "practice/any"


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "white").save(out, "PNG")
    return out.getvalue()


PNG = png()
WAV = tone()
TABLE = b"city,people\nParis,2\nRome,3\n"

#: What is filled in for each kind, and what the form gives for it.
GIVEN: dict[Kind, Any] = {
    "text": "Some text.",
    "texts": ["one", "two"],
    "labels": ["good", "bad"],
    "messages": [{"role": "user", "content": "Some text."}],
    "image": PNG,
    "audio": WAV,
    "table": {"city": ["Paris", "Rome"], "people": ["2", "3"]},
}
TYPED: dict[Kind, str] = {
    "text": "Some text.",
    "messages": "Some text.",
    "texts": "one\n\ntwo\n",
    "labels": "good, bad,good",
}
FILES: dict[Kind, tuple[str, bytes, str]] = {
    "image": ("it.png", PNG, "image/png"),
    "audio": ("it.wav", WAV, "audio/wav"),
    "table": ("it.csv", TABLE, "text/csv"),
}


def fill(at: AppTest, name: str, kind: Kind) -> None:
    if kind in FILES:
        at.file_uploader(key=f"k-{name}").set_value(FILES[kind])
    else:
        at.text_area(key=f"k-{name}").set_value(TYPED[kind])


def fill_all(at: AppTest, task: str) -> None:
    for name, kind in TASKS[task].inputs.items():
        fill(at, name, kind)


def form_of(task: str) -> AppTest:
    """The task's form, drawn once; what it gave stands in the session as `asked`."""

    def script(task: str) -> None:
        import streamlit as st

        from hf_ledger.dashboard.console import forms

        st.session_state["asked"] = forms.ask(task, "k")

    return drawn(AppTest.from_function(script, kwargs={"task": task}))


def send(at: AppTest) -> dict[str, Any] | None:
    """What the form gave when it was sent."""
    at.button(key="k-send").click()
    drawn(at)
    asked: dict[str, Any] | None = at.session_state["asked"]
    return asked


def model_of(task: str) -> str:
    """A model of the practice server for this task."""
    wanted = "text-generation" if task == "chat-completion" else task
    return next((model.id for model in MODELS.values() if model.task == wanted), MODEL)


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
