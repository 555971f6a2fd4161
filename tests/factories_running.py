"""An event loop whose time flies, and targets that answer, fail and hang as a test has it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from factories_policies import call_to, target

from hf_ledger.ingest.call import ErrorKind
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.doors.hook.labels import Labels
from hf_ledger.ingest.doors.router.attempts import Watch
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.course import Course
from hf_ledger.ingest.doors.router.failing import CallFailed
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.ranked import Excluded, Health, Ranked, Ranking
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.running import Runner
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted

T = TypeVar("T")

FOR_EVER = 1e6


class Skipping(selectors.SelectSelector):
    """Waits for nobody: time is put forward instead."""

    def __init__(self, loop: FlyingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self._loop.passed_s += timeout or 0.0
        return super().select(0)


class FlyingLoop(asyncio.SelectorEventLoop):
    """Sleeps take no time, and last exactly as long as they should."""

    def __init__(self) -> None:
        self.passed_s = 1000.0
        super().__init__(Skipping(self))

    def time(self) -> float:
        return self.passed_s


def flown(work: Coroutine[Any, Any, T]) -> T:
    """The result of work in a loop whose time flies."""
    loop = FlyingLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


class Does(NamedTuple):
    """What a target does with one request: answers, or fails in some way, after some seconds."""

    after_s: float = 0.0
    kind: ErrorKind | None = None
    retry_after_s: float | None = None
    status: int | None = None
    sent: bool = True


class Asked(NamedTuple):
    """One request as a target has it; seconds since the start."""

    name: str
    at_s: float
    ended_s: float
    seen: Seen
    how: str  # ok, failed, cancelled


@dataclass
class Scene:
    """Targets in the order of their names' first mention, each with what it does in turn.

    What is mentioned last is done for ever after.
    """

    does: Mapping[str, Sequence[Does]]
    wanted: Wanted = field(default_factory=Wanted)
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    draw: float = 0.5

    def __post_init__(self) -> None:
        self.targets = [target(name, **self.changes.get(name, {})) for name in self.does]
        self.metrics = Metrics()
        self.breakers = Breakers(lambda: self.draw)
        self.watch = Watch(self.metrics, self.breakers, lambda: Prices(State()))
        self.runner: Runner | None = None
        self._turn: dict[str, int] = {}

    def rank(
        self, wanted: Wanted, targets: Sequence[Target], now_s: float, most: int | None = None
    ) -> Ranking:
        """In the order given, without those that are full or whose breaker is open."""
        why = {each.name: self.metrics.full(each, now_s) for each in targets}
        for each in targets:
            if self.breakers.state(each, now_s) == "open":
                why[each.name] = "its breaker is open"
        ranked = [Ranked(each, 0.0, None, Health(), "") for each in targets if not why[each.name]]
        out = [Excluded(each, why[each.name] or "") for each in targets if why[each.name]]
        return Ranking(tuple(ranked[:most]), tuple(out), "cheapest")

    async def run(self, wanted: Wanted | None = None) -> Routed[Any]:
        loop = asyncio.get_running_loop()
        if self.runner is None:
            self.began = loop.time()
            self.runner = Runner(self, lambda: self.targets, self.watch, lambda: self.draw)
        labels = Labels(operation="test", operation_id=f"operation {len(self.asked)}")
        course = Course(wanted or self.wanted, loop.time(), labels)
        return await self.runner.run(course, self.ask)

    async def ask(self, target: Target, seen: Seen, limit_s: float) -> str:
        turn = self._turn.get(target.name, 0)
        self._turn[target.name] = turn + 1
        doing = self.does[target.name]
        does = doing[min(turn, len(doing) - 1)]
        now = asyncio.get_running_loop().time
        at, how = now(), "cancelled"
        call = call_to(target, call_id=f"{target.name}{turn}")
        if does.sent:
            seen.left(call, "http://target", {}, b"")
        try:
            await asyncio.sleep(does.after_s)
            how = "failed" if does.kind else "ok"
        finally:
            call.outcome = {"ok": "ok", "failed": "error", "cancelled": "cancelled"}[how]  # type: ignore[assignment]
            call.error_kind = does.kind if how == "failed" else None
            call.status = does.status
            if does.sent:
                seen.ended(call)
            self.asked.append(Asked(target.name, at - self.began, now() - self.began, seen, how))
        if does.kind:
            raise CallFailed(
                f"{target.name} failed",
                does.kind,
                status=does.status,
                retry_after_s=does.retry_after_s,
                sent=does.sent,
            )
        return f"answer of {target.name}"


OK = Does()
HANGS = Does(FOR_EVER)


def fails(kind: ErrorKind = "server_error", **more: Any) -> Does:
    return Does(kind=kind, **more)
