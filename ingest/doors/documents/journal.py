"""Answers on disk, encrypted, until they expire: what was paid for outlives a killed process.

Each process appends to a segment of its own, which it holds locked; a record is written with one
`write` as soon as its answer is here, so that killing the process loses nothing written, and counts
only when it is on the disk. Before a request leaves, that it does is written too: what a dead
process had under way is known afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hf_ledger.ingest.doors.documents.caching import Begun
from hf_ledger.ingest.doors.documents.records import (
    ANSWERED,
    BEGUN,
    CLOSED,
    Record,
    Sealer,
    What,
    records_in,
)
from hf_ledger.ingest.places import Places

KEPT_DAYS = 7
MOST_BYTES = 256 << 20
SEGMENT_BYTES = 16 << 20
SUFFIX = ".answers"
DAY_MS = 24 * 3600 * 1000


def folder_of(places: Places) -> Path:
    """Where a ledger keeps the answers of documents."""
    return places.root / "documents"


class Place(NamedTuple):
    path: Path
    record: Record


class Journal:
    """The store on disk. `folder` may be shared by any number of processes."""

    def __init__(
        self,
        folder: Path,
        secret: bytes,
        *,
        days: float = KEPT_DAYS,
        most_bytes: int = MOST_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._sealer = Sealer(secret)
        self._kept_ms = round(days * DAY_MS)
        self._most_bytes = most_bytes
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._segment: Segment | None = None
        self._lock = threading.Lock()
        self._answers: dict[bytes, Place] = {}
        self._open: dict[bytes, Place] = {}  # begun by a process that is gone, and not ended
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tidy()
        for path in segments_of(folder):
            self._learn(path)

    # -- a store -----------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        place = self._answers.get(key)
        found = place and self._read(place)
        if found is None:
            self._answers.pop(key, None)
        return found

    def put(self, key: bytes, answer: bytes) -> Callable[[], None]:
        segment, place = self._write(ANSWERED, key, answer)
        self._answers[key] = place
        self._open.pop(key, None)
        return segment.sync

    def begin(self, key: bytes) -> Begun:
        lost = self._open.get(key)
        earlier = lost and self._read(lost)
        once = earlier or secrets.token_hex(16).encode()
        self._write(BEGUN, key, once)
        return Begun(once.decode("ascii", "replace"), again=earlier is not None)

    def close(self, key: bytes) -> None:
        self._write(CLOSED, key, b"")
        self._open.pop(key, None)

    def shut(self) -> None:
        """Let the segment go; what is in it stays."""
        with self._lock:
            if self._segment is not None:
                self._segment.close()
            self._segment = None

    # -- its files ---------------------------------------------------------------------------------

    def _learn(self, path: Path) -> None:
        """What stands in a segment; what a living process has under way is its own."""
        try:
            content = path.read_bytes()
        except OSError:
            return
        alive = is_held(path)
        for record in records_in(content):
            place = Place(path, record)
            if record.what == ANSWERED:
                self._answers[record.key] = place
            if record.what == BEGUN and not alive:
                self._open[record.key] = place
            else:
                self._open.pop(record.key, None)

    def _read(self, place: Place) -> bytes | None:
        """The content; None where it expired, is gone or does not open."""
        record = place.record
        if record.ms < self._now_ms() - self._kept_ms:
            return None
        try:
            with place.path.open("rb") as file:
                file.seek(record.start)
                return self._sealer.opened(file.read(record.size))
        except OSError:
            return None

    def _write(self, what: What, key: bytes, content: bytes) -> tuple[Segment, Place]:
        ms = self._now_ms()
        sealed = self._sealer.sealed(what, key, ms, content)
        with self._lock:
            segment = self._current()
            try:
                start = segment.append(sealed)
            except OSError:
                # Whatever came of it stays behind; what follows must not stand after a torn record.
                segment.close()
                self._segment = None
                raise
        return segment, Place(segment.path, Record(what, key, ms, start, len(sealed)))

    def _current(self) -> Segment:
        full = self._segment is not None and self._segment.size >= self._segment_bytes
        if self._segment is not None and full:
            self._segment.close()
            self._tidy()
        if self._segment is None or full:
            self._segment = Segment(self._folder)
        return self._segment

    def _tidy(self) -> None:
        tidy(self._folder, self._now_ms() - self._kept_ms, self._most_bytes)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


class Segment:
    """A file that one process appends to and holds locked while it lives."""

    def __init__(self, folder: Path) -> None:
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self.path = folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.size = 0
        sync_folder(folder)

    def append(self, data: bytes) -> int:
        """Write it whole; where it begins. Raises OSError, then the segment is not to be used."""
        start = self.size
        written = os.write(self._descriptor, data)
        self.size += written
        if written != len(data):
            raise OSError(f"{written} of {len(data)} bytes were written")
        return start

    def sync(self) -> None:
        """Until all that was written is on the disk; a closed segment was synced before."""
        try:
            os.fsync(self._descriptor)
        except OSError:
            if self._descriptor != -1:
                raise

    def close(self) -> None:
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1


def segments_of(folder: Path) -> list[Path]:
    """The oldest first; none where there is no folder."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob(f"*{SUFFIX}"))
    return []


def is_held(path: Path) -> bool:
    """Whether the process that appends to it lives."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def tidy(folder: Path, before_ms: int, most_bytes: int = MOST_BYTES) -> int:
    """Remove segments that ended before, then the oldest until the rest is small enough; how many.

    What a living process appends to stays.
    """
    removed = 0
    left = sum(size for _, size, _ in _sized(folder))
    for path, size, ended_ms in _sized(folder):
        if (ended_ms < before_ms or left > most_bytes) and not is_held(path):
            path.unlink(missing_ok=True)
            left -= size
            removed += 1
    return removed


def purge(places: Places) -> int:
    """Remove all answers that are kept, but for what a living process just appends; how many."""
    return tidy(folder_of(places), before_ms=1 << 62)


def _sized(folder: Path) -> Iterator[tuple[Path, int, int]]:
    for path in segments_of(folder):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            yield path, found.st_size, found.st_mtime_ns // 1_000_000


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
