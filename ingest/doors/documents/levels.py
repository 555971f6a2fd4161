"""One round over a text: its chunks, and what of each is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_ledger.ingest.doors.documents.chunking import Chunk, split
from hf_ledger.ingest.doors.documents.job import JOINED, Job


@dataclass(frozen=True, slots=True)
class Level:
    """Level 0 is the document; the text of each above is made of the summaries of the one below."""

    number: int
    text: str
    chunks: Sequence[Chunk]

    def sent(self, chunk: Chunk, job: Job) -> str:
        """What goes to the model; where answers are joined, the spaces around stay here."""
        text = chunk.sent(self.text)
        return text.strip() if job.task in JOINED else text


def level_of(text: str, job: Job) -> Level:
    """The document cut as the job says. Raises Usage."""
    return Level(0, text, split(text, job.sizing))
