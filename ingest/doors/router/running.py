"""The loop of one operation: rank, try, decide, until an answer or until time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hf_ledger.ingest.doors.router.attempts import Ask, Watch, attempted
from hf_ledger.ingest.doors.router.course import Course, Ended, Try
from hf_ledger.ingest.doors.router.ranked import Ranking
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted

#: How often it is looked whether a target that is full has room again, if nobody says so.
LOOK_S = 0.25

#: After these a target may be needed that can more than the one that failed.
CHOOSY = frozenset({"bad_request", "other"})

LOST = "its hedge answered first"


class Ranks(Protocol):
    """Orders targets for a request; `now_s` are the event loop's seconds."""

    def rank(
        self, wanted: Wanted, targets: Sequence[Target], now_s: float, most: int | None = None
    ) -> Ranking: ...


@dataclass
class Runner:
    """Runs operations in one event loop. `draw` gives random numbers in [0, 1)."""

    ranks: Ranks
    targets: Callable[[], Sequence[Target]]
    watch: Watch
    draw: Callable[[], float]
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, course: Course, ask: Ask) -> Routed[Any]:
        """The first good answer. Raises RouteFailed, and whatever the caller did wrong."""
        while (tried := await self.begin(course)) is not None:
            ended = await self._raced(course, tried, ask)
            if ended.ok:
                course.note(ended, "done", "ok")
                return course.routed(ended.value, ended.tried.target)
            if not await self.goes_on(course, ended):
                break
        raise course.failed()

    async def begin(self, course: Course) -> Try | None:
        """The next attempt, as soon as a target has room for it; None where there is none."""
        if not course.attempts:
            # More are hardly ever tried.
            self._rank(course, course.wanted.attempts)
        while course.may_begin(now := now_s()):
            if (tried := self._let_in(course, now)) is not None:
                return tried
            if not self._may_get_room(course, now):
                return None
            # Whose turn it is may have changed by then.
            await self._room(course.deadline - now)
            self._rank(course)
        return None

    async def goes_on(self, course: Course, ended: Ended) -> bool:
        """Note a failed attempt, and wait as long as was decided; False: give up."""
        assert ended.failure is not None
        if ended.failure.kind in CHOOSY or not course.others(ended.tried.target):
            # Who stood further behind, or was full, is somebody to go to.
            self._rank(course)
        wait_s = course.after(ended, now_s(), self.draw())
        if wait_s:
            await asyncio.sleep(min(wait_s, course.deadline - now_s()))
        return wait_s is not None

    async def attempt(
        self, course: Course, tried: Try, ask: Ask, *, goes_on: bool = False
    ) -> Ended:
        """Ask one target; what `goes_on` has to be ended by whoever reads it."""
        try:
            return await attempted(course, tried, ask, self.watch, goes_on=goes_on)
        finally:
            self.ended()

    def ended(self) -> None:
        """A target may have room again."""
        self._freed.set()
        self._freed = asyncio.Event()

    # -- who is next -------------------------------------------------------------------------------

    def _rank(self, course: Course, most: int | None = None) -> None:
        course.rank(self.ranks.rank(course.wanted, self.targets(), now_s(), most))

    def _let_in(self, course: Course, now: float, *, hedge: bool = False) -> Try | None:
        """Begin at the first candidate that has room and whose breaker lets it in."""
        for target in course.candidates:
            if self.watch.metrics.full(target, now):
                continue
            if self.watch.breakers.admits(target, now):
                self.watch.metrics.sent(target, now)
                return course.begin(target, now, hedge=hedge)
            course.refused(target, "its breaker is open")
        return None

    def _may_get_room(self, course: Course, now: float) -> bool:
        """Whether somebody is only full: one of the order, or one that it left out for that."""
        for each in (*course.candidates, *(out.target for out in course.ranking.excluded)):
            if why := self.watch.metrics.full(each, now):
                course.waits_for(each, why)
                return True
        return False

    async def _room(self, left_s: float) -> None:
        try:
            async with asyncio.timeout(min(LOOK_S, left_s)):
                await self._freed.wait()
        except TimeoutError:
            return

    # -- an attempt, and one beside it -------------------------------------------------------------

    async def _raced(self, course: Course, tried: Try, ask: Ask) -> Ended:
        """The attempt, and where it is slow the next target's too: the good one, else the last."""
        after_s = course.wanted.hedge_after_s
        if after_s is None or after_s >= tried.limit_s:
            return await self.attempt(course, tried, ask)
        race = Race(asyncio.create_task(self.attempt(course, tried, ask)), tried)
        try:
            ended = await race.first(after_s)
            if ended is None and (other := self._beside(course)) is not None:
                race.join(asyncio.create_task(self.attempt(course, other, ask)), other)
            return ended or await self._won(course, race)
        finally:
            await race.end()

    def _beside(self, course: Course) -> Try | None:
        now = now_s()
        return self._let_in(course, now, hedge=True) if course.may_begin(now) else None

    async def _won(self, course: Course, race: Race) -> Ended:
        """Wait for a good answer; who failed before it gives way, who is slower is ended."""
        while True:
            ended = await race.first(None)
            assert ended is not None
            if ended.ok or not race.running:
                break
            course.give_way(ended)
        for tried, task in list(race.running.items()):
            late = await race.stopped(task)
            cost = self.watch.cost(tried.seen)
            course.note(late or Ended(tried, now_s() - tried.began, cost), "cancelled", LOST)
        return ended


class Race:
    """Attempts under way side by side."""

    def __init__(self, task: asyncio.Task[Ended], tried: Try) -> None:
        self.running: dict[Try, asyncio.Task[Ended]] = {tried: task}

    def join(self, task: asyncio.Task[Ended], tried: Try) -> None:
        self.running[tried] = task

    async def first(self, within_s: float | None) -> Ended | None:
        """Who ended first; None where nobody did within the time. Raises what it raised."""
        done, _ = await asyncio.wait(
            self.running.values(), timeout=within_s, return_when=asyncio.FIRST_COMPLETED
        )
        for tried, task in list(self.running.items()):
            if task in done:
                del self.running[tried]
                return task.result()
        return None

    async def stopped(self, task: asyncio.Task[Ended]) -> Ended | None:
        """Take one back; its end, where it was faster than that."""
        task.cancel()
        await asyncio.wait([task])
        return None if task.cancelled() or task.exception() else task.result()

    async def end(self) -> None:
        """Nobody runs on without us."""
        for task in self.running.values():
            task.cancel()
        if self.running:
            await asyncio.wait(self.running.values())


def now_s() -> float:
    return asyncio.get_running_loop().time()
