"""Calls that go out through `requests`: its adapter's `send`, and the raw reply behind it.

Every attempt passes `HTTPAdapter.send`: parts of a redirect, adapters of the program's own (they
derive from it and stay in place), replies of a cache don't. The session's `send` comes too late,
as it reads the reply before it returns. What reads a reply, `iter_content`, `iter_lines`,
`.content` or `.raw`, ends in `read`, `read1` or `read_chunked` of urllib3's response.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from hf_ledger.ingest.doors.hook.asking import Asking, raw_headers
from hf_ledger.ingest.doors.hook.clients import Begin, Door, unwrap_method, wrap_method
from hf_ledger.ingest.doors.hook.decoding import decoder
from hf_ledger.ingest.doors.hook.flight import READ, Trip, is_given_up
from hf_ledger.ingest.doors.hook.layers import recorded
from hf_ledger.ingest.doors.hook.shield import Shield
from hf_ledger.ingest.wire.headers import wanted

METHOD = "send"


def hook(library: ModuleType, door: Door) -> str | None:
    """Wrap the adapter of this requests; gives the method's name, None where there is none."""
    adapter = method_owner(library)
    if adapter is None:
        return None
    wrap_method(adapter, METHOD, lambda original: _sending(original, door))
    return METHOD


def unhook(library: ModuleType) -> None:
    """Put the original back, where nobody has wrapped it since."""
    unwrap_method(method_owner(library), METHOD)


def method_owner(library: ModuleType) -> Any:
    """The class whose method is wrapped; None in a requests that we don't know."""
    adapter = getattr(getattr(library, "adapters", None), "HTTPAdapter", None)
    return adapter if hasattr(adapter, METHOD) else None


def _sending(original: Callable[..., Any], door: Door) -> Callable[..., Any]:
    begin, shield = door.begin, door.shield

    @functools.wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        trip = shield(_begin, begin, request)
        if trip is None:
            return original(self, request, *args, **kwargs)
        response = None
        token = recorded.set(True)
        try:
            response = original(self, request, *args, **kwargs)
        finally:
            recorded.reset(token)
            if response is None:
                shield(trip.failed, sys.exception())
        if not shield(_answered, trip, response, shield):
            trip.abandon()
        return response

    return send


def _begin(begin: Begin, request: Any) -> Trip | None:
    body = body_of(request.body)
    return begin(Asking(request.method or "", request.url or "", request.headers, body))


def body_of(body: object) -> bytes | None:
    """The bytes that will be sent; None for a file or a generator, which is read while it goes."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    return bytes(body) if isinstance(body, bytes | bytearray) else None


def _answered(trip: Trip, response: Any, shield: Shield) -> bool:
    """The head of the reply is here: watch its body from now on."""
    headers = wanted(raw_headers(response.headers.items()), READ)
    if not trip.wants(response.status_code, headers):
        return True
    raw = response.raw
    # Its class and not the object is exchanged: whoever holds the reply keeps what he has, and no
    # cycle delays the moment at which an unread reply gives its connection back.
    raw.__class__ = _watched(type(raw))
    raw._hf_shield, raw._hf_coding = shield, headers.get("content-encoding")
    raw._hf_trip = trip
    return True


#: Kind of response → the same with its reading shown to the recorder.
_kinds: dict[type[Any], type[Any]] = {}


def _watched(kind: type[Any]) -> type[Any]:
    if kind not in _kinds:
        more = {"read1": _Watched.some} if hasattr(kind, "read1") else {}
        own = {**more, "__module__": kind.__module__}
        _kinds[kind] = type(kind.__name__, (_Watched, kind), own)
    return _kinds[kind]


class _Watched:
    """Reading of a response, passed on unchanged: bytes first to the trip, then to the caller."""

    # The classes it is mixed into have all of these.
    decode_content: bool
    closed: bool

    _hf_trip: Trip | None = None  # until the end has been told
    _hf_shield: Shield
    _hf_coding: str | None = None  # of the body, until its first piece
    _hf_inside = False  # the library reads; what it closes then is no end of the caller's

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        data: bytes = self._hf_step(super().read, amt, *args, **kwargs)  # type: ignore[misc]
        self._hf_seen(data, amt, args[0] if args else kwargs.get("decode_content"))
        if amt is None or amt < 0:
            self._hf_over(None)
        return data

    def some(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        data: bytes = self._hf_step(super().read1, amt, *args, **kwargs)  # type: ignore[misc]
        self._hf_seen(data, amt, args[0] if args else kwargs.get("decode_content"))
        return data

    def read_chunked(
        self, amt: int | None = None, decode_content: bool | None = None
    ) -> Iterator[bytes]:
        pieces = super().read_chunked(amt, decode_content)  # type: ignore[misc]
        complete = False
        try:
            while (piece := self._hf_step(next, pieces, None)) is not None:
                self._hf_feed(piece, decode_content)
                yield piece
            complete = True
        finally:
            # A generator that is dropped takes the connection along.
            self._hf_over(None if complete else sys.exception())

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        yield from super().stream(*args, **kwargs)  # type: ignore[misc]
        self._hf_over(None)

    def close(self) -> None:
        if not self._hf_inside and self._hf_trip is not None:
            self._hf_over(None if self.closed else _left())
        super().close()  # type: ignore[misc]

    def _hf_step(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._hf_inside, complete = True, False
        try:
            done = step(*args, **kwargs)
            complete = True
        finally:
            self._hf_inside = False
            if not complete:
                self._hf_over(sys.exception())
        return done

    def _hf_seen(self, data: bytes, amt: int | None, decode: bool | None) -> None:
        """A piece of the body. A decoder may give nothing yet, or keep the last of it back."""
        as_sent = self._hf_feed(data, decode)
        if amt != 0 and self.closed and (as_sent or not data):
            self._hf_over(None)

    def _hf_feed(self, data: bytes, decode: bool | None) -> bool:
        """Show these bytes; whether they are the body's own, none kept back by a decoder."""
        trip, coding = self._hf_trip, self._hf_coding
        as_sent = not coding or not (self.decode_content if decode is None else decode)
        if trip is not None and data:
            if coding and as_sent and trip.decode is None:
                trip.decode = decoder(coding)
            self._hf_shield(trip.feed, data)
        return as_sent

    def _hf_over(self, error: BaseException | None) -> None:
        trip, self._hf_trip = self._hf_trip, None
        if trip is not None:
            self._hf_shield(trip.over, error)


def _left() -> BaseException:
    """Closed early. An error that the caller is handling meanwhile is not the reply's."""
    error = sys.exception()
    return error if error and is_given_up(error) else GeneratorExit()
