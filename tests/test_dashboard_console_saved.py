"""Templates and saved prompts in the form: filled in, kept when saved, and at no other moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from factories_console import drawn, form_of, send
from factories_dashboard import NOW, lay, ledger_of
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console.saved import main_input
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.doors.saved_prompts import save, shelf
from hf_ledger.ingest.places import Places

MARKER = "marker-4711"
TEMPLATE = "Say {{what}} to {{who}} for $5."


@pytest.fixture(autouse=True)
def desk(places: Places) -> None:
    lay({"yours": ledger_of()}, places=places)


def press(at: AppTest, name: str) -> AppTest:
    at.button(key=f"k-{name}").click()
    return drawn(at)


def keep(at: AppTest, name: str) -> AppTest:
    """Save what the form holds under this name."""
    press(at, "keep")
    at.text_input(key="k-name").set_value(name)
    return press(at, "save")


def templated(task: str, template: str) -> AppTest:
    at = form_of(task)
    at.toggle(key="k-templated").set_value(True)
    drawn(at)
    at.text_area(key="k-template").set_value(template)
    return drawn(at)


def written(places: Places) -> list[Path]:
    return [path for path in places.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("task", [name for name in TASKS if main_input(name)])
def test_the_places_of_a_template_are_fields_of_its_task(task: str) -> None:
    at = templated(task, TEMPLATE)
    field = f"k-{main_input(task)}-place-"
    found = {each.label for each in at.text_area if str(each.key).startswith(field)}
    assert found == {"what", "who"}


def test_a_filled_template_is_the_message() -> None:
    at = templated("chat-completion", TEMPLATE)
    at.text_area(key="k-messages-place-what").set_value("{{who}} hello")
    at.text_area(key="k-messages-place-who").set_value("Ada")
    at.text_area(key="k-messages-system").set_value("Be kind.")
    assert send(at) == {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Say {{who}} hello to Ada for $5."},
        ]
    }


def test_an_empty_place_is_named_and_nothing_sent() -> None:
    at = templated("summarization", TEMPLATE)
    at.text_area(key="k-text-place-what").set_value("hello")
    assert send(at) is None
    assert at.error[0].value == "Nothing was sent\\: fill in who first."


def test_an_empty_template_is_a_missing_text() -> None:
    at = templated("summarization", " ")
    assert send(at) is None
    assert at.error[0].value == "Nothing was sent\\: fill in text first."


def test_without_the_switch_braces_are_text() -> None:
    at = form_of("summarization")
    at.text_area(key="k-text").set_value("a {{b}}")
    assert send(at) == {"text": "a {{b}}"}


def test_tasks_of_files_alone_have_no_prompts() -> None:
    assert main_input("object-detection") is None
    assert not form_of("object-detection").toggle


def test_sending_keeps_nothing(places: Places) -> None:
    at = form_of("summarization")
    at.text_area(key="k-text").set_value(MARKER)
    assert send(at)
    assert written(places) == []


def test_saving_asks_no_model_and_keeps_it_encrypted(places: Places) -> None:
    at = form_of("chat-completion")
    at.text_area(key="k-messages").set_value(f"Tell me of {MARKER}")
    at.text_area(key="k-messages-system").set_value(f"System {MARKER}")
    press(at, "keep")
    assert at.session_state["asked"] is None
    at.text_input(key="k-name").set_value(f"Name {MARKER}")
    press(at, "save")
    assert at.session_state["asked"] is None
    assert at.success[0].value == "Saved as Name marker-4711, for 90 days."
    assert len(written(places)) == 2
    assert not [path for path in written(places) if MARKER.encode() in path.read_bytes()]
    (prompt,) = shelf(places, NOW).prompts
    assert (prompt.text, prompt.system) == (f"Tell me of {MARKER}", f"System {MARKER}")
    assert not [each for each in at.text_input if each.key == "k-name"]


def test_the_name_is_not_a_field_of_the_form() -> None:
    """Enter in a field of a form presses its first button, and that one calls models."""
    at = press(form_of("chat-completion"), "keep")
    assert not at.text_input(key="k-name").form_id
    assert all(each.form_id for each in at.text_area)


def test_what_was_saved_is_loaded_into_another_tab() -> None:
    at = form_of("chat-completion")
    at.text_area(key="k-messages").set_value("Tell me")
    at.text_area(key="k-messages-system").set_value("Be brief.")
    keep(at, "mine")
    other = press(form_of("chat-completion"), "load")
    assert other.text_area(key="k-messages").value == "Tell me"
    assert other.text_area(key="k-messages-system").value == "Be brief."
    assert "Saved until 14 Feb 2027" in "".join(each.value for each in other.caption)


def test_a_saved_template_is_loaded_as_one() -> None:
    keep(templated("summarization", TEMPLATE), "mine")
    other = press(form_of("summarization"), "load")
    assert other.toggle(key="k-templated").value
    assert other.text_area(key="k-template").value == TEMPLATE
    assert other.text_area(key="k-text-place-who").value == ""


def test_prompts_of_other_tasks_are_not_offered() -> None:
    at = form_of("summarization")
    at.text_area(key="k-text").set_value("Tell me")
    keep(at, "mine")
    assert not [each for each in form_of("translation").selectbox if each.key == "k-saved"]
    assert form_of("summarization").selectbox(key="k-saved").options == ["mine"]


def test_deleting_is_said_and_done(places: Places) -> None:
    at = form_of("summarization")
    at.text_area(key="k-text").set_value("Tell me")
    keep(at, "mine")
    press(at, "delete")
    assert at.success[0].value == "Deleted mine."
    assert shelf(places, NOW).prompts == []


def test_what_can_not_be_saved_is_one_sentence(places: Places) -> None:
    at = keep(form_of("summarization"), "mine")
    assert at.error[0].value == "There is no text to be saved."
    assert written(places) == []


def test_cancelling_forgets_the_name() -> None:
    at = press(press(form_of("summarization"), "keep"), "cancel")
    assert not at.text_input


def test_prompts_under_a_lost_key_are_said_and_can_be_deleted(places: Places) -> None:
    save(places, name="mine", task="summarization", text="Tell me", now=NOW)
    (places.keys / "fingerprint.key").write_bytes(os.urandom(32))
    at = form_of("summarization")
    assert "1 prompt saved under a key that is no longer here" in at.warning[0].value
    press(at, "closed")
    assert not at.warning
    assert shelf(places, NOW).closed == 0


def test_parameters_are_kept_with_the_prompt_and_told_when_it_is_loaded() -> None:
    def script() -> None:
        import streamlit as st

        from hf_ledger.dashboard.console import forms, parameters

        chosen = parameters.choose("chat-completion", "column")
        forms.ask(
            "chat-completion",
            "k",
            chosen,
            lambda values: parameters.put("chat-completion", "column", values),
        )
        st.session_state["chosen"] = chosen

    at = drawn(AppTest.from_function(script))
    at.number_input(key="column-max_tokens").set_value(64)
    at.text_area(key="k-messages").set_value("Tell me")
    keep(at, "mine")
    other = drawn(AppTest.from_function(script))
    other.number_input(key="column-temperature").set_value(1.5)
    press(other, "load")
    assert drawn(other).session_state["chosen"] == {"max_tokens": 64}
