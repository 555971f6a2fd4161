"""Marks in a text: the text stays what it was, and nothing in it is HTML."""

from __future__ import annotations

import re
from html import unescape
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard.console.marked import (
    COLOURS,
    Span,
    apart,
    colours_of,
    grid,
    legend,
    marked,
)

TEXT = st.text(alphabet=st.characters(exclude_characters="\0"), max_size=40) | st.text(
    alphabet="<>/&;b\"'$ ", max_size=40
)
SPANS = st.lists(st.builds(Span, st.integers(-3, 45), st.integers(-3, 45), st.just("")), max_size=6)


def shown(html: str) -> str:
    """What a reader sees: tags taken out, names of characters read."""
    return unescape(re.sub(r"<[^>]*>", "", html))


@given(TEXT, SPANS)
def test_the_text_is_whole_whatever_is_marked(text: str, spans: list[Span]) -> None:
    assert shown(marked(text, spans)) == text


@given(TEXT, SPANS)
def test_the_only_tags_are_ours(text: str, spans: list[Span]) -> None:
    tags = set(re.findall(r"</?([a-z]+)", marked(text, spans)))
    assert tags <= {"div", "mark"}


@given(SPANS, st.integers(0, 40))
def test_spans_are_apart_and_inside(spans: list[Span], length: int) -> None:
    kept = apart(spans, length)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    assert all(0 <= span.start < span.end <= length for span in kept)


def test_the_longer_of_two_that_start_together_stays() -> None:
    assert apart([Span(0, 2), Span(0, 5), Span(3, 6)], 9) == [Span(0, 5)]


def test_a_mark_names_its_kind_behind_it() -> None:
    assert shown(marked("Ada here", [Span(0, 3, "PER")])) == "AdaPER here"


def test_kinds_have_their_own_colours_in_order() -> None:
    spans = [Span(0, 1, "A"), Span(1, 2, "B"), Span(2, 3, "A")]
    assert colours_of(spans) == {"A": COLOURS[0], "B": COLOURS[1]}
    assert shown(legend(spans, 3)) == "A2 B1"


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_lines_are_seen_on_light_and_on_dark() -> None:
    """At least 3:1 to white and to the dark page's ground, #0E1117."""
    ground = luminance("#0E1117")
    for colour in COLOURS:
        light = luminance(colour)
        assert (1 + 0.05) / (light + 0.05) >= 3, colour
        assert (light + 0.05) / (ground + 0.05) >= 3, colour


def test_a_table_marks_its_cells_and_escapes_all() -> None:
    html = grid({"<b>city": ["Rome", "<i>Oslo"], "n": ["1", "$2"]}, [(1, 0), (9, 9)])
    assert "<b>" not in html
    assert "<i>" not in html
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", html) == ["&lt;i&gt;Oslo"]
    assert shown(html) == "<b>citynRome1<i>Oslo$2"
