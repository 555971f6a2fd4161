"""From the answers of all chunks to one value of the document, a way for each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.documents.aggregating import entities, replies, scores, texts, vectors
from hf_ledger.ingest.doors.documents.job import Combine

#: A plain answer, the text of its level and where what was sent begins; raises Unreadable.
Read = Callable[[Any, str, int], Any]


class Way(NamedTuple):
    """How one answer is read, and how all become one. A tree's answers are combined by calls."""

    read: Read
    combine: Combine


TEXT = Way(lambda answer, _text, _at: texts.text_of(answer), texts.joined)
LABELS = Way(lambda answer, _text, _at: scores.scores_of(answer), scores.averaged)

WAYS: dict[str, Way] = {
    "chat-completion": TEXT,
    "text-generation": TEXT,
    "summarization": TEXT,
    "translation": TEXT,
    "text-classification": LABELS,
    "zero-shot-classification": LABELS,
    "token-classification": Way(entities.entities_of, entities.merged),
    "feature-extraction": Way(lambda answer, _text, _at: vectors.vector_of(answer), vectors.pooled),
    "question-answering": Way(
        lambda answer, _text, at: replies.replies_of(answer, at), replies.best
    ),
}
