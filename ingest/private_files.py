"""Small files that only their user may read: written whole, and not trusted where others could."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hf_ledger.ingest.errors import Unusable

#: Nothing that is kept this way comes near it.
MOST_BYTES = 1 << 20


def replace_private(path: Path, content: bytes, moment_ns: int | None = None) -> None:
    """Put this content (0600) in the place of the file in one step; OSError where that can't be.

    `moment_ns` is the time that the file shall bear.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if moment_ns is not None:
            os.utime(draft, ns=(moment_ns, moment_ns))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def in_turn(lock: Path, wait_s: float = 2.0) -> Iterator[None]:
    """One process or thread at a time reads and replaces what this file stands for.

    Nobody waits for ever for one that was stopped: then two may be at it, and each writes a whole
    file.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    ends = time.monotonic() + wait_s
    try:
        while not _taken(descriptor) and time.monotonic() < ends:
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_private(path: Path) -> bytes:
    """The content of a file of ours that nobody else may read; `Unusable` says what is wrong."""
    try:
        # A pipe must not make us wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"{path} can't be read: {error.strerror}.") from error
    try:
        _check(path, os.fstat(descriptor))
        return os.read(descriptor, MOST_BYTES)
    finally:
        os.close(descriptor)


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Unusable(f"{path} is no file.")
    if found.st_uid != os.getuid():
        raise Unusable(f"{path} belongs to another user: make a copy of your own.")
    if found.st_mode & 0o077:
        raise Unusable(f"{path} can be read by others: chmod 600 {path}")
