"""PDF becomes text, page by page, in the order in which the file writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Lock
from typing import Any

from hf_ledger.ingest.doors.documents.document import NEEDED, Document, check_length
from hf_ledger.ingest.errors import Unusable

#: PDFium serves one thread at a time in a process.
_ONE_AT_A_TIME = Lock()
_MOST_PAGES = 20_000

#: How PDFium marks a hyphen that only a line's end made.
_HYPHEN = re.compile("[\ufffe\u0002]\n?")
_SPACES = re.compile("[ \t\u00a0]+\n")
_FINISHED = re.compile(r"[.!?…:;。！？؟।][\"'”’»)\]」』）]*$")


def pdf(data: bytes, name: str) -> Document:
    """What a PDF says. Raises Unusable where it is locked or damaged, or its pages are pictures."""
    try:
        import pypdfium2
    except ImportError as absent:
        raise Unusable(NEEDED.format(kind="PDF", library="pypdfium2")) from absent
    with _ONE_AT_A_TIME:
        try:
            with pypdfium2.PdfDocument(data) as opened:
                title = opened.get_metadata_value("Title").strip() or None
                texts = list(_texts(opened, name))
        except pypdfium2.PdfiumError as error:
            raise Unusable(_unreadable(name, str(error))) from None
    if not any(texts):
        raise Unusable(
            f"{name} holds pictures and no text, as a scan does: let a program for text recognition"
            " (OCR) add it first."
        )
    text, pages = _joined(texts)
    return Document(text, "pdf", title, pages, _notes(texts))


def _texts(opened: Any, name: str) -> Iterator[str]:
    if len(opened) > _MOST_PAGES:
        raise Unusable(f"{name} has {len(opened):,} pages, more than {_MOST_PAGES:,}: divide it.")
    size = 0
    for number in range(len(opened)):
        page = opened[number]
        try:
            read = page.get_textpage()
            text = _tidy(read.get_text_bounded())
            read.close()
        finally:
            page.close()
        size += len(text)
        check_length(size, name)
        yield text


def _tidy(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SPACES.sub("\n", _HYPHEN.sub("", text)).strip()


def _joined(texts: list[str]) -> tuple[str, tuple[int, ...]]:
    """All pages, and where each begins; a sentence that a page's end interrupts goes on."""
    parts: list[str] = []
    pages: list[int] = []
    size = 0
    for text in texts:
        if parts and text:
            parts.append("\n\n" if _FINISHED.search(parts[-1]) else "\n")
            size += len(parts[-1])
        pages.append(size)
        if text:
            parts.append(text)
            size += len(text)
    return "".join(parts), tuple(pages)


def _notes(texts: list[str]) -> tuple[str, ...]:
    empty = [str(number) for number, text in enumerate(texts, 1) if not text]
    if not empty:
        return ()
    more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
    which = "page " if len(empty) == 1 else "pages "
    return (f"No text on {which}{', '.join(empty[:10])}{more}: blank, or pictures.",)


def _unreadable(name: str, why: str) -> str:
    if "assword" in why:
        return f"{name} is protected by a password: save a copy without one."
    return f"{name} is damaged or no PDF: open it in a viewer and save it again."
