"""Takes the usage chunk that nobody asked for out of a stream; all other bytes go through."""

from __future__ import annotations

import re

from hf_ledger.ingest.wire.raw import FIELDS, decode, items, start

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_MAY_BE = re.compile(rb'"choices"\s*:\s*\[\s*\]')
#: An event longer than this is no usage chunk and is not held back any further.
LONGEST = 64 << 10


class WithoutUsage:
    """Feed pieces as they come; what comes back is to be sent on at once.

    Held back is at most the beginning of one event. A chunk counts as the added one where it has no
    choices and states usage.
    """

    def __init__(self) -> None:
        self._held = b""
        self._passing = False  # inside an event too long to be one of ours

    def feed(self, piece: bytes) -> bytes:
        """Everything that is whole, without the usage chunk."""
        data, kept, begin = self._held + piece, [], 0
        for end in _EVENT_END.finditer(data):
            event = data[begin : end.end()]
            if self._passing or not is_usage_only(event):
                kept.append(event)
            self._passing = False
            begin = end.end()
        self._held = data[begin:]
        if self._passing or len(self._held) > LONGEST:
            kept.append(self._held)
            self._held, self._passing = b"", bool(self._held) or self._passing
        return b"".join(kept)

    def close(self) -> bytes:
        """What was held back when the stream ended."""
        held, self._held = self._held, b""
        return b"" if is_usage_only(held) else held


def is_usage_only(event: bytes) -> bool:
    """Whether this event only says what the stream used."""
    if not _MAY_BE.search(event):
        return False
    data = b"".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
    said = decode(FIELDS, data)
    if said is None or "choices" not in said or items(said["choices"]):
        return False
    return start(said.get("usage", b"")) == b"{"
