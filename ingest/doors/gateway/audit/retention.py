"""Which files of the audit are past their days: ended ones, covered to their last byte."""

from __future__ import annotations

import os
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.book import Book
from hf_ledger.ingest.doors.gateway.audit.head import files_in
from hf_ledger.ingest.doors.gateway.audit.records import LAST, Head, Opened, record_of
from hf_ledger.ingest.spool.process import is_gone

DAYS = 400
MOST_LINE_BYTES = 64 * 2**10


def expired(folder: Path, book: Book, before: int) -> dict[str, Head]:
    """Files whose last record is older than `before` (µs), with what is covered of them."""
    found: dict[str, Head] = {}
    for path in files_in(folder):
        head = book.heads.get(path.name)
        if head and _is_whole(path, head) and is_over(path) and _last_ts(path, head) < before:
            found[path.name] = head
    return found


def is_over(path: Path) -> bool:
    """Whether nobody writes to it any more: it was ended, or its process is gone."""
    last = last_line(path, path.stat().st_size)
    if last.startswith(LAST):
        return True
    with path.open("rb") as file:
        opened = record_of(file.readline(MOST_LINE_BYTES))
    return isinstance(opened, Opened) and is_gone(opened.host, opened.pid, opened.process_start)


def last_line(path: Path, size: int) -> bytes:
    """The last whole line before this size, or a piece of it where it is very long."""
    with path.open("rb") as file:
        file.seek(max(0, size - MOST_LINE_BYTES), os.SEEK_SET)
        lines = file.read(min(size, MOST_LINE_BYTES)).splitlines(keepends=True)
    whole = [line for line in lines[-2:] if line.endswith(b"\n")]
    return whole[-1] if whole else b""


def _is_whole(path: Path, head: Head) -> bool:
    return path.stat().st_size == head.bytes or head.torn is not None


def _last_ts(path: Path, head: Head) -> int:
    last = record_of(last_line(path, head.bytes))
    return last.ts if last else 2**63
