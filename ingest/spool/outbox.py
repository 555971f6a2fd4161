"""Segments on their way to a ledger on another host: how far each was acknowledged, and by whom.

One process of a host sends at a time, for all of them, whoever wrote the segments and whether or
not they still live. What it has been told stands in `sending/state.json`; a batch whose answer was
lost is sent again, and the other end knows the calls by their ids.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hf_ledger.ingest.places import Places

SUFFIX = ".ndjson"
#: Some 1,500 calls; the server takes 8 MiB packed and 32 MiB unpacked.
BATCH_BYTES = 1 << 20

#: Two threads of a process share its lock on a file: this one keeps them apart.
_turn = threading.Lock()


class State(msgspec.Struct, omit_defaults=True):
    """What is remembered between rounds; nothing in it is secret, and losing it loses no call."""

    taken: dict[str, int] = {}  # segment → bytes acknowledged
    refused: int = 0  # lines that the server will never take
    failures: int = 0  # rounds in a row that ended without an acknowledgement
    wait_until: float = 0.0  # seconds since 1970
    last_at: float = 0.0
    last: str = ""


_STATE = msgspec.json.Decoder(State)


@dataclass(frozen=True)
class Outbox:
    """The spool of a host that sends, and the folder in which it notes how far it has got."""

    places: Places

    @property
    def folder(self) -> Path:
        return self.places.root / "sending"

    @property
    def refused(self) -> Path:
        """Lines that the server refused for good, kept for a person to look at."""
        return self.folder / "refused.ndjson"

    def load(self) -> State:
        try:
            return _STATE.decode((self.folder / "state.json").read_bytes())
        except (OSError, msgspec.MsgspecError):
            return State()

    def save(self, state: State) -> None:
        """Replace the state whole: a reader or a crash sees the old one or the new one."""
        draft = self.folder / f"state.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(state))
        draft.replace(self.folder / "state.json")

    def segments(self) -> dict[str, int]:
        """Bytes of each segment by name, oldest first."""
        sizes: dict[str, int] = {}
        with suppress(FileNotFoundError):
            for each in os.scandir(self.places.spool):
                with suppress(FileNotFoundError):
                    if each.name.endswith(SUFFIX):
                        sizes[each.name] = each.stat().st_size
        return dict(sorted(sizes.items(), key=lambda item: (len(item[0].split("-")[0]), item[0])))

    def waiting(self, state: State | None = None) -> int:
        """Bytes that no server has acknowledged yet; a line that was never finished is none."""
        taken = (state or self.load()).taken
        return sum(
            size - taken.get(name, 0)
            for name, size in self.segments().items()
            if size > taken.get(name, 0) and self._has_lines(name, taken.get(name, 0))
        )

    def _has_lines(self, name: str, offset: int) -> bool:
        with suppress(FileNotFoundError):
            return bool(whole_lines(self.places.spool / name, offset))
        return False

    def keep_refused(self, lines: list[bytes]) -> None:
        self.places.make(self.folder)
        descriptor = os.open(self.refused, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is this process's turn to send; ends with the block, or with the process.

        A lock of this kind (POSIX) is not passed on to a forked child.
        """
        if not _turn.acquire(blocking=False):
            yield False
            return
        try:
            self.places.make(self.folder)
            with (self.folder / "lock").open("ab") as file:
                yield _locked(file.fileno())
        finally:
            _turn.release()


def restart_turns() -> None:
    """In a fork's child: the thread that held the turn is not there."""
    global _turn  # noqa: PLW0603 - a lock can't be handed back by another thread
    _turn = threading.Lock()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def whole_lines(path: Path, offset: int) -> bytes:
    """The next lines from `offset`, about `BATCH_BYTES` of them; a torn tail waits for its rest."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(BATCH_BYTES)
        end = data.rfind(b"\n") + 1
        if end or len(data) < BATCH_BYTES:
            return data[:end]
        line = data + file.readline()
    return line if line.endswith(b"\n") else b""


def is_waiting(state: State, now: float | None = None) -> bool:
    """Whether the last answer said to wait, and that time is not over; a clock set back ends it."""
    left = state.wait_until - (time.time() if now is None else now)
    return 0 < left <= 2 * 3600
