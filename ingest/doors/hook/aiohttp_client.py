"""Calls that go out through `aiohttp`: a middleware of ours, innermost, and the reply's reader.

The middleware sees each attempt as it leaves, redirects and failed connections too, with headers
and body complete. A trace configuration sees the same moments, but no body and no early end, and
has to be set on each session; `ClientSession._request`, by which all verbs go, takes middlewares
for one request. It is private, so a test pins it.

A reply's bytes are seen as they arrive at its reader: also those that the program leaves unread,
and before it can see their end.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from hf_ledger.ingest.doors.hook.asking import Asking
from hf_ledger.ingest.doors.hook.clients import Begin, Door, unwrap_method, wrap_method
from hf_ledger.ingest.doors.hook.decoding import decoder
from hf_ledger.ingest.doors.hook.flight import READ, TIMEOUTS, Trip, is_given_up, is_named
from hf_ledger.ingest.doors.hook.layers import recorded
from hf_ledger.ingest.doors.hook.shield import Shield
from hf_ledger.ingest.wire.headers import wanted

METHOD = "_request"

#: What a reader is told when the caller closes the reply; losing the connection is a subclass.
CLOSED_BY_CALLER = "ClientConnectionError"


def hook(library: ModuleType, door: Door) -> str | None:
    """Wrap the session of this aiohttp; gives the method's name, None where it can't be done."""
    session = method_owner(library)
    if session is None:
        return None
    wrap_method(session, METHOD, lambda original: _requesting(original, door))
    return METHOD


def unhook(library: ModuleType) -> None:
    """Put the original back, where nobody has wrapped it since."""
    unwrap_method(method_owner(library), METHOD)


def method_owner(library: ModuleType) -> Any:
    """The class whose method is wrapped; None before aiohttp 3.12, which has no middlewares."""
    session = getattr(library, "ClientSession", None)
    known = hasattr(library, "ClientMiddlewareType") and hasattr(session, METHOD)
    return session if known else None


def _requesting(original: Callable[..., Awaitable[Any]], door: Door) -> Callable[..., Any]:
    @functools.wraps(original)
    async def _request(self: Any, *args: Any, **kwargs: Any) -> Any:
        watching = Watching(door, self, kwargs.get("auto_decompress"))
        given = kwargs.get("middlewares")
        kwargs["middlewares"] = (*(self._middlewares if given is None else given), watching)
        try:
            return await original(self, *args, **kwargs)
        finally:
            watching.settle(sys.exception())

    return _request


class Watching:
    """Follows one request of a session: each attempt is a trip of its own."""

    def __init__(self, door: Door, session: Any, decompress: bool | None) -> None:
        self._begin, self._shield = door.begin, door.shield
        self._plain = session.auto_decompress if decompress is None else decompress
        self._stopped: Trip | None = None

    async def __call__(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        shield = self._shield
        trip = shield(_begin, self._begin, request)
        if trip is None:
            return await handler(request)
        response = None
        token = recorded.set(True)
        try:
            response = await handler(request)
        finally:
            recorded.reset(token)
            if response is None:
                self._failed(trip, sys.exception())
        if not shield(self._answered, trip, response):
            trip.abandon()
        return response

    def settle(self, error: BaseException | None) -> None:
        """The session's own word on an attempt that was stopped: cancelled, or out of time."""
        if self._stopped is not None:
            self._shield(self._stopped.failed, error)

    def _failed(self, trip: Trip, error: BaseException | None) -> None:
        if is_given_up(error):
            # Inside, the session's total timeout looks like a cancellation.
            self._stopped = trip
        else:
            self._shield(trip.failed, error)

    def _answered(self, trip: Trip, response: Any) -> bool:
        """The head of the reply is here: watch its body from now on."""
        headers = wanted(response.raw_headers, READ)
        if trip.wants(response.status, headers):
            if not self._plain:
                trip.decode = decoder(headers.get("content-encoding"))
            watch(response, trip, self._shield)
        return True


def _begin(begin: Begin, request: Any) -> Trip | None:
    body = body_of(request.body)
    return begin(Asking(request.method, str(request.url), request.headers, body))


def body_of(payload: Any) -> bytes | None:
    """The bytes that will be sent; None for what is read while it goes, as a file or a form."""
    value = getattr(payload, "_value", payload)
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def watch(response: Any, trip: Trip, shield: Shield) -> None:
    """Show the trip what has arrived of the body, and what will."""
    reader = response.content
    if not hasattr(reader, "_buffer"):
        # The one empty reader that all replies without a body share.
        trip.over(None)
        return
    for piece in tuple(reader._buffer):
        trip.feed(piece)
    if reader.is_eof() or reader.exception() is not None:
        trip.over(reader.exception())
        return
    _trips[id(reader)] = (trip, shield)
    reader.__class__ = _watched(type(reader))
    response._hf_end = End(id(reader))


#: Readers have no room for an attribute. An entry goes with the end of its reply, at the latest
#: when the response does.
_trips: dict[int, tuple[Trip, Shield]] = {}


def _over(reader: int, error: BaseException | None) -> None:
    trip, shield = _trips.pop(reader, (None, None))
    if trip is not None and shield is not None:
        shield(trip.over, error)


class End:
    """Goes when the response does: nobody reads on."""

    def __init__(self, reader: int) -> None:
        self._reader = reader

    def __del__(self) -> None:
        _over(self._reader, GeneratorExit())


#: Kind of reader → the same with what arrives shown to the recorder.
_kinds: dict[type[Any], type[Any]] = {}


def _watched(kind: type[Any]) -> type[Any]:
    if kind not in _kinds:
        own = {"__slots__": (), "__module__": kind.__module__}
        _kinds[kind] = type(kind.__name__, (_Watched, kind), own)
    return _kinds[kind]


class _Watched:
    """What the connection tells a reader, shown to the trip first."""

    __slots__ = ()

    def feed_data(self, data: bytes, *args: Any) -> Any:
        trip, shield = _trips.get(id(self), (None, None))
        if trip is not None and shield is not None:
            shield(trip.feed, data)
        return super().feed_data(data, *args)  # type: ignore[misc]

    def feed_eof(self) -> None:
        _over(id(self), None)
        super().feed_eof()  # type: ignore[misc]

    def set_exception(self, error: BaseException, *args: Any) -> None:
        _over(id(self), _left() if type(error).__name__ == CLOSED_BY_CALLER else error)
        super().set_exception(error, *args)  # type: ignore[misc]


def _left() -> BaseException:
    """Closed early: by a cancellation or a timeout that is passing through, or because enough."""
    error = sys.exception()
    passing = error is not None and (is_given_up(error) or is_named(error, TIMEOUTS))
    return error if error is not None and passing else GeneratorExit()
