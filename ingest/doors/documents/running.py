"""The chunks of one level, so many at once, their parts in order as they become ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field

from hf_ledger.ingest.doors.documents.attempts import Caller
from hf_ledger.ingest.doors.documents.chunking import Chunk
from hf_ledger.ingest.doors.documents.levels import Level
from hf_ledger.ingest.doors.documents.parts import DocumentFailed, Part, Progress
from hf_ledger.ingest.doors.hook.labels import Labelled, Labels

Slot = asyncio.Future[Part]

STOPPED = (
    "Part {number} of {total} failed: {why}. {answered} parts were answered before the rest was "
    "stopped."
)


@dataclass
class Run:
    """One document's way through its levels, under one operation of the ledger."""

    caller: Caller
    labels: Labels
    told: Callable[[Progress], None] | None = None
    done: int = 0
    total: int = 0
    failed: int = 0
    finished: list[Part] = field(default_factory=list)

    async def parts(self, level: Level) -> AsyncGenerator[Part]:
        """Each as soon as it and all before it are there. Raises DocumentFailed by the policy.

        Whoever leaves early, or is cancelled, ends what is under way.
        """
        loop = asyncio.get_running_loop()
        slots: list[Slot] = [loop.create_future() for _ in level.chunks]
        self.total += len(slots)
        todo = iter(zip(level.chunks, slots, strict=True))
        # The labels are for the calls alone: a generator shares the context of its caller.
        with Labelled(self.labels):
            count = min(self.caller.job.at_once, len(slots))
            workers = [asyncio.create_task(self._work(level, todo)) for _ in range(count)]
        for worker in workers:
            worker.add_done_callback(lambda ended: abandon(ended, slots))
        try:
            for slot in slots:
                yield await slot
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            for slot in slots:
                forget(slot)

    async def _work(self, level: Level, todo: Iterator[tuple[Chunk, Slot]]) -> None:
        for chunk, slot in todo:
            part = await self.caller.settle(level, chunk)
            self._count(part)
            if part.failed is not None and self.caller.job.on_failure != "skip":
                raise self._stopped(part)
            slot.set_result(part)

    def _count(self, part: Part) -> None:
        self.done += 1
        self.failed += part.failed is not None
        self.finished.append(part)
        if self.told is not None:
            spent = self.caller.meter.spent
            self.told(Progress(self.done, self.total, spent.cost, self.failed, spent))

    def _stopped(self, part: Part) -> DocumentFailed:
        answered = sum(each.failed is None for each in self.finished)
        sentence = STOPPED.format(
            number=part.index + 1, total=self.total, why=part.failed, answered=answered
        )
        return DocumentFailed(
            sentence,
            parts=tuple(sorted(self.finished, key=lambda each: (each.level, each.index))),
            spent=self.caller.meter.spent,
            operation_id=self.labels.operation_id or "",
        )


def abandon(ended: asyncio.Task[None], slots: list[Slot]) -> None:
    """A worker that raised has its error told to whoever waits for any part."""
    error = None if ended.cancelled() else ended.exception()
    if error is None:
        return
    for slot in slots:
        if not slot.done():
            slot.set_exception(error)


def forget(slot: Slot) -> None:
    """An error that was told once is not complained of for each part that it kept from being."""
    if slot.done() and not slot.cancelled():
        slot.exception()
