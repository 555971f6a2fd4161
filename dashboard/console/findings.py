"""What a task's result says, whoever made it: the client's own objects, JSON, or nonsense.

A model's server is not trusted: what has not the form of its task is None, and shown as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hf_ledger.dashboard.console.marked import Span


class Score(NamedTuple):
    """A label and how sure the model is; `score` is None where no number was said."""

    label: str
    score: float | None


class Chunk(NamedTuple):
    """A part of a transcript, in seconds of the recording."""

    start_s: float | None
    end_s: float | None
    text: str


class Box(NamedTuple):
    """Where something was found on a picture, in its pixels."""

    label: str
    score: float | None
    xmin: int
    ymin: int
    xmax: int
    ymax: int


def number(value: object) -> float | None:
    """A finite number; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def field(item: object, *names: str) -> Any:
    """The first of these fields that is there and not None."""
    if not isinstance(item, Mapping):
        return None
    return next((item[name] for name in names if item.get(name) is not None), None)


def items(value: object) -> list[Any]:
    """The items of a result: a list, a list in a list, or one alone."""
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return []
    found = list(value)
    return items(found[0]) if len(found) == 1 and isinstance(found[0], list) else found


def empty(value: object) -> bool:
    """Whether nothing was found, and the model said so."""
    return isinstance(value, list) and not value


def text_of(value: object) -> str | None:
    """The text of a result that is one."""
    if isinstance(value, str):
        return value
    found = next(iter(items(value)), None)
    choice = next(iter(items(field(found, "choices"))), None)
    if choice is not None:
        found = {"text": field(field(choice, "message"), "content")}
    said = field(found, "summary_text", "translation_text", "generated_text", "text")
    return said if isinstance(said, str) else None


def scores_of(value: object, name: str = "label") -> list[Score] | None:
    """Labels with their scores, surest first."""
    found = [(field(each, name), number(field(each, "score"))) for each in items(value)]
    if not found or not all(isinstance(label, str) for label, _ in found):
        return None
    scores = [Score(label, score) for label, score in found]
    return sorted(scores, key=lambda each: -math.inf if each.score is None else -each.score)


def entities_of(value: object, length: int) -> list[Span] | None:
    """Where entities stand in a text of this length, and of which kind they are."""
    found = [
        (field(each, "start"), field(each, "end"), field(each, "entity_group", "entity"))
        for each in items(value)
    ]
    good = all(
        type(start) is int and type(end) is int and isinstance(kind, str)
        for start, end, kind in found
    )
    if not good or not (found or empty(value)):
        return None
    return [Span(start, end, kind) for start, end, kind in found if 0 <= start < end <= length]


def answers_of(value: object) -> list[tuple[Score, Span | None]] | None:
    """Answers with their scores and, where it was said, their places in the text."""
    found = []
    for each in items(value):
        answer = field(each, "answer")
        if not isinstance(answer, str):
            return None
        start, end = field(each, "start"), field(each, "end")
        placed = type(start) is int and type(end) is int
        span = Span(start, end) if placed else None
        found.append((Score(answer, number(field(each, "score"))), span))
    return found or None


def numbers_of(value: object) -> list[float] | None:
    """A list of numbers, such as similarities."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return None
    found = [number(each) for each in value]
    good = [each for each in found if each is not None]
    return good if good and len(good) == len(found) else None


def chunks_of(value: object) -> list[Chunk]:
    """Parts of a transcript with their times; empty where there are none."""
    found = []
    for each in items(field(value, "chunks")):
        said, times = field(each, "text"), field(each, "timestamp", "timestamps")
        if isinstance(said, str):
            pair = list(times)[:2] if isinstance(times, Sequence) else []
            start, end = ([number(time) for time in pair] + [None, None])[:2]
            found.append(Chunk(start, end, said))
    return found


def boxes_of(value: object) -> list[Box] | None:
    """Boxes on a picture; None where one of them is none."""
    found = []
    for each in items(value):
        box, label = field(each, "box"), field(each, "label")
        sides = [number(field(box, side)) for side in ("xmin", "ymin", "xmax", "ymax")]
        whole = [int(side) for side in sides if side is not None]
        if not isinstance(label, str) or len(whole) < 4:
            return None
        found.append(Box(label, number(field(each, "score")), *whole))
    return found if found or empty(value) else None


def vectors_of(value: object) -> list[list[float]] | None:
    """Embeddings, one a row; token vectors of several texts count as rows too."""
    rows = value.tolist() if hasattr(value, "tolist") else value
    while isinstance(rows, list) and rows and isinstance(rows[0], list):
        if not isinstance(rows[0][0] if rows[0] else None, list):
            found = [numbers_of(row) for row in rows]
            good = [row for row in found if row is not None]
            return good if len(good) == len(found) else None
        rows = [row for inner in rows if isinstance(inner, list) for row in inner]
    flat = numbers_of(rows)
    return [flat] if flat else None


def cells_of(value: object) -> list[tuple[int, int]]:
    """Rows and columns of a table that an answer stands on."""
    found = items_of_pairs(field(value, "coordinates"))
    return [(row, column) for row, column in found if type(row) is int and type(column) is int]


def items_of_pairs(value: object) -> list[tuple[Any, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return []
    pairs = [each for each in value if isinstance(each, Sequence) and len(each) == 2]
    return [(first, second) for first, second in pairs]


def sounds_of(value: object) -> list[tuple[str, bytes]] | None:
    """Labelled recordings."""
    found = [(field(each, "label"), field(each, "blob")) for each in items(value)]
    good = [
        (label, blob)
        for label, blob in found
        if isinstance(label, str) and isinstance(blob, bytes) and blob
    ]
    return good if good and len(good) == len(found) else None
