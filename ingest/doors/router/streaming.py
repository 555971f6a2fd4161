"""A routed stream: another target may take over until the first piece is here, and never after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import NamedTuple, Self

from hf_ledger.ingest.doors.router.course import Course, Ended, Try, clause
from hf_ledger.ingest.doors.router.failing import CallFailed, timed_out, who_is
from hf_ledger.ingest.doors.router.routed import Next, Routed, RouteFailed
from hf_ledger.ingest.doors.router.running import Runner, now_s
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Usage

BROKE_OFF = (
    "{who} broke off after {count:,} characters of its answer: {why}. "
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
    """The pieces of a routed answer: `async with … as answer: async for piece in answer`.

    `routed` is what became of it, once it has ended; its value is the text that was given out.
    """

    def __init__(self, runner: Callable[[], Runner], course: Callable[[], Course], open_: Open):
        self._make_runner, self._make_course, self._open = runner, course, open_
        self._said: list[str] = []
        self._flow: Flow | None = None
        self._tried: Try | None = None
        self._routed: Routed[str] | None = None

    @property
    def routed(self) -> Routed[str]:
        """How the answer came about. Raises Usage before its end."""
        if self._routed is None:
            raise Usage(NOT_ENDED)
        return self._routed

    async def __aenter__(self) -> Self:
        """Wait for the first piece, from whichever target. Raises RouteFailed where none comes."""
        self._runner, self._course = self._make_runner(), self._make_course()
        while (tried := await self._runner.begin(self._course)) is not None:
            ended = await self._runner.attempt(self._course, tried, self._begun, goes_on=True)
            if ended.ok:
                self._tried, self._flow = tried, ended.value
                return self
            if not await self._runner.goes_on(self._course, ended):
                break
        raise self._course.failed()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._flow is not None and self._routed is None:
            await self._flow.rest.aclose()
            self._over("cancelled", LEFT)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        """The next piece. Raises RouteFailed where the target breaks off or time is over."""
        if self._flow is None or self._routed is not None:
            raise StopAsyncIteration
        piece = self._flow.first if not self._said else await self._next(self._flow)
        if piece is None:
            self._over("done", "ok")
            raise StopAsyncIteration
        self._said.append(piece)
        return piece

    async def _begun(self, target: Target, seen: Seen, silent_s: float) -> Flow:
        pieces = self._open(target, seen, silent_s)
        try:
            return Flow(await anext(pieces, None), pieces)
        except BaseException:
            await pieces.aclose()
            raise

    async def _next(self, flow: Flow) -> str | None:
        tried = self._tried
        assert tried is not None
        try:
            async with asyncio.timeout_at(self._course.deadline):
                return await anext(flow.rest, None)
        except CallFailed as error:
            failure, cause = error, error
        except TimeoutError as error:
            failure, cause = timed_out(tried.target, tried.seen), error
        raise self._broken(failure) from cause

    def _broken(self, failure: CallFailed) -> RouteFailed:
        why = self._over("give_up", "", failure)
        said = BROKE_OFF.format(
            who=who_is(failure_target(self._tried)), count=len("".join(self._said)), why=why
        )
        return RouteFailed(said, self.routed.attempts)

    def _over(self, then: Next, why: str, failure: CallFailed | None = None) -> str:
        """Tell everybody of the end, once."""
        tried, watch = self._tried, self._runner.watch
        assert tried is not None
        watch.over(tried, failure, now_s(), ok=then == "done")
        self._runner.ended()
        took_s = now_s() - tried.began
        ended = Ended(tried, took_s, watch.cost(tried.seen), None, failure, then == "done")
        why = why or clause(ended)
        self._course.note(ended, then, why)
        self._routed = self._course.routed("".join(self._said), tried.target)
        return why

