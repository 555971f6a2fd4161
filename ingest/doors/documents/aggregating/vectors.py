"""Answers that are vectors: pooled over the chunks by their length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_ledger.ingest.doors.documents.failing import Unreadable
from hf_ledger.ingest.doors.documents.parts import Part
from hf_ledger.ingest.errors import Unusable


def vector_of(answer: Any) -> list[float]:
    """One vector of an answer: the mean where it has one for each token. Raises Unreadable."""
    import numpy as np

    try:
        found = np.asarray(answer, dtype=float)
    except (TypeError, ValueError) as error:
        raise Unreadable("the answer is no vector") from error
    if found.ndim == 0 or found.size == 0:
        raise Unreadable("the answer is no vector")
    pooled: list[float] = found.reshape(-1, found.shape[-1]).mean(axis=0).tolist()
    return pooled


def pooled(parts: Sequence[Part], text: str, *, normalise: bool = False) -> list[float] | None:
    """The mean of the chunks' vectors weighted by length, of length 1 where that is asked for.

    None where no chunk was answered. Raises Unusable for vectors of different sizes.
    """
    import numpy as np

    answered = [part for part in parts if part.value is not None]
    if not answered:
        return None
    sizes = sorted({len(part.value) for part in answered})
    if len(sizes) > 1:
        raise Unusable(f"the vectors have different sizes ({', '.join(map(str, sizes))}).")
    weights = [part.end - part.start for part in answered]
    found = np.average([part.value for part in answered], axis=0, weights=weights)
    length = float(np.linalg.norm(found)) if normalise else 1.0
    mean: list[float] = (found / length if length else found).tolist()
    return mean
