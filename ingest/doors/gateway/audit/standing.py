"""How much audit there is, by its checkpoints and sizes alone; nothing is checked."""

from __future__ import annotations

import msgspec

from hf_ledger.ingest.doors.gateway.audit.book import Book
from hf_ledger.ingest.doors.gateway.audit.head import CHECKPOINTS, files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.records import Seen
from hf_ledger.ingest.doors.gateway.audit.signing import public_key
from hf_ledger.ingest.places import Places


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`records` are those that a checkpoint covers; `newest` is what to note elsewhere."""

    files: int
    bytes: int
    records: int
    removed: int  # files past their days
    checkpoints: int
    newest: Seen | None
    public_key: str | None


def standing(places: Places) -> Standing:
    """The state of a ledger's audit; raises `Unusable` where its key is damaged."""
    book, paths = _book(places), files_in(folder_of(places))
    return Standing(
        files=len(paths),
        bytes=sum(path.stat().st_size for path in paths),
        records=sum(head.records for head in book.heads.values()),
        removed=len(book.removed),
        checkpoints=len(book),
        newest=book.newest,
        public_key=public_key(places.keys),
    )


def _book(places: Places) -> Book:
    book, path = Book(), folder_of(places) / CHECKPOINTS
    if path.exists():
        with path.open("rb") as file:
            for _ in book.lines(file, path.stat().st_size):
                pass
    return book
