"""What a model wrote loads nothing and is no formula, however it is written."""

from __future__ import annotations

import time

import pytest
from factories_console import run_of, shown
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard.console.foreign import (
    MOST_SHOWN,
    Piece,
    code_spans,
    harmless,
    pieces_of,
)

PROSE = st.text(alphabet="ab `$!\\[]()\n~", max_size=60)


@given(PROSE)
def test_no_picture_survives(text: str) -> None:
    assert "![" not in harmless(text)


@given(PROSE)
def test_dollars_are_left_in_code_only(text: str) -> None:
    clean = harmless(text)
    inside = [range(*span) for span in code_spans(clean)]
    places = [place for place, mark in enumerate(clean) if mark == "$"]
    assert all(any(place in span for span in inside) for place in places)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("$5 and $6", "&#36;5 and &#36;6"),
        ("\\$5", "&#36;5"),
        ("run `echo $HOME` for $5", "run `echo $HOME` for &#36;5"),
        ("``a ` $b`` $", "``a ` $b`` &#36;"),
        ("a ` lone $", "a ` lone &#36;"),
        ("![x](http://evil/?q=secret)", "&#33;[x](http://evil/?q=secret)"),
        ("\\![x](y)", "&#33;[x](y)"),
        ("\\\\![x](y)", "\\&#33;[x](y)"),
        ("`![x](y)`", "`&#33;[x](y)`"),
    ],
)
def test_marks_by_example(text: str, clean: str) -> None:
    assert harmless(text) == clean


def test_code_blocks_are_taken_out_with_their_language() -> None:
    text = "Before\n```python\nprint('$5')\n```\nafter\n~~~\nopen $"
    assert pieces_of(text) == [
        Piece("Before"),
        Piece("print('$5')", "python", code=True),
        Piece("after"),
        Piece("open $", None, code=True),
    ]


def test_a_longer_fence_holds_a_shorter_one() -> None:
    assert pieces_of("````\n```\nx\n```\n````") == [Piece("```\nx\n```", None, code=True)]


@given(PROSE)
def test_no_word_is_lost_between_the_pieces(text: str) -> None:
    kept = "".join(piece.text for piece in pieces_of(text))
    assert [mark for mark in text if mark in "ab"] == [mark for mark in kept if mark in "ab"]


def test_many_backticks_take_no_long_time() -> None:
    """Every run has another length, so that none ends: a search for each would be quadratic."""
    text = " ".join("`" * length for length in range(1, 600))
    began = time.process_time()
    assert code_spans(text) == []
    assert time.process_time() - began < 2


def test_code_in_markdown_is_code() -> None:
    at = shown(run_of("chat-completion", {}, text="See\n```sh\necho $HOME\n```"))
    at.toggle[0].set_value(True).run()
    assert [each.value for each in at.code] == ["echo $HOME"]


def test_an_endless_answer_is_cut_and_offered_whole() -> None:
    at = shown(run_of("chat-completion", {}, text="x" * (MOST_SHOWN + 1)))
    assert len(at.text[0].value) == MOST_SHOWN
    assert "The first 200,000 of 200,001" in at.caption[0].value
    assert [each.label for each in at.get("download_button")] == ["Whole answer"]
