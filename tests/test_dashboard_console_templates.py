"""Templates: found places are filled exactly, all else stays, and what is wrong is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard.console.templates import render, variables
from hf_ledger.ingest.errors import Usage

VALUES = st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
TEXTS = st.text(alphabet=st.characters(exclude_characters="{}"), max_size=30)


def test_places_are_found_once_and_in_order() -> None:
    text = "Dear {{ name }}, about {{the topic}} and {{name}}: {{b-2}} {{größe}}"
    assert variables(text) == ["name", "the topic", "b-2", "größe"]


@pytest.mark.parametrize(
    "text", ["{name}", "{{}}", "{{ }}", "{{a.b}}", "{{a", "{{{", "{% if x %}", "{{a\nb}}", "{{-a}}"]
)
def test_other_braces_are_text(text: str) -> None:
    assert variables(text) == []
    assert render(text, {}) == text


@given(TEXTS, VALUES, TEXTS, VALUES, TEXTS)
def test_rendering_is_exact(before: str, one: str, between: str, two: str, after: str) -> None:
    text = f"{before}{{{{one}}}}{between}{{{{two}}}}{after}{{{{one}}}}"
    assert render(text, {"one": one, "two": two}) == f"{before}{one}{between}{two}{after}{one}"


@given(TEXTS)
def test_a_text_without_places_stays_as_it_is(text: str) -> None:
    assert render(text, {}) == text


def test_a_value_is_never_read_again() -> None:
    assert render("{{a}} {{b}}", {"a": "{{b}}", "b": "\\1 \\g<0>"}) == "{{b}} \\1 \\g<0>"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Usage, match="Nothing was sent: fill in b, c first"):
        render("{{a}} {{b}} {{c}}", {"a": "x", "c": "  "})


def test_what_is_unknown_is_named_with_what_there_is() -> None:
    with pytest.raises(Usage, match="no place for z; it has: a"):
        render("{{a}}", {"a": "x", "z": "y"})
    with pytest.raises(Usage, match="it has: none"):
        render("text", {"z": "y"})
