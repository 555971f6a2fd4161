"""`Router`: the same for programs without an event loop, over a private one in a thread."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakMethod

from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.router import AsyncRouter, Given
from hf_ledger.ingest.doors.router.streaming import Stream, Streamed
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places

T = TypeVar("T")

#: How long the end of the program waits for connections to close.
CLOSING_S = 2.0

CLOSED = "This router is closed: open another with Router.open()."
IN_A_LOOP = "This thread runs an event loop, which Router would block: use AsyncRouter there."


class Router:
    """Routes requests as `AsyncRouter` does; each call waits for its answer.

    Safe for several threads. A forked child begins anew with its first call, knowing nothing of how
    targets did. Raises the same errors.
    """

    def __init__(self, make: Callable[[], AsyncRouter]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._behind: Behind | None = None
        self._closed = False
        close, begin_anew = WeakMethod(self.close), WeakMethod(self._begin_anew)
        # Weakly: a router that nobody has any more is not kept for the end of the program.
        self._at_exit = lambda: _called(close)
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _called(begin_anew))

    @classmethod
    def open(cls, places: Places | None = None, **labels: Any) -> Self:
        """A router of these places; the labels (app, team, user, …) go on every call.

        Raises Unusable, with one sentence, for settings with a mistake.
        """
        first: list[AsyncRouter] = [AsyncRouter.open(places, **labels)]
        return cls(lambda: first.pop() if first else AsyncRouter.open(places, **labels))

    def run(
        self,
        wanted: Wanted | str | None = None,
        inputs: Given | None = None,
        parameters: Given | None = None,
        **wishes: Any,
    ) -> Routed[Any]:
        """The first good answer, as hub's client gives it, and how it came about."""
        behind = self._ready()
        return behind.wait_for(behind.router.run(wanted, inputs, parameters, **wishes))

    def stream(
        self,
        wanted: Wanted | str | None = None,
        inputs: Given | None = None,
        parameters: Given | None = None,
        **wishes: Any,
    ) -> BlockingStream:
        """The answer's text in pieces: `with router.stream(…) as answer: for piece in answer`."""
        behind = self._ready()
        return BlockingStream(behind, behind.router.stream(wanted, inputs, parameters, **wishes))

    def chat(
        self, messages: list[Any], wanted: Wanted | str | None = None, **parameters: Any
    ) -> Routed[Any]:
        """A chat; keywords are the wishes that `Wanted` knows, the others are parameters."""
        behind = self._ready()
        return behind.wait_for(behind.router.chat(messages, wanted, **parameters))

    def close(self) -> None:
        """End what is under way and close the connections."""
        with self._lock:
            self._closed, behind, self._behind = True, self._behind, None
        atexit.unregister(self._at_exit)
        if behind is not None:
            behind.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ready(self) -> Behind:
        with self._lock:
            if self._closed:
                raise Usage(CLOSED)
            if self._behind is None:
                self._behind = Behind(self._make())
            return self._behind

    def _begin_anew(self) -> None:
        """In a fork's child the thread is gone, and another may have held any lock."""
        self._lock = threading.Lock()
        self._behind = None


class Behind:
    """The thread with the event loop in which a router runs."""

    def __init__(self, router: AsyncRouter) -> None:
        self.router = router
        self._lock = threading.Lock()
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        # Not waited for at the end of the program: it may be in the middle of a call.
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="hf-ledger router", daemon=True
        )
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work in the loop, under the caller's labels; Ctrl-C takes it back."""
        future = self._sent(work)
        try:
            return future.result()
        except CancelledError as error:
            raise Usage(CLOSED) from error
        finally:
            # Done already, unless waiting for it was broken off.
            future.cancel()

    def _sent(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        why = IN_A_LOOP if in_a_loop() else None
        with self._lock:
            if why is None and not self._stopping:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise Usage(why or CLOSED)

    def stop(self) -> None:
        """End every task, close the connections, and the loop."""
        with self._lock:
            # What was sent before is ended by `_end`; nothing is sent after.
            self._stopping = True
        closing = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        with suppress(TimeoutError):
            closing.result(CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.router.close()
        await asyncio.get_running_loop().shutdown_asyncgens()


class BlockingStream:
    """A routed answer in pieces: `with … as answer: for piece in answer`."""

    def __init__(self, behind: Behind, stream: Stream) -> None:
        self._behind, self._stream = behind, stream
        self._streamed: Streamed | None = None

    def __enter__(self) -> Self:
        self._streamed = self._behind.wait_for(self._stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._behind.wait_for(self._stream.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = self._behind.wait_for(self._next())
        if piece is None:
            raise StopIteration
        return piece

    @property
    def routed(self) -> Routed[str]:
        """How the answer came about. Raises Usage before its end."""
        return self._answer.routed

    @property
    def text(self) -> str:
        """What was given out so far."""
        return self._answer.text

    @property
    def _answer(self) -> Streamed:
        if self._streamed is None:
            raise Usage("Enter the stream first: `with router.stream(…) as answer`.")
        return self._streamed

    async def _next(self) -> str | None:
        return await anext(self._answer, None)


def in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _called(method: WeakMethod[Callable[[], None]]) -> None:
    found = method()
    if found is not None:
        found()
