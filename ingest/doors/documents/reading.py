"""A file becomes text that can be split: txt, Markdown, HTML, PDF and Word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hf_ledger.ingest.doors.documents.decoding import decoded
from hf_ledger.ingest.doors.documents.document import Document, Kind, bounded
from hf_ledger.ingest.doors.documents.pdf import pdf
from hf_ledger.ingest.doors.documents.webpage import webpage
from hf_ledger.ingest.doors.documents.word import word
from hf_ledger.ingest.errors import Unusable

LARGEST_FILE = 256 << 20

_KINDS: dict[str, Kind] = {
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
#: What a file begins with, whatever its name: those of another kind than it says are common.
_BEGINNINGS: dict[bytes, Kind] = {b"%PDF-": "pdf", b"PK\x03\x04": "docx"}
_NOT_READ = {
    b"\xd0\xcf\x11\xe0": "is protected by a password or of an old Office format: save it as docx",
    b"{\\rtf": "is in rich text format: save it as docx",
}
_READERS: dict[Kind, Callable[[bytes, str], Document]] = {
    "html": webpage,
    "pdf": pdf,
    "docx": word,
}


def read(path: Path) -> Document:
    """What a file says; the kind follows from its content, else its name, and else it is text.

    Raises Unusable with one sentence where it can't be read, or holds no text.
    """
    return read_bytes(_content(path), path.name)


def read_bytes(data: bytes, name: str) -> Document:
    """The same for a file that is in memory already, as an upload is."""
    kind = _kind_of(data, name)
    reader = _READERS.get(kind)
    document = reader(data, name) if reader else _text(data, name, kind)
    if not document.text.strip():
        raise Unusable(f"{name} holds no text.")
    return document


def _text(data: bytes, name: str, kind: Kind) -> Document:
    read = decoded(data, name)
    return Document(bounded(read.text, name), kind, notes=(read.note,) if read.note else ())


def _kind_of(data: bytes, name: str) -> Kind:
    for beginning, why in _NOT_READ.items():
        if data.startswith(beginning):
            raise Unusable(f"{name} {why}.")
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    suffix = Path(name).suffix.lower()
    if suffix in (".pdf", ".docx"):
        raise Unusable(f"{name} is damaged or no {suffix[1:].upper()}: save it again.")
    return _KINDS.get(suffix, "txt")


def _content(path: Path) -> bytes:
    """The bytes of a file, of a size that can be read."""
    try:
        if not path.is_file():
            raise Unusable(f"{path} is no file: name one that is txt, md, html, pdf or docx.")
        with path.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Unusable(f"{path} can't be read: {error.strerror or error}.") from error
    if len(data) > LARGEST_FILE:
        raise Unusable(f"{path.name} has more than {LARGEST_FILE >> 20} MB: divide it.")
    return data
