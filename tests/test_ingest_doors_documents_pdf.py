"""PDF becomes text page by page; what has no text is never an empty success."""

from __future__ import annotations

import pytest
from factories_documents import pdf_of

from hf_ledger.ingest.doors.documents import pdf as module
from hf_ledger.ingest.doors.documents.pdf import pdf
from hf_ledger.ingest.errors import Unusable


def test_pages_begin_where_they_say_and_the_title_is_read() -> None:
    found = pdf(pdf_of("First line.\nSecond line.", "Next page.", title="A paper"), "a.pdf")
    assert found.text == "First line.\nSecond line.\n\nNext page."
    assert [found.text[start:] for start in found.pages] == [found.text, "Next page."]
    assert found.title == "A paper"


def test_a_sentence_goes_on_over_the_end_of_a_page() -> None:
    found = pdf(pdf_of("This sentence goes", "on here. Done."), "a.pdf")
    assert found.text == "This sentence goes\non here. Done."
    assert found.pages == (0, 19)


def test_a_page_without_text_is_said_and_still_has_its_place() -> None:
    found = pdf(pdf_of("One.", "", "Three."), "a.pdf")
    assert found.text == "One.\n\nThree."
    assert found.pages == (0, 4, 6)
    assert found.notes == ("No text on page 2: blank, or pictures.",)


def test_many_pages_without_text_are_counted() -> None:
    found = pdf(pdf_of("One.", *[""] * 14), "a.pdf")
    assert found.notes == (
        "No text on pages 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 4 more: blank, or pictures.",
    )


def test_a_scan_is_refused() -> None:
    with pytest.raises(Unusable, match=r"scan\.pdf holds pictures and no text"):
        pdf(pdf_of("", ""), "scan.pdf")


def test_a_locked_file_is_refused() -> None:
    with pytest.raises(Unusable, match=r"locked\.pdf is protected by a password"):
        pdf(pdf_of("Hidden.", encrypted=True), "locked.pdf")


def test_pages_are_read_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PAGES", 2)
    with pytest.raises(Unusable, match="has 3 pages, more than 2"):
        pdf(pdf_of("a", "b", "c"), "a.pdf")


def test_a_word_divided_at_a_lines_end_is_whole_again() -> None:
    assert module._tidy("a long exam\ufffe\r\nple  \r\nends ") == "a long example\nends"
