"""The file that one process writes its records to: one `write` each, hash-chained, append-only.

A record is in the kernel's hands before the caller goes on, so that a kill -9 costs none; a
background thread calls `fdatasync` every 200 ms. What can't be written raises: the caller decides
whether the request goes on.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.chain import START, link
from hf_ledger.ingest.doors.gateway.audit.head import folder_of, newest
from hf_ledger.ingest.doors.gateway.audit.records import (
    ALGORITHM,
    FORMAT,
    Ended,
    Lost,
    Opened,
    Previous,
    Record,
    Rotated,
    Seen,
    body,
)
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import installed_version, process_start, restart_after_fork

ROTATE_BYTES = 64 * 2**20
ROTATE_NS = 24 * 3600 * 10**9
BEAT_SECONDS = 0.2

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
NO_FILE = -1

_log = logging.getLogger("hf_ledger")
_sync = getattr(os, "fdatasync", os.fsync)


class Trail:
    """The audit of this process, begun with its first record; safe from any thread and in a fork.

    `close` (also at the interpreter's end) says that the process ended and has it covered by a
    checkpoint, so that from then on no record can be taken away unseen.
    """

    def __init__(self, places: Places, clock: Callable[[], int] = time.time_ns) -> None:
        self._places = places
        self._folder = folder_of(places)
        self._clock = clock
        self._begin()
        restart_after_fork(self._restart)

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self.lost = 0
        self._unreported = 0
        self._lock = threading.RLock()
        self._fd = NO_FILE
        self._path: Path | None = None
        self._chain = START
        self._size = 0
        self._opened = 0
        self._dirty = False
        self._retired: list[int] = []
        self._seen: Seen | None = None
        self._unsaid: Seen | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def path(self) -> Path | None:
        """The file being written, None before the first record."""
        return self._path

    def write(self, record: Record) -> None:
        """Append one record with its time; raises `OSError` where it isn't in the file."""
        with self._lock:
            now = self._clock()
            if self._fd == NO_FILE:
                self._open(now)
            elif self._size >= ROTATE_BYTES or not 0 <= now - self._opened < ROTATE_NS:
                self._rotate(now)
            if self._unreported:
                self._put(Lost(count=self._unreported), now)
                self._unreported = 0
            self._put(record, now)

    def lose(self) -> None:
        """Count a record that could not be written; the next one says so in the file."""
        with self._lock:
            self.lost += 1
            self._unreported += 1

    def close(self) -> None:
        """Write that the process ended, sync, and have a checkpoint cover it; never raises."""
        self._stop.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        self._thread = None
        atexit.unregister(self.close)
        with self._lock:
            if self._fd == NO_FILE:
                return
            self._end()
        self._sync_files()
        self._cover()

    # -- writing, under the lock ---------------------------------------------------------------

    def _put(self, record: Record, now: int) -> None:
        record.ts = now // 1000
        record.seen = said = self._unsaid
        line, chain = link(self._chain, body(record))
        self._append(line)
        self._chain = chain
        if said:
            self._unsaid = None

    def _append(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        if written != len(line):
            self._put_rest(line, written)
        self._size += len(line)
        self._dirty = True

    def _put_rest(self, line: bytes, written: int) -> None:
        """Complete a short write or take it back, so that no torn record meets the next one."""
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise

    def _open(self, now: int, previous: Previous | None = None, name: str = "") -> None:
        self._places.make(self._folder)
        path = self._folder / (name or file_name(now))
        self._fd = os.open(path, FLAGS, 0o600)
        self._path, self._size, self._opened, self._chain = path, 0, now, START
        self._unsaid = self._seen = newest(self._places)
        try:
            self._put(_introduction(path.name, previous), now)
        except OSError:
            # A disk that is full for data often still makes empty files: leave none behind.
            path.unlink(missing_ok=True)
            self._retire()
            raise
        self._ensure_thread()

    def _rotate(self, now: int) -> None:
        """Go on in a new file; each of the two names the other."""
        assert self._path is not None
        name = file_name(now)
        last = Rotated(ts=now // 1000, successor=name)
        line, chain = link(self._chain, body(last))
        before = (self._fd, self._path, self._size, self._opened, self._chain)
        self._fd = NO_FILE
        try:
            self._open(now, Previous(self._path.name, chain.decode()), name)
            _write_whole(before[0], line, before[2])
        except OSError:
            if self._fd != NO_FILE:
                (self._folder / name).unlink(missing_ok=True)
                self._retire()
            self._fd, self._path, self._size, self._opened, self._chain = before
            raise
        self._retired.append(before[0])

    def _retire(self) -> None:
        """Leave the current file to the next sync: one could cost the caller 10 ms."""
        if self._fd != NO_FILE:
            self._retired.append(self._fd)
        self._fd, self._path = NO_FILE, None

    def _end(self) -> None:
        try:
            self._put(Ended(), self._clock())
        except OSError as error:
            _log.warning("the audit's file could not be ended: %s", error.strerror)
        self._retire()

    # -- the background thread -----------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if self._thread and self._thread.is_alive():
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="hf-ledger-audit", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is ending: records still reach the file, the kernel writes them out.
            self._thread = None
            return
        atexit.unregister(self.close)
        atexit.register(self.close)

    def _beat(self) -> None:
        stop = self._stop
        while not stop.wait(BEAT_SECONDS):
            self._look_around()
            self._sync_files()

    def _look_around(self) -> None:
        """Note a newer checkpoint, for the next record; leave a file that was deleted under us."""
        found = newest(self._places)
        with self._lock:
            if found and found != self._seen:
                self._unsaid = self._seen = found
            if not self._path or not self._is_deleted():
                return
            _log.warning("the audit's file %s was deleted while it was written", self._path.name)
            previous = Previous(self._path.name, self._chain.decode())
            self._retire()
            with contextlib.suppress(OSError):
                self._open(self._clock(), previous)

    def _is_deleted(self) -> bool:
        try:
            return self._fd != NO_FILE and not os.fstat(self._fd).st_nlink
        except OSError:
            return False

    def _sync_files(self) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            current, self._dirty = (self._fd if self._dirty else NO_FILE), False
        for fd in [*retired, *([current] if current != NO_FILE else [])]:
            try:
                _sync(fd)
            except OSError as error:
                self._dirty = True
                _log.debug("fdatasync of an audit file failed: %s", error.strerror)
        for fd in retired:
            _close_quietly(fd)

    def _cover(self) -> None:
        from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper  # needs cryptography

        try:
            Keeper(self._places).checkpoint("end")
        except (OSError, Unusable) as error:
            _log.warning("no checkpoint covers the audit's end: %s", error)

    def _restart(self) -> None:
        """In a fork's child: the parent's file stays the parent's."""
        inherited = [*self._retired, *([self._fd] if self._fd != NO_FILE else [])]
        self._begin()
        for fd in inherited:
            _close_quietly(fd)


def file_name(now: int) -> str:
    return f"{now}-{os.getpid()}-{os.urandom(4).hex()}.ndjson"


def _introduction(name: str, previous: Previous | None) -> Opened:
    return Opened(
        file=name,
        format=FORMAT,
        algorithm=ALGORITHM,
        version=installed_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        process_start=process_start(),
        previous=previous,
    )


def _write_whole(fd: int, line: bytes, size: int) -> None:
    """All of a line at the end of a file of this size, or nothing of it."""
    written = 0
    try:
        while written < len(line):
            written += os.write(fd, line[written:])
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, size)
        raise


def _close_quietly(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)
