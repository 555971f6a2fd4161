"""What one call looked like on the wire: for the router to decide by, and for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns

from hf_ledger.ingest.call import Call, Purpose
from hf_ledger.ingest.doors.hook.decoding import decoder

#: Bytes of a request and of a reply that are kept; what is beyond was sent and came all the same.
KEPT = 1 << 20


class Seen:
    """A witness of one call that keeps what leaves and comes, in memory only.

    `attempt`, `fallback_of` and `purpose` are written on the call's row. `call` is None until the
    request has left, and is as its row once `over` is true. Nothing here holds the token.
    """

    def __init__(
        self,
        *,
        attempt: int | None = None,
        fallback_of: str | None = None,
        purpose: Purpose | None = None,
    ) -> None:
        self._attempt, self._fallback_of, self._purpose = attempt, fallback_of, purpose
        self.call: Call | None = None
        self.over = False
        self.url: str | None = None
        self.headers: dict[str, str] = {}
        self.body = b""
        self.status: int | None = None
        self.reply_headers: dict[str, str] = {}
        self.first_token_ms: float | None = None
        self._reply = bytearray()
        self._since = perf_counter_ns()

    # -- what a witness is told --------------------------------------------------------------------

    def left(self, call: Call, url: str, headers: dict[str, str], body: bytes | None) -> None:
        self.call, self.url, self.headers = call, url, headers
        self.body = (body or b"")[:KEPT]
        if self._attempt is not None:
            call.attempt, call.fallback_of = self._attempt, self._fallback_of
        if self._purpose is not None:
            call.purpose = self._purpose

    def answered(self, call: Call, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.reply_headers = {**headers, **self.reply_headers}

    def came(self, piece: bytes) -> None:
        if len(self._reply) < KEPT:
            self._reply += piece[: KEPT - len(self._reply)]

    def ended(self, call: Call) -> None:
        self.call, self.over = call, True

    # -- what the caller adds ----------------------------------------------------------------------

    def replied(self, status: int, headers: Mapping[str, str]) -> None:
        """All headers of the reply; the recorder reads only some."""
        self.status, self.reply_headers = status, dict(headers)

    def token(self) -> None:
        """A piece of the answer is here; the first one is timed."""
        if self.first_token_ms is None:
            self.first_token_ms = (perf_counter_ns() - self._since) / 1e6

    # -- for people --------------------------------------------------------------------------------

    @property
    def sent_text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def reply(self) -> bytes:
        """The reply's bytes as far as they are kept, unpacked."""
        unpack = decoder(self.reply_headers.get("content-encoding"))
        whole = bytes(self._reply)
        return whole if unpack is None else unpack(whole)

    @property
    def reply_text(self) -> str:
        return self.reply.decode(errors="replace")
