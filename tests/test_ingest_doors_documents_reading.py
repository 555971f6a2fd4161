"""Files of every kind become text, or one sentence that says why not."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from factories_documents import docx_of, paragraph, pdf_of
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents import document, reading
from hf_ledger.ingest.doors.documents.reading import read, read_bytes
from hf_ledger.ingest.errors import Unusable

PAGE = b"<html><title>T</title><body><h1>A heading</h1><p>A page.</p></body></html>"
FILES = {
    "note.txt": (b"A text.\r\n", "txt", "A text.\r\n"),
    "note.md": (b"# A heading\n", "md", "# A heading\n"),
    "page.html": (PAGE, "html", "# A heading\n\nA page.\n"),
    "paper.pdf": (pdf_of("A paper."), "pdf", "A paper."),
    "letter.docx": (docx_of(paragraph("A letter.")), "docx", "A letter.\n"),
    "program.py": (b"print(1)\n", "txt", "print(1)\n"),
    "misnamed.txt": (pdf_of("A paper."), "pdf", "A paper."),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_what_it_is(tmp_path: Path, name: str) -> None:
    content, kind, text = FILES[name]
    (tmp_path / name).write_bytes(content)
    found = read(tmp_path / name)
    assert (found.kind, found.text, found.notes) == (kind, text, ())


REFUSED = {
    "empty.txt": (b"", "holds no text"),
    "blank.md": (b" \n\t\n", "holds no text"),
    "empty.html": (b"<body><script>x()</script></body>", "holds no text"),
    "blank.docx": (docx_of(paragraph("")), "holds no text"),
    "zeros.bin": (bytes(range(256)) * 20, "is no text"),
    "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "old Office format"),
    "rich.rtf": (b"{\\rtf1 hello}", "rich text format"),
    "other.zip": (b"PK\x03\x04 something", "no Word document"),
    "damaged.pdf": (b"no PDF", "is damaged or no PDF"),
    "damaged.docx": (b"no Word", "is damaged or no DOCX"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_says_why_in_one_sentence(name: str) -> None:
    content, why = REFUSED[name]
    with pytest.raises(Unusable, match=why) as raised:
        read_bytes(content, name)
    assert str(raised.value).startswith(name)
    assert str(raised.value).endswith(".")


def test_a_folder_a_missing_file_and_a_pipe_are_no_documents(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    for name in ("", "missing.txt", "pipe.txt"):
        with pytest.raises(Unusable, match="is no file"):
            read(tmp_path / name)


def test_a_file_is_read_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 1 << 20)
    (tmp_path / "large.txt").write_bytes(b"x" * (1 << 20))
    assert len(read(tmp_path / "large.txt").text) == 1 << 20
    (tmp_path / "large.txt").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(Unusable, match=r"large\.txt has more than 1 MB"):
        read(tmp_path / "large.txt")


@pytest.mark.parametrize("name", FILES)
def test_no_kind_is_read_beyond_so_many_characters(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MOST_CHARACTERS", 5)
    with pytest.raises(Unusable, match="has more than 5 characters"):
        read_bytes(FILES[name][0], name)


@pytest.mark.parametrize("name", ["paper.pdf", "letter.docx", "page.html"])
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name][0])
    places = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(len(content) // 2, len(content)))
    try:
        assert read_bytes(bytes(content[:end]), name).text.strip()
    except Unusable as error:
        assert str(error).count("\n") == 0


def test_no_refusal_quotes_the_file() -> None:
    marked = paragraph("secret-marker") + "<w:broken"
    for content, name in (
        (docx_of(marked), "a.docx"),
        (b"\xff\xfe" + "secret-marker".encode("utf-16-le") + b"\xd8", "a.txt"),
        (b"\x00\x01secret-marker" * 9, "a.bin"),
        (b"%PDF-1.4 secret-marker", "a.pdf"),
        (b"<div>" * 3_000 + b"secret-marker", "a.html"),
    ):
        with pytest.raises(Unusable) as raised:
            read_bytes(content, name)
        assert "secret-marker" not in str(raised.value)
        assert raised.value.__cause__ is None


def test_files_of_every_kind_are_read_by_many_threads_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            texts = list(pool.map(lambda name: read_bytes(FILES[name][0], name).text, FILES))
            assert texts == [text for _, _, text in FILES.values()]
