"""The language of a text, as far as its sentences ask for it."""

from __future__ import annotations

import pytest
from factories_documents import LANGUAGES, labelled

from hf_ledger.ingest.doors.documents.languages import SAMPLE, language_of


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_says_which_language_it_is_in(language: str) -> None:
    texts = [each.text for each in labelled(language)]
    assert language_of("\n\n".join(texts)) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        ("12 345 — !!", "en"),
        ("Il est allé dans la rue, et les enfants du village le suivaient.", "fr"),
        ("Он пошёл домой, потому что было поздно.", "ru"),
        ("Hij is niet naar het huis van zijn vader gegaan.", "nl"),
        ("Nie wiem, że się to jest tak.", "pl"),
        ("東京 Tokyo で会いましょう。Bye.", "ja"),
    ],
)
def test_letters_and_words_say_so(text: str, language: str) -> None:
    assert language_of(text) == language


def test_only_the_beginning_is_looked_at() -> None:
    assert language_of("the " * SAMPLE + "สวัสดี" * SAMPLE) == "en"
