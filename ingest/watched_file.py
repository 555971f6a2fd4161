"""A small file that another process writes whole, looked at by its stamp with every use."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hf_ledger.ingest.errors import LedgerError
from hf_ledger.ingest.ledger.socket import private_folder
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import replace_private

Content = TypeVar("Content")

_log = logging.getLogger("hf_ledger")

#: What tells one version of the file from another.
Stamp = tuple[int, int, int]
_UNSEEN: Stamp = (0, 0, 0)


class WatchedFile(Generic[Content]):
    """The content as the file has it now: a new version is there with the next call of `now`."""

    __slots__ = ("_content", "_empty", "_kept_to", "_path", "_read_as", "_stamp")

    def __init__(
        self, path: Path, read_as: Callable[[bytes], Content], empty: Content, kept: str
    ) -> None:
        """`kept` is logged, with path and kind of error, where the file can't be understood."""
        self._path = os.fspath(path)
        self._read_as = read_as
        self._empty = empty
        self._kept_to = kept
        self._stamp: Stamp | None = None
        self._content = empty

    def now(self) -> Content:
        """Empty without a file; the last good content while the file can't be understood."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - Path's own costs a microsecond more
        except FileNotFoundError:
            return self._gone()
        except OSError as error:
            return self._unseen(error)
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            self._read()
        return self._content

    def _gone(self) -> Content:
        self._stamp, self._content = None, self._empty
        return self._empty

    def _unseen(self, error: OSError) -> Content:
        if self._stamp != _UNSEEN:
            self._stamp = _UNSEEN
            self._kept(error)
        return self._content

    def _kept(self, error: Exception) -> None:
        """Keep to the last good content; said once for each version that is none."""
        _log.error(self._kept_to, self._path, type(error).__name__)

    def _read(self) -> None:
        """Once for each version. One that came after the look is read again with the next."""
        try:
            self._content = self._read_as(Path(self._path).read_bytes())
        except FileNotFoundError:
            self._gone()
        except (OSError, msgspec.MsgspecError, ValueError, LedgerError) as error:
            self._kept(error)


def publish_file(places: Places, path: Path, content: bytes) -> None:
    """Put this content (0600) in the place of the last one, in one step.

    Raises OSError, or `Unusable` for a folder of another user.
    """
    places.make()
    private_folder(path.parent)
    replace_private(path, content, _later_than(path))


def _later_than(path: Path) -> int:
    """Now, and after the last version: the kernel's clock stands for 4 ms, and inodes come back."""
    moment = time.time_ns()
    with suppress(FileNotFoundError):
        moment = max(moment, path.stat().st_mtime_ns + 1)
    return moment
