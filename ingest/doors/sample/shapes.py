"""Draw token counts as real traffic has them, from quantiles of public traces."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from hf_ledger.ingest.catalogue.load import data_file

Counts = npt.NDArray[np.int64]
Shape = str | tuple[tuple[int, int], tuple[int, int]]


@cache
def curves() -> Mapping[str, tuple[tuple[float, ...], ...]]:
    """Per shape: levels, log input tokens, log output tokens (data/token_shapes.csv)."""
    found: dict[str, tuple[list[float], list[float], list[float]]] = {}
    with data_file("token_shapes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            levels, inputs, outputs = found.setdefault(row["shape"], ([], [], []))
            levels.append(float(row["level"]))
            inputs.append(float(np.log(float(row["input_tokens"]))))
            outputs.append(float(np.log(float(row["output_tokens"]))))
    return {name: tuple(map(tuple, columns)) for name, columns in found.items()}


def draw(rng: np.random.Generator, shape: Shape, size: int) -> tuple[Counts, Counts]:
    """Input and output tokens of `size` calls; the two are independent, as in the traces."""
    if isinstance(shape, str):
        levels, inputs, outputs = curves()[shape]
        return between(rng, levels, inputs, size), between(rng, levels, outputs, size)
    low, high = shape
    return rng.integers(*low, size, endpoint=True), rng.integers(*high, size, endpoint=True)


def between(
    rng: np.random.Generator, levels: tuple[float, ...], logs: tuple[float, ...], size: int
) -> Counts:
    return np.exp(np.interp(rng.random(size), levels, logs)).round().astype(np.int64)
