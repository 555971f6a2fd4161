"""Streams that let a reply pass unchanged and show it to the recorder."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.hook.flight import (
    LONG_PIECE,
    PIECES_AT_ONCE,
    SHORT_PIECE,
    URGENT,
    Trip,
    is_given_up,
)
from hf_ledger.ingest.doors.hook.shield import Shield


class Tees(NamedTuple):
    """The wrappers for one client library; its responses accept only its own kinds of stream."""

    sync: type[Any]
    asynchronous: type[Any]
    body: type[Any] | None  # the library's class of request bodies that are there as a whole
    outgoing: type[Any]  # and what stands in for it until it is sent


def tees_for(library: ModuleType, shield: Shield) -> Tees:
    """Wrapper classes that derive from this library's stream classes."""
    body = getattr(library, "ByteStream", None)
    return Tees(
        _sync_tee(library.SyncByteStream, shield),
        _async_tee(library.AsyncByteStream, shield),
        body,
        _outgoing(body or object, shield),
    )


def _outgoing(base: type[Any], shield: Shield) -> type[Any]:
    class Outgoing(base):  # type: ignore[misc]
        """A request's body. Whoever asks for more than all of it has sent it, and now waits for the
        server: the time to read the request, for which nobody waits then."""

        def __init__(self, stream: Any, trip: Trip) -> None:
            self._hf_stream = stream
            self._hf_trip = trip

        def __iter__(self) -> Iterator[bytes]:
            yield from self._hf_stream
            shield(self._hf_trip.sent)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for part in self._hf_stream:
                yield part
            shield(self._hf_trip.sent)

    return Outgoing


class _Tee:
    """What both kinds share: the wrapped stream, and an end when nobody reads on."""

    _hf_reading = True  # until the end has been told
    _hf_shield: Shield

    def __init__(self, stream: Any, trip: Trip) -> None:
        self._hf_stream = stream
        self._hf_trip = trip

    @property
    def elapsed(self) -> Any:
        # The client's own stream keeps the time the exchange took.
        return self._hf_stream.elapsed

    def __del__(self) -> None:
        if self._hf_reading:
            self._hf_over(GeneratorExit())

    def _hf_over(self, error: BaseException | None) -> None:
        self._hf_reading = False
        self._hf_shield(self._hf_trip.over, error)

    def _hf_left(self) -> None:
        """Closed early. An error that the caller is handling meanwhile is not the reply's."""
        if self._hf_reading:
            error = sys.exception()
            self._hf_over(error if error and is_given_up(error) else GeneratorExit())


def _sync_tee(base: type[Any], shield: Shield) -> type[Any]:
    class SyncTee(_Tee, base):  # type: ignore[misc]
        _hf_shield = shield

        def __iter__(self) -> Iterator[bytes]:
            trip, complete = self._hf_trip, False
            take = trip.taker()
            try:
                for chunk in self._hf_stream:
                    # Without a call of ours: a stream has many pieces, and most say nothing.
                    if (
                        trip.may_wait
                        and SHORT_PIECE < len(chunk) < LONG_PIECE
                        and len(trip.waiting) < PIECES_AT_ONCE
                        and not URGENT(chunk)
                    ):
                        trip.waiting.append(chunk)
                    else:
                        shield(take, chunk)
                    yield chunk
                complete = True
            finally:
                self._hf_over(None if complete else sys.exception())

        def close(self) -> None:
            self._hf_left()
            self._hf_stream.close()

    return SyncTee


def _async_tee(base: type[Any], shield: Shield) -> type[Any]:
    class AsyncTee(_Tee, base):  # type: ignore[misc]
        _hf_shield = shield

        async def __aiter__(self) -> AsyncIterator[bytes]:
            trip, complete = self._hf_trip, False
            take = trip.taker()
            inner = self._hf_stream.__aiter__()
            try:
                async for chunk in inner:
                    if (
                        trip.may_wait
                        and SHORT_PIECE < len(chunk) < LONG_PIECE
                        and len(trip.waiting) < PIECES_AT_ONCE
                        and not URGENT(chunk)
                    ):
                        trip.waiting.append(chunk)
                    else:
                        shield(take, chunk)
                    yield chunk
                complete = True
            finally:
                self._hf_over(None if complete else sys.exception())
                if hasattr(inner, "aclose"):
                    await inner.aclose()

        async def aclose(self) -> None:
            self._hf_left()
            await self._hf_stream.aclose()

    return AsyncTee
