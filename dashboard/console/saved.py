"""The person's own prompts: kept only when saved, listed, loaded into the form, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from hf_ledger.dashboard.books import shelf
from hf_ledger.dashboard.console import templates
from hf_ledger.dashboard.format import moment, plain
from hf_ledger.ingest.doors import saved_prompts
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.doors.saved_prompts import KEPT_DAYS, MOST_NAME, Prompt
from hf_ledger.ingest.errors import LedgerError

#: Told of a loaded prompt's parameters, before the page is drawn anew.
Loaded = Callable[[Mapping[str, Any]], None]


def main_input(task: str) -> str | None:
    """The input that is written by hand and worth keeping; None where a task has none."""
    kinds = TASKS[task].inputs
    return next((name for name, kind in kinds.items() if kind in ("messages", "text")), None)


def template_key(key: str) -> str:
    return f"{key}-template"


def is_template(key: str) -> bool:
    return bool(st.session_state.get(f"{key}-templated"))


def menu(task: str, key: str, loaded: Loaded | None) -> None:
    """Prompts saved for this task, to be loaded or deleted."""
    with st.popover("Saved prompts", icon=":material/bookmark:"):
        try:
            found = saved_prompts.shelf(shelf().places, shelf().clock())
        except LedgerError as error:
            st.error(plain(str(error)))
            return
        offer([each for each in found.prompts if each.task == task], key, loaded)
        if found.complaint:
            st.warning(plain(found.complaint), icon=":material/key_off:")
            st.button("Delete these", key=f"{key}-closed", on_click=delete_closed, args=(key,))


def offer(prompts: list[Prompt], key: str, loaded: Loaded | None) -> None:
    if not prompts:
        st.caption(
            "None is saved for this task. What you write is kept nowhere until you save it: then "
            f"encrypted, in your ledger's folder, for {KEPT_DAYS} days."
        )
        return
    chosen = st.selectbox(
        "Saved prompt", prompts, format_func=lambda each: each.name, key=f"{key}-saved"
    )
    st.caption(f"Saved until {moment(chosen.expires, shelf().zone)}, encrypted.")
    with st.container(horizontal=True):
        st.button(
            "Load",
            key=f"{key}-load",
            icon=":material/download:",
            on_click=load,
            args=(chosen, key, loaded),
        )
        st.button(
            "Delete",
            key=f"{key}-delete",
            icon=":material/delete:",
            on_click=delete,
            args=(chosen, key),
        )


def load(prompt: Prompt, key: str, loaded: Loaded | None) -> None:
    """Put it into the form: a text with places to fill in becomes the template."""
    name = main_input(prompt.task)
    has_places = bool(templates.variables(prompt.text))
    st.session_state[f"{key}-templated"] = has_places
    st.session_state[template_key(key) if has_places else f"{key}-{name}"] = prompt.text
    if name == "messages":
        st.session_state[f"{key}-messages-system"] = prompt.system
    if loaded:
        loaded(prompt.parameters)


def delete(prompt: Prompt, key: str) -> None:
    told(key, lambda: saved_prompts.delete(shelf().places, prompt), f"Deleted {prompt.name}.")


def delete_closed(key: str) -> None:
    told(key, lambda: saved_prompts.delete_closed(shelf().places), "Deleted.")


def told(key: str, work: Callable[[], object], done: str) -> None:
    """Do it in a callback; what is to be said of it is said when the page is drawn."""
    try:
        work()
    except LedgerError as error:
        st.session_state[f"{key}-said"] = (False, str(error))
    else:
        st.session_state[f"{key}-said"] = (True, done)
        close(key)


def say(key: str) -> None:
    """What came of saving or deleting, once."""
    said = st.session_state.pop(f"{key}-said", None)
    if said:
        good, sentence = said
        (st.success if good else st.error)(plain(sentence))


def keeper(key: str) -> None:
    """Inside of the form: the button that asks for a name to save under."""
    st.form_submit_button(
        "Save prompt",
        key=f"{key}-keep",
        icon=":material/bookmark_add:",
        type="tertiary",
        on_click=st.session_state.__setitem__,
        args=(f"{key}-naming", True),
    )


def naming(task: str, key: str, parameters: Mapping[str, Any] | None) -> None:
    """Below the form, as Enter in a form's field would send: the name, and what is kept."""
    if not st.session_state.get(f"{key}-naming"):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name", key=f"{key}-name", max_chars=MOST_NAME, width=280)
        given = (task, key, dict(parameters or {}))
        st.button("Save", key=f"{key}-save", on_click=save, args=given)
        st.button("Cancel", key=f"{key}-cancel", on_click=close, args=(key,), type="tertiary")
    st.caption(f"Kept encrypted in your ledger's folder, for {KEPT_DAYS} days.")


def close(key: str) -> None:
    st.session_state.pop(f"{key}-naming", None)


def save(task: str, key: str, parameters: dict[str, Any]) -> None:
    """Keep what the form holds: the template where there is one, else the text."""
    state = st.session_state
    where = template_key(key) if is_template(key) else f"{key}-{main_input(task)}"
    name = str(state.get(f"{key}-name") or "")
    told(
        key,
        lambda: saved_prompts.save(
            shelf().places,
            name=name,
            task=task,
            text=str(state.get(where) or ""),
            system=str(state.get(f"{key}-messages-system") or ""),
            parameters=parameters,
            now=shelf().clock(),
        ),
        f"Saved as {name.strip()}, for {KEPT_DAYS} days.",
    )
