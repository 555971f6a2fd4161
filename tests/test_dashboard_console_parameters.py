"""The table of parameters: each is an argument of its task's method, drawn, and sent when set."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from factories_console import drawn
from huggingface_hub import InferenceClient
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console.parameters import PARAMETERS, Parameter, nested
from hf_ledger.ingest.doors.router.tasks import TASKS


def chosen(task: str) -> AppTest:
    def script(task: str) -> None:
        import streamlit as st

        from hf_ledger.dashboard.console import parameters

        st.session_state["chosen"] = parameters.choose(task, "k")

    return drawn(AppTest.from_function(script, kwargs={"task": task}))


@pytest.mark.parametrize("task", PARAMETERS)
def test_each_is_an_argument_of_the_clients_method(task: str) -> None:
    takes = inspect.signature(getattr(InferenceClient, TASKS[task].method)).parameters
    for each in PARAMETERS[task]:
        assert each.name.partition(".")[0] in takes, each.name
        assert each.name not in TASKS[task].inputs


@pytest.mark.parametrize("task", TASKS)
def test_nothing_set_is_nothing_sent(task: str) -> None:
    assert chosen(task).session_state["chosen"] == {}


@pytest.mark.parametrize("task", PARAMETERS)
def test_every_field_is_labelled(task: str) -> None:
    at = chosen(task)
    fields = [*at.number_input, *at.text_input, *at.selectbox, *at.get("button_group")]
    assert {each.label for each in fields} == {each.label for each in PARAMETERS[task]}


def test_what_is_set_is_given_by_its_argument() -> None:
    at = chosen("chat-completion")
    at.number_input(key="k-max_tokens").set_value(64)
    at.number_input(key="k-temperature").set_value(0.0)
    assert drawn(at).session_state["chosen"] == {"max_tokens": 64, "temperature": 0.0}


def test_a_switch_is_yes_no_or_open() -> None:
    at = chosen("zero-shot-classification")
    at.button_group(key="k-multi_label").set_value("No")
    assert drawn(at).session_state["chosen"] == {"multi_label": False}


def test_a_choice_and_a_text() -> None:
    at = chosen("token-classification")
    at.selectbox(key="k-aggregation_strategy").set_value("first")
    assert drawn(at).session_state["chosen"] == {"aggregation_strategy": "first"}
    at = chosen("translation")
    at.text_input(key="k-tgt_lang").set_value(" fra_Latn ")
    assert drawn(at).session_state["chosen"] == {"tgt_lang": "fra_Latn"}


def test_inner_names_are_nested() -> None:
    at = chosen("summarization")
    at.number_input(key="k-generate_parameters.max_length").set_value(90)
    assert drawn(at).session_state["chosen"] == {"generate_parameters": {"max_length": 90}}
    assert nested({"a.b": 1, "a.c": 2, "d": 3}) == {"a": {"b": 1, "c": 2}, "d": 3}


def sample(parameter: Parameter) -> Any:
    """A value that the field takes."""
    if parameter.sort == "whole":
        return int(max(20, parameter.low or 0))
    return {"number": 0.5, "switch": False, "text": "de"}[parameter.sort]


@pytest.mark.parametrize("task", PARAMETERS)
def test_what_was_put_is_chosen(task: str) -> None:
    """Every field can be set from outside, and gives back what it was set to."""
    flat = {
        each.name: each.choices[0] if each.choices else sample(each) for each in PARAMETERS[task]
    }

    def script(task: str, given: dict) -> None:  # type: ignore[type-arg]
        import streamlit as st

        from hf_ledger.dashboard.console import parameters

        parameters.put(task, "k", given)
        st.session_state["chosen"] = parameters.choose(task, "k")

    at = AppTest.from_function(script, kwargs={"task": task, "given": nested(flat)})
    assert drawn(at).session_state["chosen"] == nested(flat)
