"""All checkpoints read one after the other: what they say together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from hf_ledger.ingest.doors.gateway.audit.chain import Walk
from hf_ledger.ingest.doors.gateway.audit.records import Checkpoint, Head, Seen, record_of

DIGEST = 32


class Book:
    """How far each file went by the checkpoints read so far, and which were removed by rule."""

    def __init__(self) -> None:
        self.walk = Walk()
        self.heads: dict[str, Head] = {}
        self.removed: dict[str, Head] = {}
        #: The newest checkpoint, its line and the chain before it; None once it was judged.
        self.last: tuple[Checkpoint, bytes, bytes] | None = None
        self._chains = bytearray()  # 32 bytes each: there are some million in a year

    def __len__(self) -> int:
        return len(self._chains) // DIGEST

    @property
    def newest(self) -> Seen | None:
        number = len(self)
        return Seen(number, self._chains[-DIGEST:].hex()) if number else None

    def knows(self, seen: Seen) -> bool:
        """Whether this checkpoint is among those read."""
        end = seen.number * DIGEST
        return 0 < end <= len(self._chains) and (
            self._chains[end - DIGEST : end].hex() == seen.chain
        )

    def lines(self, file: BinaryIO, limit: int) -> Iterator[tuple[Checkpoint, bytes]]:
        """Each further checkpoint and its line, taken in; the walk says why it stopped."""
        before = (self.walk.records, self.walk.size, self.walk.chain)
        for line in self.walk.lines(file, limit):
            checkpoint = _checkpoint(line)
            if checkpoint is None or checkpoint.number != len(self) + 1:
                self.walk.records, self.walk.size, self.walk.chain = before
                self.walk.broken = "is no checkpoint, or not the one that follows"
                return
            self.take(checkpoint)
            self.last = (checkpoint, line, before[2])
            yield checkpoint, line
            before = (self.walk.records, self.walk.size, self.walk.chain)

    def take(self, checkpoint: Checkpoint) -> None:
        """Count in the checkpoint at which the walk stands."""
        self.heads.update(checkpoint.heads)
        self.removed.update(checkpoint.removed)
        for name in checkpoint.removed:
            self.heads.pop(name, None)
        self._chains += bytes.fromhex(self.walk.chain.decode())


def _checkpoint(line: bytes) -> Checkpoint | None:
    found = record_of(line)
    return found if isinstance(found, Checkpoint) else None
