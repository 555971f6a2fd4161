"""The form of a task: a field for each of its inputs, and nothing sent while one is missing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from hf_ledger.dashboard.console import saved, templates
from hf_ledger.dashboard.console.fields import FIELDS, HIGH, LOW, NOTES, Draw, label_of, messages
from hf_ledger.dashboard.console.saved import Loaded, is_template, main_input, template_key
from hf_ledger.dashboard.format import plain
from hf_ledger.ingest.doors.router.tasks import Task, task_named
from hf_ledger.ingest.errors import Usage


def ask(
    task: str,
    key: str,
    parameters: Mapping[str, Any] | None = None,
    loaded: Loaded | None = None,
) -> dict[str, Any] | None:
    """The task's inputs once its form was sent whole, else None; Ctrl+Enter sends too.

    `parameters` are saved with a prompt; `loaded` is told those of one that is loaded.
    """
    wanted = task_named(task)
    if main_input(task):
        above(task, key, loaded)
    complaints: list[str] = []
    with st.form(f"{key}-form"):
        found = {name: read(task, name, key, complaints) for name in wanted.inputs}
        sent = below(task, key)
    saved.naming(task, key, parameters)
    saved.say(key)
    if not sent:
        return None
    complaints += missing(wanted, found, complaints)
    for each in complaints[:1]:
        st.error(plain(each), icon=":material/error:")
    given = {name: value for name, value in found.items() if value is not None}
    return None if complaints else given


def above(task: str, key: str, loaded: Loaded | None) -> None:
    """Saved prompts, and the template whose places become fields of the form."""
    with st.container(horizontal=True, vertical_alignment="center"):
        saved.menu(task, key, loaded)
        st.toggle(
            "Template",
            key=f"{key}-templated",
            help="Write {{name}} where something is to be filled in; each becomes a field.",
        )
    if is_template(key):
        st.text_area("Template text", key=template_key(key), height=HIGH)


def below(task: str, key: str) -> bool:
    with st.container(horizontal=True, vertical_alignment="center"):
        sent = st.form_submit_button("Send", key=f"{key}-send", type="primary")
        if main_input(task):
            saved.keeper(key)
    return sent


def read(task: str, name: str, key: str, complaints: list[str]) -> Any:
    """What the field holds; what is wrong with it is put among the complaints."""
    try:
        return field_of(task, name, key)(name, f"{key}-{name}", NOTES.get((task, name)))
    except Usage as wrong:
        complaints.append(str(wrong))
        return None


def field_of(task: str, name: str, key: str) -> Draw:
    """The field of this input; in the place of the main one there may be a template's."""
    kind = task_named(task).inputs[name]
    if name != main_input(task) or not is_template(key):
        return FIELDS[kind]
    places = partial(filled, str(st.session_state.get(template_key(key)) or ""))
    return partial(messages, said_in=places) if kind == "messages" else places


def filled(template: str, name: str, key: str, note: str | None) -> str | None:
    """A field for each place of the template, and the text that they make of it."""
    values = {
        each: st.text_area(plain(each), key=f"{key}-place-{each}", height=LOW)
        for each in templates.variables(template)
    }
    if not template.strip():
        return None
    return templates.render(template, values)


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
