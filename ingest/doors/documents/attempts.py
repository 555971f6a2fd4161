"""One chunk through the cache and the job's policy for failures, to its answer or its mark."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from hf_ledger.ingest.doors.documents.aggregating import WAYS
from hf_ledger.ingest.doors.documents.aggregating.texts import was_cut
from hf_ledger.ingest.doors.documents.caching import Begun, Cache, Store
from hf_ledger.ingest.doors.documents.chunking import Chunk
from hf_ledger.ingest.doors.documents.failing import (
    UNANSWERED,
    TookTooLong,
    Unreadable,
    clause_of,
    cost_of,
    lost_reply,
    worth_again,
)
from hf_ledger.ingest.doors.documents.job import Answer, Job
from hf_ledger.ingest.doors.documents.levels import Level
from hf_ledger.ingest.doors.documents.meter import Meter
from hf_ledger.ingest.doors.documents.parts import Part
from hf_ledger.ingest.doors.documents.plain import packed, unpacked
from hf_ledger.ingest.doors.router.once import once
from hf_ledger.ingest.doors.router.routed import Routed

NOT_KEPT = "answers of a document can't be kept on disk (%s): a second run would pay for them again"

T = TypeVar("T")

_log = logging.getLogger("hf_ledger")


@dataclass
class Caller:
    """Answers chunks, each as the job says. What is found wrong with the cache is in `unkept`."""

    job: Job
    answer: Answer
    cache: Cache | None
    meter: Meter
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    unkept: int = 0
    asked_again: int = 0
    _under_way: dict[bytes, asyncio.Future[None]] = field(default_factory=dict)

    async def settle(self, level: Level, chunk: Chunk) -> Part:
        """Its answer, or why there is none; raises nothing of the answer's."""
        part = Part(
            index=chunk.index,
            start=chunk.start,
            end=chunk.end,
            sent_from=chunk.overlap_start,
            level=level.number,
        )
        sent = level.sent(chunk, self.job)
        if not chunk.core(level.text).strip():
            return replace(part, blank=True, cost=Decimal(0))
        inputs = self.job.inputs_of(sent)
        if self.cache is None:
            return await Visit(self, level, part, inputs).asked()
        key = self.cache.key(self.job, inputs)
        return await self._once(self.cache, key, Visit(self, level, part, inputs, key))

    async def _once(self, cache: Cache, key: bytes, visit: Visit) -> Part:
        """Of equal chunks under way only the first is asked; its answer is there for the rest."""
        while key in self._under_way:
            await asyncio.wait({self._under_way[key]})
        kept = cache.store.get(key)
        if kept is not None:
            # What an older version kept may be none today: then it is asked for again.
            with contextlib.suppress(Unreadable):
                return replace(visit.read(kept), from_cache=True, cost=Decimal(0))
        self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            return await visit.asked()
        finally:
            self._under_way.pop(key).set_result(None)

    def broken(self, error: OSError) -> None:
        """The disk does not keep what it should: said once, and counted."""
        if not self.unkept:
            _log.warning(NOT_KEPT, error.strerror or error)
        self.unkept += 1


class Came(NamedTuple):
    """An answer that is here, and kept."""

    part: Part
    on_disk: Callable[[], None] | None


