"""A routed stream: another target may take over until the first piece is here, and never after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import NamedTuple

from hf_ledger.ingest.doors.router.course import Course, Ended, Try, said_of
from hf_ledger.ingest.doors.router.failing import CallFailed, timed_out, who_is
from hf_ledger.ingest.doors.router.routed import Next, Routed, RouteFailed
from hf_ledger.ingest.doors.router.running import Runner, now_s
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Usage

BROKE_OFF = (
    "{who} broke off after {count:,} characters of its answer ({why}). "
    "No other target was asked: its words would not go on from there."
)
LEFT = "left by its reader"
NOT_ENDED = "The stream has not ended yet: read it to its end, or leave it, before asking for this."

Pieces = AsyncGenerator[str, None]
#: Begins a stream at a target, told how long it may be silent.
Open = Callable[[Target, Seen, float], Pieces]


class Flow(NamedTuple):
    """A stream that has begun; `first` is None where it ended without a piece."""

    first: str | None
    rest: Pieces


class Stream:
    """A routed answer in pieces: `async with … as answer: async for piece in answer`."""

    def __init__(self, runner: Callable[[], Runner], course: Callable[[], Course], begun: Open):
        self._runner, self._course, self._open = runner, course, begun
        self._streamed: Streamed | None = None

    async def __aenter__(self) -> Streamed:
        """Wait for the first piece, from whichever target. Raises RouteFailed where none comes."""
        runner, course = self._runner(), self._course()
        while (tried := await runner.begin(course)) is not None:
            ended = await runner.attempt(course, tried, self._begun, goes_on=True)
            if ended.ok:
                self._streamed = Streamed(runner, course, tried, ended.value)
                return self._streamed
            if not await runner.goes_on(course, ended):
                break
        raise course.failed()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._streamed is not None:
            await self._streamed.leave()

    async def _begun(self, target: Target, seen: Seen, silent_s: float) -> Flow:
        pieces = self._open(target, seen, silent_s)
        return Flow(await anext(pieces, None), pieces)


class Streamed:
    """The pieces of an answer that has begun; `text` is what was given out so far."""

    def __init__(self, runner: Runner, course: Course, tried: Try, flow: Flow) -> None:
        self._runner, self._course, self._tried, self._flow = runner, course, tried, flow
        self._said: list[str] = []
        self._routed: Routed[str] | None = None

    @property
    def text(self) -> str:
        return "".join(self._said)

    @property
    def routed(self) -> Routed[str]:
        """How the answer came about, with the text as its value. Raises Usage before its end."""
        if self._routed is None:
            raise Usage(NOT_ENDED)
        return self._routed

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        """The next piece. Raises RouteFailed where the target breaks off or time is over."""
        if self._routed is not None:
            raise StopAsyncIteration
        piece = await self._next() if self._said else self._flow.first
        if piece is None:
            self._over("done", "ok")
            raise StopAsyncIteration
        self._said.append(piece)
        return piece

    async def leave(self) -> None:
        """Close what is still open."""
        if self._routed is None:
            await self._flow.rest.aclose()
            self._over("cancelled", LEFT)

    async def _next(self) -> str | None:
        try:
            async with asyncio.timeout_at(self._course.deadline):
                return await anext(self._flow.rest, None)
        except CallFailed as error:
            raise self._broken(error) from error
        except TimeoutError as error:
            raise self._broken(timed_out(self._tried.target, self._tried.seen)) from error

    def _broken(self, failure: CallFailed) -> RouteFailed:
        self._over("give_up", f"broke off: {failure.kind.replace('_', ' ')}", failure)
        said = BROKE_OFF.format(
            who=who_is(self._tried.target), count=len(self.text), why=said_of(failure)
        )
        return RouteFailed(said, self.routed.attempts)

    def _over(self, then: Next, why: str, failure: CallFailed | None = None) -> None:
        """Tell everybody of the end, once."""
        tried, watch, ok = self._tried, self._runner.watch, then == "done"
        watch.over(tried, failure, now_s(), ok=ok)
        self._runner.ended()
        took_s = now_s() - tried.began
        ended = Ended(tried, took_s, watch.cost(tried.seen), None, failure, ok)
        self._course.note(ended, then, why)
        self._routed = self._course.routed(self.text, tried.target)
