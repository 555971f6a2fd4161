"""Signed checkpoints: how far each file of the audit went, so that a missing tail shows.

The ledger's owner appends one every 10 s in which a record was written, and each process one at
its clean end. A checkpoint covers only what it has read, found whole and synced.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from hf_ledger.ingest.doors.gateway.audit import head as places_of
from hf_ledger.ingest.doors.gateway.audit.book import Book
from hf_ledger.ingest.doors.gateway.audit.chain import Walk, link
from hf_ledger.ingest.doors.gateway.audit.ending import is_over
from hf_ledger.ingest.doors.gateway.audit.head import CHECKPOINTS, files_in, folder_of
from hf_ledger.ingest.doors.gateway.audit.records import Checkpoint, Head, Seen, body
from hf_ledger.ingest.doors.gateway.audit.retention import expired
from hf_ledger.ingest.doors.gateway.audit.sealed import newest_is_signed
from hf_ledger.ingest.doors.gateway.audit.signing import public_hex, sign, signing_key
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

BEAT_SECONDS = 10.0
RETENTION_NS = 3600 * 10**9
UNKNOWN = Seen(0, "")
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)

_log = logging.getLogger("hf_ledger")
_sync = getattr(os, "fdatasync", os.fsync)


class Keeper:
    """Appends checkpoints for a ledger's folder; several may, one at a time.

    `start` does so in a thread until `close`. `days` is how long files are kept; None, as for a
    process that only covers its own end: nothing is removed.
    """

    def __init__(
        self, places: Places, days: int | None = None, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._places = places
        self._folder = folder_of(places)
        self._days = days
        self._clock = clock
        self._book = Book()
        self._complaints: set[str] = set()
        self._looked = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Cover what there is, then go on every 10 s in the background."""
        self._thread = threading.Thread(target=self._run, name="hf-ledger-checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The last checkpoint; never raises."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=30)
            self._try("end")

    def checkpoint(self, why: str = "beat") -> Seen | None:
        """Cover what moved since the last one; the newest checkpoint. Raises `OSError`, `Unusable`.

        A beat without anything new writes nothing.
        """
        with self._alone() as file:
            self._catch_up(file)
            moved = self._survey()
            removed = self._expired(moved)
            doubts = {"cut": self._cut(), "unsigned": self._unsigned()}
            if moved or removed or any(doubts.values()) or why != "beat" or not self._book.newest:
                self._append(file, why, heads=moved, removed=removed, **doubts)
            for name in removed:
                (self._folder / name).unlink(missing_ok=True)
        return self._book.newest

    def _run(self) -> None:
        self._try("start")
        while not self._stop.wait(BEAT_SECONDS):
            self._try("beat")

    def _try(self, why: str) -> None:
        try:
            self.checkpoint(why)
        except (OSError, Unusable) as error:
            self._complain(f"no checkpoint can be written: {error}")

    def _complain(self, what: str) -> None:
        if what not in self._complaints:
            self._complaints.add(what)
            _log.warning("audit: %s", what)

    # -- under the lock of all keepers ---------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[BinaryIO]:
        self._places.make(self._folder)
        descriptor = os.open(self._folder / CHECKPOINTS, FLAGS, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield file

    def _catch_up(self, file: BinaryIO) -> None:
        """Read what others appended."""
        size = os.fstat(file.fileno()).st_size
        if size < self._book.walk.size:
            self._book = Book()
        with (self._folder / CHECKPOINTS).open("rb") as reader:
            for _ in self._book.lines(reader, size):
                pass
        if self._book.walk.torn:
            os.ftruncate(file.fileno(), self._book.walk.size)
            self._book.walk.torn = b""

    def _unsigned(self) -> int | None:
        """The newest checkpoint, where another wrote it who has no key: nothing may build on it
        as if it were ours, so the next one says so for good."""
        signed = newest_is_signed(self._book, public_hex(signing_key(self._places.keys)))
        return None if signed else len(self._book)

    def _cut(self) -> Seen | None:
        """The checkpoint that was noted as the newest and is not there, if any."""
        noted = places_of.newest(self._places)
        if noted is None:
            return UNKNOWN if len(self._book) > 1 else None
        return None if self._book.knows(noted) else noted

    def _survey(self) -> dict[str, Head]:
        """Each file that goes further than the newest checkpoint says, whole records only."""
        moved: dict[str, Head] = {}
        paths = files_in(self._folder)
        for name in self._book.heads.keys() - {path.name for path in paths}:
            self._complain(f"{name} is missing; see hf-ledger audit verify")
        for path in paths:
            known = self._book.heads.get(path.name)
            size = path.stat().st_size
            if path.name in self._book.removed or (known and size == known.bytes):
                continue
            if found := self._followed(path, known, size):
                moved[path.name] = found
        return moved

    def _followed(self, path: Path, known: Head | None, size: int) -> Head | None:
        walk = Walk.after(known)
        with path.open("rb") as file:
            for _ in walk.lines(file, size):
                pass
            _sync(file.fileno())
        if walk.broken or size < walk.size:
            self._complain(f"{path.name} is not what was written; see hf-ledger audit verify")
        reached = walk.head()
        if walk.torn and is_over(path):
            torn = sha256(walk.torn).hexdigest()
            reached = msgspec.structs.replace(reached, torn=torn)
        return None if reached == known or not walk.records else reached

    def _expired(self, moved: dict[str, Head]) -> dict[str, Head]:
        """Files past their days, looked for once an hour."""
        now = self._clock()
        if self._days is None or 0 <= now - self._looked < RETENTION_NS:
            return {}
        self._looked = now
        before = now // 1000 - self._days * 86_400 * 10**6
        return expired(self._folder, {**self._book.heads, **moved}, before)

    def _append(self, file: BinaryIO, why: str, **told: Any) -> None:
        key = signing_key(self._places.keys)
        checkpoint = Checkpoint(
            ts=self._clock() // 1000,
            number=len(self._book) + 1,
            why=why,
            public_key=public_hex(key),
            **told,
        )
        chain, content = self._book.walk.chain, body(checkpoint)
        content += b',"signature":"%b"' % sign(key, chain, content).encode()
        line, chain = link(chain, content)
        size = _append_whole(file.fileno(), line)
        self._book.walk = Walk(len(self._book) + 1, size, chain)
        self._book.take(checkpoint)
        self._book.last = None
        assert self._book.newest is not None
        places_of.note(self._places, self._book.newest)


def _append_whole(descriptor: int, line: bytes) -> int:
    """Append and sync a line, or leave the file as it was; its size after that."""
    size = os.fstat(descriptor).st_size
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
        _sync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
    return size + written
