"""Replies that wait for whoever asks again under the same key: in memory, and for minutes only.

A client that sends an `Idempotency-Key` may die with its request under way. With
`x-hf-ledger-keep-reply: 1` the request is then finished all the same, and its reply is held by this
process, so that what was paid for is there for the same request under the same key. Nothing of it
is written anywhere; a gateway that ends forgets it, and so does one whose memory for it is full.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import Message, Send

from hf_ledger.ingest.doors.gateway.refusal import Refused

KEEP_HEADER = "x-hf-ledger-keep-reply"
REPEATED_HEADER = "x-hf-ledger-repeated"
KEPT_SECONDS = 600.0
MOST_BYTES = 64 << 20
#: A longer reply is passed on and not held.
MOST_REPLY_BYTES = 4 << 20

REPEATED = "This is the reply to the request that had this Idempotency-Key first."


@dataclass(slots=True)
class Reply:
    """A reply as it goes to the client, held beside it while it is small enough."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    at: float = 0.0

    def beside(self, send: Send) -> Send:
        """Sends, and holds what is sent; once the client has left it only holds."""

        async def sent(message: Message) -> None:
            self._hold(message)
            await send(message)

        return sent

    def _hold(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in message["headers"]
            }
        elif len(self.body) <= MOST_REPLY_BYTES:
            self.body += message.get("body", b"")
            self.whole = not message.get("more_body", False)


class Unread:
    """What is held, by the name of the key; the oldest goes first."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._held: OrderedDict[str, Reply] = OrderedDict()
        self._bytes = 0

    def keep(self, name: str, reply: Reply) -> None:
        """Hold a good reply that is whole."""
        if reply.status != 200 or not reply.whole or len(reply.body) > MOST_REPLY_BYTES:
            return
        self._forget(name)
        reply.at = self._clock()
        self._held[name] = reply
        self._bytes += len(reply.body)
        self._tidy()

    def again(self, name: str, call_id: str) -> Repeated | None:
        """The reply to give again, None where it is not held (any more)."""
        self._tidy()
        reply = self._held.get(name)
        return None if reply is None else Repeated(reply, call_id)

    def _tidy(self) -> None:
        before = self._clock() - KEPT_SECONDS
        for name, reply in list(self._held.items()):
            if reply.at >= before and self._bytes <= self._most_bytes:
                return
            self._forget(name)

    def _forget(self, name: str) -> None:
        reply = self._held.pop(name, None)
        self._bytes -= 0 if reply is None else len(reply.body)


class Repeated(Refused):
    """A request that is not sent on, as its reply is here: it costs nothing."""

    def __init__(self, reply: Reply, call_id: str) -> None:
        kept = ("content-type", "content-encoding")
        headers = {name: reply.headers[name] for name in kept if name in reply.headers}
        super().__init__(
            200, "idempotency_repeated", REPEATED, {**headers, REPEATED_HEADER: call_id}
        )
        self._body = reply.body

    def body(self, request_id: str) -> bytes:
        return self._body
