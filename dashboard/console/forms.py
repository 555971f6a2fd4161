"""The form of a task: a field for each of its inputs, and nothing sent while one is missing."""

from __future__ import annotations

from typing import Any

import streamlit as st

from hf_ledger.dashboard.console.fields import FIELDS, NOTES, label_of
from hf_ledger.dashboard.format import plain
from hf_ledger.ingest.doors.router.tasks import Task, task_named
from hf_ledger.ingest.errors import Usage


def ask(task: str, key: str) -> dict[str, Any] | None:
    """The task's inputs once its form was sent whole, else None; Ctrl+Enter sends too."""
    wanted = task_named(task)
    complaints: list[str] = []
    with st.form(f"{key}-form"):
        found = {name: read(task, name, key, wanted, complaints) for name in wanted.inputs}
        sent = st.form_submit_button("Send", type="primary", icon=":material/send:")
    if not sent:
        return None
    complaints += missing(wanted, found, complaints)
    for each in complaints[:1]:
        st.error(plain(each), icon=":material/error:")
    given = {name: value for name, value in found.items() if value is not None}
    return None if complaints else given


def read(task: str, name: str, key: str, wanted: Task, complaints: list[str]) -> Any:
    """What the field holds; what is wrong with it is put among the complaints."""
    draw = FIELDS[wanted.inputs[name]]
    try:
        return draw(name, f"{key}-{name}", NOTES.get((task, name)))
    except Usage as wrong:
        complaints.append(str(wrong))
        return None


def missing(wanted: Task, found: dict[str, Any], complaints: list[str]) -> list[str]:
    """One sentence that names every input which is needed and empty."""
    lacking = [
        label_of(name).lower()
        for name, value in found.items()
        if value is None and name not in wanted.optional
    ]
    if not lacking or complaints:
        return []
    return [f"Nothing was sent: fill in {' and '.join(lacking)} first."]
