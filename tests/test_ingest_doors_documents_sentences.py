"""Where sentences end, on paragraphs marked by hand, and what keeps the library honest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from factories_documents import LANGUAGES, labelled
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.sentences import WINDOW, library, sentence_ends

#: What is found of the marks, both ways: the harmonic mean of precision and recall.
AT_LEAST = {"en": 0.9, "de": 0.92, "zh": 0.92, "ja": 0.92, "ar": 0.92, "th": 0.85}


def sentences(text: str, language: str = "en") -> list[str]:
    ends = sentence_ends(text, language, library())
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_marked_ends_are_found_and_few_others(language: str) -> None:
    right = found = marked = 0
    for each in labelled(language):
        ends = set(sentence_ends(each.text, language, library())) - {len(each.text)}
        right, found = right + len(ends & each.beginnings), found + len(ends)
        marked += len(each.beginnings)
    assert marked >= 25
    assert 2 * right / (found + marked) >= AT_LEAST[language]


def test_an_ordinal_ends_no_sentence_where_a_point_makes_one() -> None:
    assert sentences("Im 19. Jahrhundert war das so. Dann nicht.", "de") == [
        "Im 19. Jahrhundert war das so. ",
        "Dann nicht.",
    ]
    assert len(sentences("He was 19. Then he left.", "en")) == 2


def test_thai_ends_at_the_spaces_between_phrases_but_not_within_an_abbreviation() -> None:
    assert sentences("แมวของฉันสีดำ มันชอบนอนกลางวัน", "th") == ["แมวของฉันสีดำ ", "มันชอบนอนกลางวัน"]
    assert sentences("ประเทศไทยมี 77 จังหวัด", "th") == ["ประเทศไทยมี 77 จังหวัด"]
    assert sentences("ดร. สมชาย", "th") == ["ดร. สมชาย"]


@given(st.text() | st.text(alphabet="a. \n“\ud800。ก", max_size=60), st.sampled_from(LANGUAGES))
def test_ends_grow_and_the_last_is_the_whole_text(text: str, language: str) -> None:
    ends = sentence_ends(text, language, library())
    assert all(a < b for a, b in zip([0, *ends], ends, strict=False))
    assert (ends[-1] if ends else 0) == len(text)


def test_a_long_paragraph_ends_its_sentences_as_a_short_one_does() -> None:
    sentence = "Dr. Smith went to Washington on Jan. 5 and stayed. "
    assert set(sentences(sentence * 400)) == {sentence}


def test_a_hundred_thousand_quotation_marks_are_no_trap() -> None:
    text = "“" * 12 * WINDOW
    assert sentences(text)[-1:] != []


def lying(_language: str, text: str) -> list[Mapping[str, Any]]:
    """Like a library that strips what it gives back."""
    return [{"end_index": len(text.strip()) - 1}]


def standing(_language: str, text: str) -> list[Mapping[str, Any]]:
    return [{"end_index": 3}, {"end_index": 3}, {"end_index": len(text)}]


@pytest.mark.parametrize("segment", [lying, standing])
def test_an_answer_that_does_not_fit_the_text_is_not_taken(segment: Any) -> None:
    text = "One is here. Two is here! "
    assert sentence_ends(text, "en", segment) == [13, 26]
