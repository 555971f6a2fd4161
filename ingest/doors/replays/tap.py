"""Holds the answer of a drawn call while it goes by, in memory and within bounds."""

from __future__ import annotations

from collections.abc import Callable

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.hook.decoding import Decode, decoder
from hf_ledger.ingest.doors.replays.joining import Joined
from hf_ledger.ingest.doors.replays.sampling import MOST_BYTES

#: Takes how the call ended and its reply: JSON, or the text of a stream.
Take = Callable[[Outcome, bytes], None]


class Tap:
    """The reply of one call as a judge needs it; `take` gets it when the call is over."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._decode: Decode | None = None
        self._joined: Joined | None = None
        self._kept = bytearray()

    def opened(self, content_type: str, encoding: str | None) -> None:
        """Whether it is a stream, and how it is packed."""
        self._decode = decoder(encoding)
        if content_type.lower().startswith("text/event-stream"):
            self._joined = Joined(MOST_BYTES)

    def feed(self, piece: bytes) -> None:
        plain = piece if self._decode is None else self._decode(piece)
        if self._joined is not None:
            self._joined.feed(plain)
        elif len(self._kept) <= MOST_BYTES:  # one byte more tells that it is too large
            self._kept += plain[: MOST_BYTES + 1 - len(self._kept)]

    def over(self, outcome: Outcome) -> None:
        """The whole reply went by."""
        streamed = self._joined is not None
        if outcome.call is not None and outcome.call.stream is not streamed:
            # Told as what it is not, it can't be read.
            self._take(outcome, b"")
            return
        self._take(outcome, self._joined.answer() if self._joined else bytes(self._kept))
