"""`run/gateway.json`: written whole by the ledger's owner, looked at by every gateway process."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.socket import private_folder
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.private_files import replace_private

NOT_TOLD = (
    "the gateways can't be told what changed ({why}): make {folder} writable, then try again."
)

KEPT = "hf-ledger keeps to the keys that it knew: %s can't be read as a state (%s)"

_EMPTY = State()
_DECODER = msgspec.json.Decoder(State)
_log = logging.getLogger("hf_ledger")

#: What tells one version of the file from another.
Stamp = tuple[int, int, int]
_UNSEEN: Stamp = (0, 0, 0)


def publish(places: Places, state: State) -> None:
    """Put this state in the place of the last one (0600), in one step.

    Raises `Unusable` where the folder can't be written.
    """
    path = places.gateway_state
    try:
        places.make()
        private_folder(path.parent)
        replace_private(path, msgspec.json.encode(state), _later_than(path))
    except OSError as error:
        raise Unusable(NOT_TOLD.format(why=error.strerror, folder=path.parent)) from error


def published(places: Places) -> bytes | None:
    """The file as it stands; None where there is none that can be read."""
    try:
        return places.gateway_state.read_bytes()
    except OSError:
        return None


class Watched:
    """The state as the file has it now; a revoked key is gone with the next call of `now`."""

    __slots__ = ("_path", "_stamp", "_state")

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._stamp: Stamp | None = None
        self._state = _EMPTY

    def now(self) -> State:
        """Empty without a file; the last good state while the file can't be understood."""
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
        return self._state

    def _gone(self) -> State:
        self._stamp, self._state = None, _EMPTY
        return _EMPTY

    def _unseen(self, error: OSError) -> State:
        if self._stamp != _UNSEEN:
            self._stamp = _UNSEEN
            self._kept(error)
        return self._state

    def _kept(self, error: Exception) -> None:
        """Keep to the last good state; said once for each version that is none."""
        _log.error(KEPT, self._path, type(error).__name__)

    def _read(self) -> None:
        """Once for each version. One that came after the look is read again with the next."""
        try:
            self._state = _DECODER.decode(Path(self._path).read_bytes())
        except FileNotFoundError:
            self._gone()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._kept(error)


def _later_than(path: Path) -> int:
    """Now, and after the last version: the kernel's clock stands for 4 ms, and inodes come back."""
    moment = time.time_ns()
    with suppress(FileNotFoundError):
        moment = max(moment, path.stat().st_mtime_ns + 1)
    return moment
