"""A document that has been read: its text, and where in it what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hf_ledger.ingest.errors import Unusable

Kind = Literal["txt", "md", "html", "pdf", "docx"]

#: A longer text is a hundred novels, or a mistake.
MOST_CHARACTERS = 50_000_000

NEEDED = "Reading {kind} needs {library}: pip install 'hf-ledger[documents]'."


@dataclass(frozen=True, slots=True)
class Document:
    """`text` is Markdown but for txt and pdf. `notes` are sentences for whoever reads the result.

    `pages` are the offsets at which a PDF's pages begin; other kinds have none.
    """

    text: str
    kind: Kind
    title: str | None = None
    pages: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def bounded(text: str, name: str) -> str:
    """The text itself. Raises Unusable where it is longer than anything that is split."""
    check_length(len(text), name)
    return text


def check_length(characters: int, name: str) -> None:
    """Raises Unusable where a text is too long."""
    if characters > MOST_CHARACTERS:
        raise Unusable(
            f"{name} has more than {MOST_CHARACTERS:,} characters: divide it into several files."
        )
