"""Answers to a question about the document: the best of all chunks, with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_ledger.ingest.doors.documents.failing import Unreadable
from hf_ledger.ingest.doors.documents.parts import Part


def replies_of(answer: Any, sent_from: int) -> list[dict[str, Any]]:
    """The answers of one chunk at the document's offsets. Raises Unreadable."""
    listed = answer if isinstance(answer, list) else [answer]
    try:
        return [
            {
                "answer": str(each["answer"]),
                "score": float(each["score"]),
                "start": sent_from + int(each["start"]),
                "end": sent_from + int(each["end"]),
            }
            for each in listed
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable("the answer has no text, score or place") from error


def best(parts: Sequence[Part], text: str) -> dict[str, Any] | None:
    """The one with the highest score, the first of equals; None where there is none."""
    found = [each for part in parts if part.value is not None for each in part.value]
    return max(found, key=lambda each: float(each["score"])) if found else None
