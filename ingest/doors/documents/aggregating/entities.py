"""Entities of the whole document: at its own offsets, and each one once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.documents.failing import Unreadable
from hf_ledger.ingest.doors.documents.parts import Part


class Entity(NamedTuple):
    """A span of the document under a label, and the chunks in which it was found."""

    start: int
    end: int
    label: str
    score: float
    parts: frozenset[int]

    @property
    def length(self) -> int:
        return self.end - self.start


def entities_of(answer: Any, text: str, sent_from: int) -> list[dict[str, Any]]:
    """The entities of one chunk at the document's offsets. Raises Unreadable.

    `word` is the text that stands there, however the model's tokens spell it.
    """
    if not isinstance(answer, list):
        raise Unreadable("the answer is no list of entities")
    try:
        return [_shifted(each, text, sent_from) for each in answer]
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable("the answer holds entities without place or score") from error


def _shifted(each: dict[str, Any], text: str, sent_from: int) -> dict[str, Any]:
    start, end = sent_from + int(each["start"]), sent_from + int(each["end"])
    label = each.get("entity_group") or each.get("entity")
    return entity(Entity(start, end, str(label), float(each["score"]), frozenset()), text)


def entity(found: Entity, text: str) -> dict[str, Any]:
    """In hub's own words."""
    return {
        "entity_group": found.label,
        "word": text[found.start : found.end],
        "start": found.start,
        "end": found.end,
        "score": found.score,
    }


def merged(parts: Sequence[Part], text: str) -> list[dict[str, Any]]:
    """All entities in the order of the text.

    Where chunks overlap, the same one may be found twice, or cut at a chunk's edge: spans of
    different chunks that meet become one under one label; under two, the longer one stays, then
    the surer. Spans of one chunk are left as they are.
    """
    kept: list[Entity] = []
    for each in sorted(_found(parts)):
        rival = next((at for at in _near(kept, each) if _meet(kept[at], each)), None)
        if rival is None:
            kept.append(each)
        else:
            kept[rival] = _one_of(kept[rival], each)
    return [entity(each, text) for each in sorted(kept)]


def _found(parts: Sequence[Part]) -> list[Entity]:
    return [
        Entity(
            each["start"],
            each["end"],
            each["entity_group"],
            each["score"],
            frozenset({part.index}),
        )
        for part in parts
        if part.value is not None
        for each in part.value
    ]


#: So many of the entities before one may reach into it.
NEAR = 64


def _near(kept: Sequence[Entity], each: Entity) -> list[int]:
    """Those that may meet it: the same label before others."""
    near = range(len(kept) - 1, max(len(kept) - NEAR, 0) - 1, -1)
    return sorted(near, key=lambda at: kept[at].label != each.label)


def _meet(one: Entity, other: Entity) -> bool:
    overlaps = one.start < other.end and other.start < one.end
    return overlaps and not one.parts & other.parts


def _one_of(one: Entity, other: Entity) -> Entity:
    if one.label != other.label:
        return max(one, other, key=lambda each: (each.length, each.score))
    return Entity(
        min(one.start, other.start),
        max(one.end, other.end),
        one.label,
        max(one.score, other.score),
        one.parts | other.parts,
    )
