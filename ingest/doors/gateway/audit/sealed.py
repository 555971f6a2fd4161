"""Whether the checkpoints are as they were signed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.book import Book
from hf_ledger.ingest.doors.gateway.audit.chain import Walk
from hf_ledger.ingest.doors.gateway.audit.findings import Broken, following
from hf_ledger.ingest.doors.gateway.audit.records import Checkpoint
from hf_ledger.ingest.doors.gateway.audit.signing import signed

SIGNATURE = b',"signature":"'


def first_broken(path: Path, book: Book, trusted: str | None) -> Broken | None:
    """Read all checkpoints into the book; the first that doesn't hold under this public key.

    The newest signature is looked at alone: whoever gave it looked at the one before (`Keeper`),
    and it holds only if all before it is as it was then.
    """
    at = Walk()
    with path.open("rb") as file:
        for checkpoint, _ in book.lines(file, path.stat().st_size):
            if why := _says_no(checkpoint, trusted):
                return following(path.name, at, why)
            at = replace(book.walk)
    if not newest_is_signed(book):
        return _first_unsigned(path)
    if book.walk.torn:
        return following(path.name, at, "breaks off", "torn")
    return following(path.name, at, book.walk.broken) if book.walk.broken else None


def newest_is_signed(book: Book, trusted: str | None = None) -> bool:
    """Whether the signature of the newest checkpoint read holds, under this key if one is given."""
    if book.last is None:
        return True
    checkpoint, line, before = book.last
    own = trusted is None or checkpoint.public_key == trusted
    return own and _is_signed(line, checkpoint, before)


def _first_unsigned(path: Path) -> Broken | None:
    at, book = Walk(), Book()
    with path.open("rb") as file:
        for checkpoint, line in book.lines(file, path.stat().st_size):
            if not _is_signed(line, checkpoint, at.chain):
                return following(path.name, at, "its signature does not hold")
            at = replace(book.walk)
    return None


def _says_no(checkpoint: Checkpoint, trusted: str | None) -> str | None:
    if trusted and checkpoint.public_key != trusted:
        return "is signed with another key"
    if checkpoint.unsigned:
        return f"says that checkpoint {checkpoint.unsigned} before it was not signed with its key"
    if checkpoint.cut:
        which = checkpoint.cut.number or "(unknown which)"
        return f"says that checkpoint {which} was taken away before it was written"
    return None


def _is_signed(line: bytes, checkpoint: Checkpoint, before: bytes) -> bool:
    content, mark, rest = line.rpartition(SIGNATURE)
    exact = rest.startswith(checkpoint.signature.encode() + b'","chain":"')
    lower = checkpoint.signature == checkpoint.signature.lower()
    return (
        bool(mark)
        and exact
        and lower
        and signed(checkpoint.public_key, before, content, checkpoint.signature)
    )
