"""Whether anybody still writes to a file, by its last record and by the process that opened it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.records import LAST, Opened, record_of
from hf_ledger.ingest.spool.process import is_gone, process_start

MOST_LINE_BYTES = 64 * 2**10


def is_over(path: Path) -> bool:
    """True where it was ended, or where its process is known to be gone."""
    if has_ended(path):
        return True
    opened = opened_by(path)
    return opened is not None and is_gone(opened.host, opened.pid, opened.process_start)


def is_written(path: Path) -> bool:
    """True where it was not ended, and its process is known to live."""
    opened = opened_by(path)
    if has_ended(path) or opened is None or opened.host != socket.gethostname():
        return False
    return process_start(opened.pid) == opened.process_start


def has_ended(path: Path) -> bool:
    """Whether its last whole record says that there are no more."""
    return last_line(path, path.stat().st_size).startswith(LAST)


def opened_by(path: Path) -> Opened | None:
    """The record that introduces the file."""
    with path.open("rb") as file:
        opened = record_of(file.readline(MOST_LINE_BYTES))
    return opened if isinstance(opened, Opened) else None


def last_line(path: Path, size: int) -> bytes:
    """The last whole line before this size, or a piece of it where it is very long."""
    with path.open("rb") as file:
        file.seek(max(0, size - MOST_LINE_BYTES), os.SEEK_SET)
        lines = file.read(min(size, MOST_LINE_BYTES)).splitlines(keepends=True)
    whole = [line for line in lines[-2:] if line.endswith(b"\n")]
    return whole[-1] if whole else b""
