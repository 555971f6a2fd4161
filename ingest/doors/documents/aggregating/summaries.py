"""Summaries of summaries, level by level, until one call's text holds them all."""

from __future__ import annotations

from collections.abc import Sequence

from hf_ledger.ingest.doors.documents.aggregating.texts import mark_of
from hf_ledger.ingest.doors.documents.chunking import Chunk, split
from hf_ledger.ingest.doors.documents.job import Job
from hf_ledger.ingest.doors.documents.levels import Level
from hf_ledger.ingest.doors.documents.parts import Part
from hf_ledger.ingest.doors.documents.sizing import Sizing

BETWEEN = "\n\n"
NOT_SHORTER = (
    "The summaries do not get shorter than what one call takes: they are joined as they are."
)


def texts_of(level: Level, parts: Sequence[Part]) -> list[str]:
    """What goes on to the next level: of the document's chunks those with an answer; a failed
    summary of summaries is replaced by what it was to be made of."""
    found = []
    for part in parts:
        if part.value is not None:
            found.append(str(part.value).strip())
        elif part.failed is not None and level.number:
            found.append(level.text[part.start : part.end].strip())
    return found


def level_above(level: Level, texts: Sequence[str], job: Job) -> Level | None:
    """The texts grouped so that each group fits one call; None where nothing gets fewer by it."""
    if len(texts) < 2:
        return None
    text = BETWEEN.join(texts)
    chunks = _grouped(text, texts, job)
    return Level(level.number + 1, text, chunks) if len(chunks) < len(level.chunks) else None


def _grouped(text: str, texts: Sequence[str], job: Job) -> list[Chunk]:
    """As many texts to a group as fit; one that does not fit alone is cut."""
    spans: list[tuple[int, int]] = []
    at = 0
    for each in texts:
        end = at + len(each)
        if spans and fits(text[spans[-1][0] : end], job):
            spans[-1] = (spans[-1][0], end)
        elif fits(each, job):
            spans.append((at, end))
        else:
            alone = Sizing(job.size, 0, job.unit, job.count)
            spans += [(at + piece.start, at + piece.end) for piece in split(each, alone)]
        at = end + len(BETWEEN)
    return [Chunk(index, start, end, start) for index, (start, end) in enumerate(spans)]


def fits(text: str, job: Job) -> bool:
    size = job.count(text) if job.unit == "tokens" and job.count else len(text)
    return size <= job.size


def with_marks(value: str, parts: Sequence[Part]) -> str:
    """The summary, and what it lacks."""
    marks = [mark_of(part, len(parts)) for part in parts if part.failed is not None]
    return BETWEEN.join([value, *marks] if value else marks)
