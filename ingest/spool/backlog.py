"""Lines that can't be written wait in memory, within bounds; the oldest make room for the newest.

A disk that is full for a minute costs no call then. Whoever owns a backlog holds a lock around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hf_ledger.ingest.spool.lines import CALL

MOST_LINES = 10_000
MOST_BYTES = 8 << 20
#: Written at once: some 20 µs where the disk takes it.
PIECE_BYTES = 64 << 10


class Backlog:
    """Encoded lines in the order they came."""

    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def calls(self) -> int:
        return sum(line.startswith(CALL) for line in self._lines)

    def add(self, line: bytes) -> int:
        """Take in the newest line; how many of the oldest calls had to go for it."""
        self._lines.append(line)
        self._bytes += len(line)
        dropped = 0
        while len(self._lines) > self._most_lines or self._bytes > self._most_bytes:
            dropped += self._oldest().startswith(CALL)
        return dropped

    def write(self, put: Callable[[bytes], None]) -> None:
        """Hand the oldest lines to `put`, as many as make a piece; they stay where it raises."""
        piece, written = self._piece(), False
        try:
            put(b"".join(piece))
            written = True
        finally:
            if not written:
                self._lines.extendleft(reversed(piece))
                self._bytes += sum(map(len, piece))

    def _piece(self) -> list[bytes]:
        """Taken out before they are written: a finaliser may write in the middle of it."""
        piece = [self._oldest()]
        room = PIECE_BYTES - len(piece[0])
        while self._lines and len(self._lines[0]) <= room:
            piece.append(self._oldest())
            room -= len(piece[-1])
        return piece

    def _oldest(self) -> bytes:
        line = self._lines.popleft()
        self._bytes -= len(line)
        return line
