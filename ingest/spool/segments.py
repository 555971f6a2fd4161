"""Keep each line before the caller's code goes on: one `write` to an append-only segment.

A line costs some 5 µs in the calling thread and survives a kill -9 of the process from then on; a
background thread calls `fdatasync` every 200 ms, so that a power cut costs no more than that.
Whatever goes wrong here is counted and logged once: the caller's request always goes on.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import msgspec

from hf_ledger.ingest.call import Line, Noticed, Recorder
from hf_ledger.ingest.spool.lines import UNENCODABLE, encode
from hf_ledger.ingest.spool.process import process_start, this_process

__all__ = ["Segments", "encode", "process_start", "this_process"]

ROTATE_BYTES = 16 * 2**20
ROTATE_NS = 3600 * 10**9
BEAT_SECONDS = 0.2

FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
NO_FILE = -1
HIGH_FD = 700

_log = logging.getLogger("hf_ledger")
_sync = getattr(os, "fdatasync", os.fsync)


class Segments:
    """The segments one process writes into `folder`, made on the first line.

    `recorder` describes the process (pid, start and time are filled in at each new segment);
    `clock` gives wall time in ns. Safe from any thread, after a fork, and while a line is being
    written (a finaliser may end a call in the middle of another).
    """

    def __init__(
        self,
        folder: Path,
        recorder: Callable[[], Recorder] | Recorder = this_process,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder = folder
        self._recorder = recorder
        self._clock = clock
        self._callbacks: list[Callable[[], None]] = []
        self._complained = False
        self._begin()
        _restart_after_fork(self)

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self.lost = 0
        self._unreported = 0
        self._lock = threading.RLock()
        self._beating = threading.Lock()
        self._fd = NO_FILE
        self._path: Path | None = None
        self._retired: list[int] = []
        self._size = 0
        self._seen_in_place = 0
        self._opened = 0
        self._dirty = False
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def path(self) -> Path | None:
        """The segment being written, None before the first line."""
        return self._path

    def write(self, line: Line) -> bool:
        """Keep one line; False (and `lost` grows) where it couldn't be kept. Never raises."""
        try:
            data = encode(line)
            with self._lock:
                self._append(data)
        except UNENCODABLE as error:
            return self._lose(f"a line has no JSON form ({type(error).__name__})")
        except OSError as error:
            return self._lose(f"{self.folder}: {error.strerror or type(error).__name__}")
        return True

    def every_beat(self, callback: Callable[[], None]) -> None:
        """Call `callback` (which must not raise) about every 200 ms in the background thread."""
        self._callbacks.append(callback)
        self._ensure_thread()

    def flush(self) -> None:
        """One beat now: callbacks, losses reported, everything written synced to disk."""
        with self._beating:
            for callback in tuple(self._callbacks):
                callback()
            self._report_losses()
            self._stay_in_place()
            self._sync_files()

    def close(self) -> None:
        """Flush and end the segment; a later line begins a new one."""
        self._stop.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        self._thread = None
        self.flush()
        with self._lock:
            self._retire()
        self._sync_files()
        atexit.unregister(self.flush)

    # -- writing, under the lock ---------------------------------------------------------------

    def _append(self, data: bytes) -> None:
        now = self._clock()
        if (
            self._fd == NO_FILE
            or self._size >= ROTATE_BYTES
            or not 0 <= now - self._opened < ROTATE_NS
        ):
            self._open(now)
        try:
            self._put(data)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            # The program closed every descriptor (as daemons do), ours among them.
            self._fd = NO_FILE
            self._open(now)
            self._put(data)

    def _open(self, now: int) -> None:
        self._retire()
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / f"{now}-{os.getpid()}-{os.urandom(4).hex()}.ndjson"
        self._fd = _out_of_the_way(os.open(path, FLAGS, 0o600))
        self._path, self._size, self._seen_in_place, self._opened = path, 0, 0, now
        try:
            self._put(encode(self._introduction(now)))
        except OSError:
            # A disk that is full for data often still makes empty files: leave none behind.
            path.unlink(missing_ok=True)
            self._retire()
            raise
        self._ensure_thread()

    def _introduction(self, now: int) -> Recorder:
        known = self._recorder() if callable(self._recorder) else self._recorder
        return msgspec.structs.replace(
            known, ts=now // 1000, pid=os.getpid(), process_start=process_start()
        )

    def _put(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written != len(data):
            self._put_rest(data, written)
        self._size += len(data)
        self._dirty = True

    def _put_rest(self, data: bytes, written: int) -> None:
        """Complete a short write or take it back, so that no torn line meets the next one."""
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            self._take_back()
            raise

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._retire()

    def _retire(self) -> None:
        """Leave the current file to the background thread: a sync could cost the caller 10 ms."""
        if self._fd != NO_FILE:
            self._retired.append(self._fd)
        self._fd, self._path = NO_FILE, None

    # -- the background thread -----------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if self._thread and self._thread.is_alive():
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="hf-ledger-spool", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is ending: lines still reach the file, the kernel writes them out.
            self._thread = None
            return
        atexit.unregister(self.flush)
        atexit.register(self.flush)

    def _beat(self) -> None:
        stop = self._stop
        while not stop.wait(BEAT_SECONDS):
            self.flush()

    def _report_losses(self) -> None:
        with self._lock:
            count = self._unreported
            if count and self.write(
                Noticed(ts=self._clock() // 1000, counts={"not_spooled": count})
            ):
                self._unreported -= count
                self._complained = False
            elif count:
                # The notice itself is no call: take it out of the count again.
                self.lost -= 1
                self._unreported -= 1

    def _stay_in_place(self) -> None:
        """A segment deleted under us takes its newest lines along to a new one."""
        with self._lock:
            if self._fd == NO_FILE or not self._dirty:
                return
            with contextlib.suppress(OSError):
                if os.fstat(self._fd).st_nlink:
                    self._seen_in_place = self._size
                    return
                newest = os.pread(self._fd, self._size - self._seen_in_place, self._seen_in_place)
                self._move(newest)

    def _move(self, lines: bytes) -> None:
        try:
            self._open(self._clock())
            self._put(lines)
        except OSError as error:
            self._lose(f"{self.folder}: {error.strerror}", lines.count(b"\n"))

    def _sync_files(self) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            current, self._dirty = (self._fd if self._dirty else NO_FILE), False
        for fd in retired:
            _sync_quietly(fd)
            _close_quietly(fd)
        if current != NO_FILE:
            _sync_quietly(current)

    # -- losses and forks ----------------------------------------------------------------------

    def _lose(self, reason: str, count: int = 1) -> bool:
        self.lost += count
        self._unreported += count
        if not self._complained:
            self._complained = True
            _log.warning(
                "hf-ledger could not keep a call: %s; requests go on, losses count", reason
            )
        return False

    def _restart(self) -> None:
        """In a fork's child: the parent's file, lock and counts stay the parent's."""
        inherited = [*self._retired, *([self._fd] if self._fd != NO_FILE else [])]
        self._begin()
        for fd in inherited:
            _close_quietly(fd)
        if self._callbacks:
            self._ensure_thread()


def _sync_quietly(fd: int) -> None:
    """A failed sync is no lost line: the kernel has the bytes and the next beat tries again."""
    try:
        _sync(fd)
    except OSError as error:
        _log.debug("fdatasync of a segment failed: %s", error.strerror)


def _close_quietly(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)


def _out_of_the_way(fd: int) -> int:
    """The same file under a high number: a program that closes all descriptors and opens its own
    gets low ones, so that our next line meets EBADF and never another file."""
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
    except OSError:
        return fd
    os.close(fd)
    return high


def _restart_after_fork(segments: Segments) -> None:
    if not hasattr(os, "register_at_fork"):
        return
    restart = weakref.WeakMethod(segments._restart)

    def in_child() -> None:
        alive = restart()
        if alive:
            alive()

    os.register_at_fork(after_in_child=in_child)
