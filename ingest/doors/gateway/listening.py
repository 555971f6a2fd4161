"""uvicorn's HTTP protocol with patience for heads: half a request holds no connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: In a request's scope: what is called when its connection is lost. A task for each request that
#: waits for the same costs 20 µs.
LEAVING = "hf_ledger.leaving"

HEAD_SECONDS = 15.0
MOST_HEAD_BYTES = 64 << 10
#: What one read of the event loop may bring of the body that follows a head.
_ONE_READ = 256 << 10

_SAID = (
    b'{"error":{"code":"headers_too_large","message":"The headers are larger than 64 KiB.",'
    b'"type":"gateway","request_id":null}}'
)
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_SAID), _SAID)
)


class Leaving:
    """What the requests of one connection may know of it: whether all is here, or who left."""

    __slots__ = ("_gone", "_left", "whole")

    def __init__(self) -> None:
        self.whole = False  # all of the request that came last is here
        self._gone = False
        self._left: set[Callable[[], None]] = set()

    def watch(self, left: Callable[[], None]) -> None:
        """Call it when the connection is lost; at once where it is already."""
        self._left.add(left)
        if self._gone:
            left()

    def forget(self, left: Callable[[], None]) -> None:
        self._left.discard(left)

    def tell(self) -> None:
        """The connection is lost."""
        self._gone = True
        for left in tuple(self._left):
            left()


class Patient(HttpToolsProtocol):
    """Ends connections whose request line and headers do not come in time, or never end."""

    _in_head = True
    _leaving: Leaving
    _head_bytes = 0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._leaving = Leaving()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._leaving.tell()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES + _ONE_READ:
                self._refuse()
                return
        super().data_received(data)
        if self._in_head and self._head_bytes and self._waiting is None:
            self._wait()

    def on_message_begin(self) -> None:
        self._in_head, self._leaving.whole = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        received, self._in_head, self._head_bytes = self._head_bytes, False, 0
        self._stop_waiting()
        if received > MOST_HEAD_BYTES and self._size_of_head() > MOST_HEAD_BYTES:
            self._refuse()
            return
        self.scope[LEAVING] = self._leaving  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            self._leaving.whole = True
            super().on_message_complete()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
