"""Keep each line before the caller's code goes on: one `write` to an append-only segment.

A line costs some 5 µs in the calling thread and survives a kill -9 of the process from then on; a
background thread calls `fdatasync` every 200 ms, so that a power cut costs no more than that.
A line that can't be written waits in memory (`backlog.py`); one that has to be dropped is counted.
Either is logged once, and the caller's request always goes on.
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
from collections.abc import Callable
from pathlib import Path

import msgspec

from hf_ledger.ingest.call import Line, Noticed, Recorder
from hf_ledger.ingest.spool.backlog import MOST_LINES, Backlog
from hf_ledger.ingest.spool.lines import UNENCODABLE, encode
from hf_ledger.ingest.spool.process import process_start, restart_after_fork, this_process

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
    `clock` gives wall time in ns; `waits=False` is for callers who keep what can't be written.
    Safe from any thread, after a fork, and while a line is being written (a finaliser may end a
    call in the middle of another).
    """

    def __init__(
        self,
        folder: Path,
        recorder: Callable[[], Recorder] | Recorder = this_process,
        clock: Callable[[], int] = time.time_ns,
        *,
        waits: bool = True,
    ) -> None:
        self.folder = folder
        self._waits = waits
        self._recorder = recorder
        self._clock = clock
        self._callbacks: list[Callable[[], None]] = []
        self._complained = False
        self._begin()
        restart_after_fork(self._restart)

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self.lost = 0
        self._unreported = 0
        self._backlog = Backlog()
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

    @property
    def waiting(self) -> int:
        """Lines that wait in memory for a disk that takes them."""
        return len(self._backlog)

    def write(self, line: Line) -> bool:
        """Keep one line; False where it is not on disk: it waits, or is lost. Never raises.

        Only a notice doesn't wait: whoever counts adds up and tells it again.
        """
        try:
            data = encode(line)
            with self._lock:
                if not self._backlog:
                    self._append(data)
                    return True
            reason = f"{self.folder}: others wait"
        except UNENCODABLE as error:
            return self._lose(1, f"a line has no JSON form ({type(error).__name__})")
        except OSError as error:
            reason = f"{self.folder}: {error.strerror or type(error).__name__}"
        return False if isinstance(line, Noticed) else self._put_off([data], reason)

    def every_beat(self, callback: Callable[[], None]) -> None:
        """Call `callback` (which must not raise) about every 200 ms in the background thread."""
        self._callbacks.append(callback)
        self._ensure_thread()

    def flush(self) -> bool:
        """One beat: callbacks, what waits or was lost, sync; False where the disk refused that."""
        with self._beating:
            for callback in tuple(self._callbacks):
                callback()
            self._catch_up()
            self._report_losses()
            self._stay_in_place()
            return self._sync_files()

    def close(self) -> None:
        """Flush and end the segment; a later line begins a new one. What still waits is lost."""
        self._stop.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        self._thread = None
        self.flush()
        with self._lock:
            self._retire()
        self._sync_files()
        self._give_up()
        atexit.unregister(self._end)

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
        atexit.unregister(self._end)
        atexit.register(self._end)

    def _beat(self) -> None:
        stop = self._stop
        while not stop.wait(BEAT_SECONDS):
            self.flush()

    def _catch_up(self) -> None:
        """Write what waits, in the order it came; callers get the lock between two pieces."""
        with contextlib.suppress(OSError):
            while self._backlog:
                with self._lock:
                    self._backlog.write(self._append)

    def _report_losses(self) -> None:
        with self._lock:
            count = self._unreported
            notice = Noticed(ts=self._clock() // 1000, counts={"not_spooled": count})
            if count and self.write(notice):
                self._unreported -= count
            self._complained = bool(self._unreported or self._backlog)

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
            self._put_off(lines.splitlines(keepends=True), f"{self.folder}: {error.strerror}")

    def _sync_files(self) -> bool:
        with self._lock:
            retired, self._retired = self._retired, []
            current, self._dirty = (self._fd if self._dirty else NO_FILE), False
        failed = sum(not _sync_quietly(fd) for fd in retired)
        for fd in retired:
            _close_quietly(fd)
        if current != NO_FILE and not _sync_quietly(current):
            self._dirty, failed = True, failed + 1
        return not failed

    # -- losses and forks ----------------------------------------------------------------------

    def _put_off(self, lines: list[bytes], reason: str) -> bool:
        """Have lines wait in memory; the oldest are dropped and counted where it is full."""
        if self._waits:
            with self._lock:
                dropped = sum(map(self._backlog.add, lines))
            self._ensure_thread()
            self._complain(f"{reason}; requests go on, {MOST_LINES:,} lines may wait in memory")
            self._lose(dropped, "too many wait")
        return False

    def _lose(self, count: int, reason: str) -> bool:
        if count:
            self.lost += count
            self._unreported += count
            self._complain(f"{reason}; requests go on, losses count")
        return False

    def _complain(self, reason: str) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("hf-ledger could not keep a call: %s", reason)

    def _end(self) -> None:
        self.flush()
        self._give_up()

    def _give_up(self) -> None:
        """What could not be written until the end is lost."""
        with self._lock:
            left, self._backlog = self._backlog.calls, Backlog()
        if left:
            self.lost += left
            self._unreported += left
            calls = "1 call" if left == 1 else f"{left:,} calls"
            _log.warning("hf-ledger lost %s that it could not write before the end", calls)

    def _restart(self) -> None:
        """In a fork's child: the parent's file, lock and counts stay the parent's."""
        inherited = [*self._retired, *([self._fd] if self._fd != NO_FILE else [])]
        self._begin()
        for fd in inherited:
            _close_quietly(fd)
        if self._callbacks:
            self._ensure_thread()


def _sync_quietly(fd: int) -> bool:
    """A failed sync is no lost line: the kernel has the bytes and the next beat tries again."""
    try:
        _sync(fd)
    except OSError as error:
        _log.debug("fdatasync of a segment failed: %s", error.strerror)
        return False
    return True


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
