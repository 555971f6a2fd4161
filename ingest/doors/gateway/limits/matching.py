"""Which budgets count a call: looked up, not searched; the index is made once a state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hf_ledger.ingest.doors.gateway.state import Budget, Dimension, State

BY_LABEL: tuple[Dimension, ...] = ("key", "user", "team", "project", "environment", "model")
#: Names of models and providers are the same in any case.
FOLDED = ("model", "provider")


class Labels(NamedTuple):
    """What budgets may be for; None where the call has none."""

    key: str | None = None
    user: str | None = None
    team: str | None = None
    project: str | None = None
    environment: str | None = None
    model: str | None = None
    provider: str | None = None  # None: not known before it has answered


class Matcher:
    """The budgets of one state."""

    def __init__(self, state: State) -> None:
        self._company = [each for each in state.budgets if each.dimension is None]
        self._provider = [each for each in state.budgets if each.dimension == "provider"]
        self._by_value: dict[tuple[str, str], list[Budget]] = {}
        for each in state.budgets:
            if each.dimension and each.value is not None:
                key = (each.dimension, folded(each.dimension, each.value))
                self._by_value.setdefault(key, []).append(each)

    def matching(self, labels: Labels) -> Iterator[Budget]:
        """Every budget that counts the call; of an unknown provider, those of all providers."""
        yield from self._company
        for dimension, value in zip(BY_LABEL, labels, strict=False):
            if value is not None:
                yield from self._of(dimension, value)
        if labels.provider is None:
            yield from self._provider
        else:
            yield from self._of("provider", labels.provider)

    def _of(self, dimension: Dimension, value: str) -> list[Budget]:
        return self._by_value.get((dimension, folded(dimension, value)), [])


def folded(dimension: Dimension, value: str) -> str:
    return value.lower() if dimension in FOLDED else value
