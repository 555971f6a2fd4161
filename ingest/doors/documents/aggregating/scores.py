"""Answers that are labels with scores: the mean over the chunks, by their length or each alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from hf_ledger.ingest.doors.documents.failing import Unreadable
from hf_ledger.ingest.doors.documents.parts import Part


def scores_of(answer: Any) -> dict[str, float]:
    """Label → score, in hub's shape or the servers' own. Raises Unreadable."""
    if isinstance(answer, dict) and {"labels", "scores"} <= answer.keys():
        return dict(zip(answer["labels"], map(float, answer["scores"]), strict=False))
    found = answer[0] if isinstance(answer, list) and answer else answer
    listed = found if isinstance(found, list) else answer
    if not isinstance(listed, list) or not listed:
        raise Unreadable("the answer holds no labels")
    try:
        return {str(each["label"]): float(each["score"]) for each in listed}
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable("the answer holds no labels with scores") from error


def averaged(
    parts: Sequence[Part], text: str, *, weighting: Literal["length", "equal"] = "length"
) -> list[dict[str, Any]]:
    """Labels by mean score, the highest first; empty where no chunk was answered.

    A label that a chunk's answer does not name counts 0 there.
    """
    weighed = [(weight_of(part, weighting), part.value) for part in parts if part.value is not None]
    total = sum(weight for weight, _ in weighed)
    sums: dict[str, float] = {}
    for weight, scores in weighed:
        for label, score in scores.items():
            sums[label] = sums.get(label, 0.0) + weight * score
    found = [{"label": label, "score": sums[label] / total} for label in sums]
    return sorted(found, key=lambda each: (-each["score"], each["label"]))


def weight_of(part: Part, weighting: str) -> int:
    return part.end - part.start if weighting == "length" else 1
