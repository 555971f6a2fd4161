"""The embedding judge: how near two answers lie, as a model of embeddings sees it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from hf_ledger.ingest.call import Verdict
from hf_ledger.ingest.doors.replays.judges import EMBEDDING, Judged
from hf_ledger.ingest.wire import raw

#: From here on two answers say the same; below the lower one they do not. Between, nobody knows.
SAME, DIFFERENT = 0.9, 0.75

Vector = Sequence[float]
#: Vectors of these texts, one each; None where there are none.
Embed = Callable[[list[str]], Awaitable[list[list[float]] | None]]

_JSON = msgspec.json.Decoder()


async def similar(answer: str, other: str, embed: Embed, model: str) -> Judged | None:
    """Cosine of the two answers' vectors against the thresholds; None where there is none."""
    judge = f"{EMBEDDING}:{model}"
    if answer == other:
        return Judged(judge, "same", 1.0)
    vectors = await embed([answer, other])
    score = cosine(*vectors) if vectors and len(vectors) == 2 else None
    return None if score is None else Judged(judge, verdict_of(score), score)


def verdict_of(score: float) -> Verdict:
    if score >= SAME:
        return "same"
    return "different" if score < DIFFERENT else "unsure"


def cosine(first: Vector, second: Vector) -> float | None:
    """From -1 to 1; None for vectors without length, or of two models."""
    if len(first) != len(second):
        return None
    length = math.hypot(*first) * math.hypot(*second)
    if not 0 < length < math.inf:
        return None
    product = math.fsum(a * b for a, b in zip(first, second, strict=True))
    return max(-1.0, min(1.0, product / length))


def embeddings_body(model: str, texts: list[str]) -> bytes:
    return msgspec.json.encode({"model": model, "input": texts})


def vectors_of(reply: bytes) -> list[list[float]] | None:
    """The vectors of a reply, in the order of the texts; None where it is not such a reply."""
    said = raw.decode(_JSON, reply)
    data = said.get("data") if isinstance(said, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        return None
    by_place: dict[Any, Any] = {each.get("index"): each.get("embedding") for each in data}
    try:
        return msgspec.convert([by_place[place] for place in range(len(data))], list[list[float]])
    except (KeyError, msgspec.ValidationError):
        return None
