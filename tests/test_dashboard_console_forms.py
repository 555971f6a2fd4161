"""The form of each task gives its inputs when it is whole, and nothing before."""

from __future__ import annotations

import pytest
from factories_console import FILES, GIVEN, PNG, fill, fill_all, form_of, send
from streamlit.testing.v1 import AppTest

from hf_ledger.ingest.doors.router.tasks import TASKS, arguments


@pytest.mark.parametrize("task", TASKS)
def test_a_filled_form_gives_what_the_task_takes(task: str) -> None:
    at = form_of(task)
    fill_all(at, task)
    given = send(at)
    assert given == {name: GIVEN[kind] for name, kind in TASKS[task].inputs.items()}
    assert arguments(task, given)


@pytest.mark.parametrize("task", TASKS)
def test_an_empty_form_sends_nothing_and_says_what_is_missing(task: str) -> None:
    at = form_of(task)
    assert send(at) is None
    assert [each.value for each in at.error] == [at.error[0].value]
    assert at.error[0].value.startswith("Nothing was sent\\: fill in ")


def test_an_optional_input_may_be_left_out() -> None:
    at = form_of("image-to-image")
    fill(at, "image", "image")
    assert send(at) == {"image": PNG}


def test_a_form_that_was_not_sent_gives_nothing() -> None:
    at = form_of("summarization")
    assert at.session_state["asked"] is None
    assert not at.error


@pytest.mark.parametrize("task", TASKS)
def test_every_field_has_a_label(task: str) -> None:
    at = form_of(task)
    fields = [*at.text_area, *at.file_uploader, *at.audio_input, *at.text_input, *at.selectbox]
    assert fields
    assert all(each.label.strip() for each in fields)
    assert all(each.proto.alt for each in at.data_editor)


def test_two_forms_of_a_page_know_their_own_fields() -> None:
    def script() -> None:
        import streamlit as st

        from hf_ledger.dashboard.console import forms

        st.session_state["found"] = [forms.ask("summarization", key) for key in ("one", "two")]

    at = AppTest.from_function(script).run()
    at.text_area(key="one-text").set_value("first")
    at.button(key="one-send").click().run()
    assert at.session_state["found"] == [{"text": "first"}, None]


def test_a_system_prompt_and_a_picture_go_along() -> None:
    at = form_of("chat-completion")
    at.text_area(key="k-messages-system").set_value("Be brief.")
    at.text_area(key="k-messages").set_value("What is it?")
    at.file_uploader(key="k-messages-image").set_value(FILES["image"])
    given = send(at)
    assert given is not None
    system, user = given["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][0] == {"type": "text", "text": "What is it?"}
    assert user["content"][1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_what_is_no_picture_is_said_and_not_sent() -> None:
    at = form_of("image-to-text")
    at.file_uploader(key="k-image").set_value(("it.png", b"hello", "image/png"))
    assert send(at) is None
    assert "is no picture that can be read" in at.error[0].value


def test_a_pasted_table_counts_where_no_file_is() -> None:
    at = form_of("table-question-answering")
    at.text_area(key="k-query").set_value("Who?")
    at.text_area(key="k-table-pasted").set_value("city\tpeople\nParis\t2")
    assert send(at) == {"query": "Who?", "table": {"city": ["Paris"], "people": ["2"]}}
