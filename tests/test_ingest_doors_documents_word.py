"""Word's files become Markdown, and what no reader should unpack is refused."""

from __future__ import annotations

import pytest
from factories_documents import NOTE_MARK, docx_of, paragraph, table, zip_of

from hf_ledger.ingest.doors.documents import word as module
from hf_ledger.ingest.doors.documents.word import word
from hf_ledger.ingest.errors import Unusable

ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/hostname">]>'


def test_headings_lists_tables_and_footnotes_stay() -> None:
    marked = paragraph("A sentence.").replace("</w:p>", f"{NOTE_MARK}</w:p>")
    body = (
        paragraph("The title", "Title")
        + paragraph("Chapter", "Heading1")
        + marked
        + paragraph("one", level=0)
        + paragraph("within", level=1)
        + paragraph("two", level=0)
        + table(("A", "B|C"), ("1", "2"))
    )
    found = word(docx_of(body, note="The note.", title="Cats &amp; dogs"), "a.docx")
    assert found.title == "Cats & dogs"
    assert found.text.split("\n") == [
        "# The title",
        "",
        "# Chapter",
        "",
        "A sentence.[^1]",
        "",
        "- one",
        "  1. within",
        "- two",
        "",
        "| A | B\\|C |",
        "| --- | --- |",
        "| 1 | 2 |",
        "",
        "[^1]: The note.",
        "",
    ]


def test_a_file_without_a_title_has_none() -> None:
    assert word(docx_of(paragraph("text")), "a.docx").title is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(encoding: str) -> None:
    assert module._declares(ENTITIES.encode(encoding))
    with pytest.raises(Unusable, match="declares XML entities"):
        word(docx_of(paragraph("&b;"), prolog=ENTITIES), "a.docx")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zip_of({"word/document.xml": " " * (module.MOST_XML + 1)})
    assert len(bomb) < 100_000
    with pytest.raises(Unusable, match="unpacks to more than 64 MB"):
        word(bomb, "bomb.docx")


def test_a_file_of_endlessly_many_parts_is_refused() -> None:
    with pytest.raises(Unusable, match="unpacks to more than"):
        word(zip_of({f"word/{each}.xml": "" for each in range(10_001)}), "parts.docx")


def test_a_file_nested_without_end_is_refused() -> None:
    deep = "<w:sdt><w:sdtContent>" * 4_000 + paragraph("x") + "</w:sdtContent></w:sdt>" * 4_000
    with pytest.raises(Unusable, match="is damaged or no Word document"):
        word(docx_of(deep), "deep.docx")


def test_another_kind_of_zip_is_no_word_document() -> None:
    with pytest.raises(Unusable, match="no Word document"):
        word(zip_of({"xl/workbook.xml": "<x/>"}), "table.docx")
