"""A whole document through one task: cut, asked, put together again, and counted as one."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from hf_ledger.ingest.doors.documents.aggregating import WAYS, summaries
from hf_ledger.ingest.doors.documents.attempts import Caller
from hf_ledger.ingest.doors.documents.caching import Cache
from hf_ledger.ingest.doors.documents.document import Document
from hf_ledger.ingest.doors.documents.job import Answer, Job
from hf_ledger.ingest.doors.documents.levels import Level, level_of
from hf_ledger.ingest.doors.documents.meter import Meter
from hf_ledger.ingest.doors.documents.parts import Part, Processed, Progress
from hf_ledger.ingest.doors.documents.reading import read
from hf_ledger.ingest.doors.documents.running import Run
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.doors.hook.labels import Labels, current, text

Told = Callable[[Progress], None]

WERE_CUT = "Answers that ended at their limit of output tokens: {count}."
NOT_KEPT = (
    "Times that the disk did not keep what it should: {count}. A second run may pay for that again."
)
UNKNOWN_AGAIN = (
    "Chunks that were under way when an earlier run ended, and were asked again: {count}. Where no "
    "gateway of yours is in between they may have been billed twice."
)


async def process(
    document: Document | Path | str,
    job: Job,
    answer: Answer,
    *,
    cache: Cache | None = None,
    progress: Told | None = None,
    meter: Meter | None = None,
) -> Processed:
    """The document's value, its parts in order, and what they cost together.

    A `str` is the text itself, a `Path` a file to be read. All calls are one operation of the
    ledger: the one around, or a new one. Raises DocumentFailed where a chunk fails and the job does
    not skip it; Usage or Unusable for what can't be read or cut.
    """
    work = _Work(job, answer, cache, meter or Meter(), progress)
    level = level_of(text_of(document), job)
    parts = await work.round(level)
    value = await work.value(level, parts)
    return work.processed(value)


async def stream(
    document: Document | Path | str,
    job: Job,
    answer: Answer,
    *,
    cache: Cache | None = None,
    progress: Told | None = None,
    meter: Meter | None = None,
) -> AsyncGenerator[Part]:
    """The parts of the document in order, each as soon as it and all before it are ready.

    Nothing is put together. Leave early through `contextlib.aclosing`: it ends what is under way.
    """
    work = _Work(job, answer, cache, meter or Meter(), progress)
    async with aclosing(work.run.parts(level_of(text_of(document), job))) as parts:
        async for part in parts:
            yield part


def text_of(document: Document | Path | str) -> str:
    if isinstance(document, str):
        return document
    return (read(document) if isinstance(document, Path) else document).text


@dataclass
class _Work:
    """What one document takes."""

    job: Job
    answer: Answer
    cache: Cache | None
    meter: Meter
    progress: Told | None
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.caller = Caller(self.job, self.answer, self.cache, self.meter)
        self.run = Run(self.caller, labels_of(self.job), self.progress)

    async def round(self, level: Level) -> list[Part]:
        """All parts of a level."""
        async with aclosing(self.run.parts(level)) as parts:
            found = [part async for part in parts]
        self.parts += found
        return found

    async def value(self, level: Level, parts: list[Part]) -> object:
        combine = self.job.combine
        if combine == "tree" or (combine is None and self.job.task == "summarization"):
            return await self._tree(level, parts)
        return (combine or WAYS[self.job.task].combine)(parts, level.text)

    async def _tree(self, level: Level, parts: list[Part]) -> str:
        """Summaries of summaries, until one is left or they get no fewer."""
        document = parts
        while True:
            texts = summaries.texts_of(level, parts)
            above = summaries.level_above(level, texts, self.job)
            if above is None:
                break
            level, parts = above, await self.round(above)
        if len(texts) > 1:
            self.notes.append(summaries.NOT_SHORTER)
        return summaries.with_marks(summaries.BETWEEN.join(texts), document)

    def processed(self, value: object) -> Processed:
        spent, caller = self.meter.spent, self.caller
        counts = {
            WERE_CUT: sum(part.cut for part in self.parts),
            NOT_KEPT: caller.unkept,
            UNKNOWN_AGAIN: caller.asked_again,
        }
        notes = [said.format(count=count) for said, count in counts.items() if count]
        return Processed(
            value=value,
            parts=tuple(self.parts),
            cost=spent.cost,
            coverage=spent.coverage,
            operation_id=self.run.labels.operation_id or "",
            called=spent.called,
            from_cache=sum(part.from_cache for part in self.parts),
            failed=tuple(part for part in self.parts if part.failed is not None),
            asked_again=caller.asked_again,
            notes=(*self.notes, *notes),
        )


def labels_of(job: Job) -> Labels:
    """The operation that all calls of a document belong to: the program's own, or a new one."""
    around = current.get()
    if around.operation_id is not None:
        return Labels(operation_id=around.operation_id, operation=around.operation)
    return Labels(operation_id=uuid7(time.time_ns()), operation=text(job.label))