@dataclass
class Visit:
    """One chunk's requests, and what is known of their cost."""

    caller: Caller
    level: Level
    part: Part
    inputs: Mapping[str, Any]
    key: bytes | None = None  # None: nothing is kept
    called: int = 0
    known: Decimal | None = None
    anew: bool = False  # what an earlier run lost was asked again
    got: Any = None  # what the last request gave
    came: Came | None = None  # and what was made of it

    async def asked(self) -> Part:
        """Asked until there is an answer, or the job says that it is enough."""
        job, tried = self.caller.job, 0
        while True:
            came = await self._attempt()
            if isinstance(came, Came):
                await self._kept(came.on_disk)
                return replace(came.part, cost=self.known, called=self.called)
            if self._asks_anew(came):
                self._close()
                continue
            if lost_reply(came) is None:
                self._close()
            tried += 1
            if tried >= job.tries or not worth_again(came):
                why = clause_of(came)
                return replace(self.part, failed=why, cost=self.known, called=self.called)
            await self.caller.sleep(job.backoff_s * 2 ** (tried - 1) * (0.5 + self.caller.chance()))

    def read(self, data: bytes) -> Part:
        """The part with its answer. Raises Unreadable."""
        answer = unpacked(data)
        value = WAYS[self.caller.job.task].read(answer, self.level.text, self.part.sent_from)
        return replace(self.part, value=value, cut=was_cut(answer))

    # -- one request -------------------------------------------------------------------------------

    async def _attempt(self) -> Came | BaseException:
        """What came of it; what it cost is counted."""
        job, meter, begun = self.caller.job, self.caller.meter, self._begin()
        meter.begin()
        self.called += 1
        self.got = self.came = None
        came: Came | BaseException
        try:
            with once(begun.once):
                async with asyncio.timeout(job.timeout_s):
                    [came] = await asyncio.gather(self._call(), return_exceptions=True)
        except TimeoutError:
            came = self.came or TookTooLong(job.timeout_s)  # it may come with the last moment
        known, whole = paid_for(came if self.got is None else self.got)
        meter.end(known, whole=whole)
        self.known = known if self.known is None else self.known + (known or 0)
        if begun.again and not (isinstance(came, BaseException) and lost_reply(came) is not None):
            self._count_again()
        return came

    async def _call(self) -> Came:
        """The answer, which is kept in the same step as it comes: nothing runs in between."""
        job = self.caller.job
        self.got = await self.caller.answer(job.task, self.inputs, job.parameters)
        routed = self.got if isinstance(self.got, Routed) else None
        data = packed(routed.value if routed else self.got)
        part = replace(self.read(data), target=routed.target.name if routed else None)
        self.came = Came(part, self._keep(data))
        return self.came

    # -- what an earlier run lost ------------------------------------------------------------------

    def _asks_anew(self, error: BaseException) -> bool:
        """Whether to ask again, once, for what a gateway sent on for an earlier run: where no
        answer came of it, or where paying again is wanted."""
        lost = lost_reply(error)
        if lost is None or self.anew:
            return False
        if self.caller.job.pay_again or lost.get("outcome") in UNANSWERED:
            self._count_again()
            return True
        return False

    def _count_again(self) -> None:
        if not self.anew:
            self.anew = True
            self.caller.asked_again += 1

    # -- the cache, which may not break the work ---------------------------------------------------

    def _begin(self) -> Begun:
        begun = self._with_store(lambda store, key: store.begin(key))
        return begun or Begun()

    def _close(self) -> None:
        self._with_store(lambda store, key: store.close(key))

    def _keep(self, data: bytes) -> Callable[[], None] | None:
        return self._with_store(lambda store, key: store.put(key, data))

    def _with_store(self, act: Callable[[Store, bytes], T]) -> T | None:
        cache = self.caller.cache
        if cache is None or self.key is None:
            return None
        try:
            return act(cache.store, self.key)
        except OSError as error:
            self.caller.broken(error)
            return None

    async def _kept(self, on_disk: Callable[[], None] | None) -> None:
        """An answer counts when it is on the disk."""
        if on_disk is not None:
            try:
                await asyncio.to_thread(on_disk)
            except OSError as error:
                self.caller.broken(error)


def paid_for(got: Any) -> tuple[Decimal | None, bool]:
    """What is known of a request's cost, and whether that is all of it."""
    if isinstance(got, BaseException):
        return cost_of(got)
    if not isinstance(got, Routed):
        return None, False
    if got.cost is not None:
        return got.cost, True
    known = [each.cost for each in got.attempts if each.cost is not None]
    return (sum(known, Decimal(0)) if known else None), False
