"""Sizes by name alone of models that the reference catalogue does not know.

`unseen_models.csv`: model, family, total parameters in billions, and who states them. From
Xinference 4.1.0 (Apache-2.0) all models that are in neither the catalogue nor the other lists, but
those whose rounded size lies on a cut or is the active part; from llmfit 1.1.17 (MIT) those with
20,000 downloads a month and more in their own precision; from MTEB 2.26.24 and timm's results
(Apache-2.0) every fourth. A name alone must tell them: no shipped table is used here.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hf_ledger.ingest.catalogue.architectures import family_in
from hf_ledger.ingest.catalogue.sizes import class_of, size_of

SAMPLE = Path(__file__).with_name("unseen_models.csv")


def sample() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def scores(rows: list[dict[str, str]]) -> tuple[float, float]:
    """Share answered, and share right of those answered."""
    pairs = [(size_of(row["model"], table={}).size_class, expected(row)) for row in rows]
    answered = [pair for pair in pairs if pair[0]]
    return len(answered) / len(pairs), sum(a == b for a, b in answered) / len(answered)


def expected(row: dict[str, str]) -> str | None:
    return class_of(family_in(row["family"]), float(row["params_total_b"]))


def test_most_models_are_answered_and_nearly_all_answers_are_right() -> None:
    rows = sample()
    answered, right = scores(rows)
    assert len(rows) > 600
    assert answered >= 0.90
    assert right >= 0.97


@pytest.mark.parametrize(
    ("family", "answered", "right"),
    [("llm", 0.95, 0.98), ("encoder", 0.70, 0.96), ("other", 0.85, 0.95)],
)
def test_every_family_is_answered(family: str, answered: float, right: float) -> None:
    """Embedding models have the barest names: where they say nothing, nothing is answered."""
    rows = [row for row in sample() if row["family"] == family]
    found = scores(rows)
    assert found[0] >= answered and found[1] >= right


def test_the_sample_repeats_no_model() -> None:
    models = [row["model"].lower() for row in sample()]
    assert len(set(models)) == len(models)
