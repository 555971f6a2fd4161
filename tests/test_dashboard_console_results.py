"""Each task's answer is drawn in its own form, and a hostile one does nothing."""

from __future__ import annotations

from typing import Any

import pytest
from factories_console import run_of, shown
from streamlit.testing.v1 import AppTest

from hf_ledger.ingest.doors.router.tasks import TASKS

SCRIPT = "<script>alert(1)</script> costs $5 and $6"


def html_of(at: AppTest) -> str:
    return "".join(each.proto.body for each in at.get("html"))


def test_text_is_plain_until_markdown_is_wanted() -> None:
    at = shown(run_of("chat-completion", {}, text="**bold** $a$"))
    assert [each.value for each in at.text] == ["**bold** $a$"]
    assert not at.markdown
    at.toggle[0].set_value(True).run()
    assert [each.value for each in at.markdown] == ["**bold** &#36;a&#36;"]


def test_an_answer_that_still_comes_is_shown_as_far_as_it_is() -> None:
    run = run_of("chat-completion", {}, text="Once")
    run.state = "running"
    assert [each.value for each in shown(run).text] == ["Once"]


@pytest.mark.parametrize(
    ("task", "value"),
    [
        ("summarization", {"summary_text": SCRIPT}),
        ("translation", {"translation_text": SCRIPT}),
        ("text-generation", SCRIPT),
        ("chat-completion", {"choices": [{"message": {"content": SCRIPT}}]}),
    ],
)
def test_texts_by_their_tasks_names(task: str, value: Any) -> None:
    at = shown(run_of(task, {"text": "x"}, value))
    assert [each.value for each in at.text] == [SCRIPT]
    assert not at.markdown


def test_labels_are_bars_with_the_surest_first() -> None:
    value = [{"label": "bad", "score": 0.25}, {"label": SCRIPT, "score": 0.75}]
    frame = shown(run_of("text-classification", {"text": "x"}, value)).dataframe[0].value
    assert frame["Label"].tolist() == [SCRIPT, "bad"]
    assert frame["Score"].tolist() == [0.75, 0.25]


def test_entities_are_marked_in_their_text_and_counted() -> None:
    text = "Ada met <script>alert(1)</script> for $5 & $6"
    value = [{"entity_group": "PER", "start": 0, "end": 3, "score": 0.9, "word": "Ada"}]
    shown_html = html_of(shown(run_of("token-classification", {"text": text}, value)))
    assert "<script" not in shown_html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; for $5 &amp; $6" in shown_html
    assert shown_html.count("<mark") == 2  # one in the legend, one in the text


def test_an_entity_with_a_hostile_kind_is_escaped() -> None:
    value = [{"entity_group": "<img src=x onerror=alert(1)>", "start": 0, "end": 1}]
    assert "<img" not in html_of(shown(run_of("token-classification", {"text": "x"}, value)))


def test_no_entities_is_said() -> None:
    at = shown(run_of("token-classification", {"text": "nobody"}, []))
    assert "Nothing was found" in at.caption[0].value


def test_an_answer_stands_in_its_context() -> None:
    inputs = {"question": "Who?", "context": "It was Ada."}
    at = shown(
        run_of("question-answering", inputs, {"answer": "Ada", "score": 0.5, "start": 7, "end": 10})
    )
    assert at.text[0].value == "Ada  (50.0%)"
    assert ">Ada</mark>." in html_of(at)


def test_an_answer_outside_of_its_context_marks_nothing() -> None:
    inputs = {"question": "Who?", "context": "It was Ada."}
    value = {"answer": "Eve", "score": 0.5, "start": 70, "end": 100}
    assert "<mark" not in html_of(shown(run_of("question-answering", inputs, value)))


def test_filled_sentences_are_listed() -> None:
    value = [
        {"sequence": "a cat", "score": 0.2, "token": 1, "token_str": "cat"},
        {"sequence": "a dog", "score": 0.7, "token": 2, "token_str": "dog"},
    ]
    frame = shown(run_of("fill-mask", {"text": "a [MASK]"}, value)).dataframe[0].value
    assert frame["Sentence"].tolist() == ["a dog", "a cat"]


def test_similarities_stand_beside_their_sentences() -> None:
    inputs = {"sentence": "x", "other_sentences": ["far", "near"]}
    frame = shown(run_of("sentence-similarity", inputs, [0.1, 0.9])).dataframe[0].value
    assert frame["Sentence"].tolist() == ["near", "far"]


NONSENSE: list[Any] = [
    {"x": [None, b"\0", {"y": float("nan")}]},
    [],
    [[]],
    3,
    [SCRIPT],
    {"label": 1},
    [None],
    [{"label": SCRIPT, "score": "high", "box": {"xmin": 1e400}, "mask": SCRIPT}],
    {"answer": 5},
    {"chunks": [{"text": SCRIPT, "timestamp": "now"}], "text": SCRIPT},
]


@pytest.mark.parametrize("task", TASKS)
def test_nonsense_harms_nothing(task: str) -> None:
    at = shown(*(run_of(task, {"text": "x"}, value) for value in NONSENSE))
    assert "<script" not in html_of(at)
    assert not [each.value for each in at.markdown if "$" in each.value or "<" in each.value]


def test_what_has_no_form_is_json_without_its_bytes() -> None:
    at = shown(run_of("summarization", {"text": "x"}, {"odd": b"12345"}))
    assert '"odd": "5 bytes"' in at.code[0].value
