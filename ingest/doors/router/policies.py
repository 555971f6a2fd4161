"""In which order targets are tried: one pure function for each policy, by name in `ORDERS`.

Each gives positions of candidates and a score for each candidate, the lower the sooner. Candidates
are sorted by name and Python's sort is stable, so that equals stand by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

from hf_ledger.ingest.doors.router.candidates import UNKNOWN_AMOUNT, Candidates
from hf_ledger.ingest.doors.router.costs import tokens_of
from hf_ledger.ingest.doors.router.ranked import Health
from hf_ledger.ingest.doors.router.wanted import Wanted

Order = tuple[list[int], Sequence[float]]


class Facts:
    """What an order is made from: positions of candidates that may be tried, and what is known.

    `draw` is a random number in [0, 1).
    """

    def __init__(
        self,
        wanted: Wanted,
        candidates: Candidates,
        healths: Sequence[Health],
        open_: list[int],
        draw: Callable[[], float],
    ) -> None:
        self.wanted = wanted
        self.candidates = candidates
        self.healths = healths
        self.open = open_
        self.draw = draw

    @cached_property
    def amounts(self) -> list[int]:
        """The cost of the request at each candidate, in nano-USD times the candidates' scale."""
        tokens_in, tokens_out = tokens_of(self.wanted)
        return [a * tokens_in + b * tokens_out + c for a, b, c in self.candidates.amounts]

    @cached_property
    def usd(self) -> list[float]:
        scale = self.candidates.scale * 1e9
        return [math.inf if each >= UNKNOWN_AMOUNT else each / scale for each in self.amounts]

    @cached_property
    def milliseconds(self) -> list[float]:
        """Measured, else as the router's list states, else infinite."""
        return [
            measured_ms(health) or stated or math.inf
            for health, stated in zip(self.healths, self.candidates.stated_ms, strict=True)
        ]

    def by(self, scores: Sequence[float]) -> list[int]:
        return sorted(self.open, key=scores.__getitem__)


def measured_ms(health: Health) -> float | None:
    """The median answer, else the median first chunk: of streams that broke there is no more."""
    return health.latency_ms if health.latency_ms is not None else health.ttft_ms


def cheapest(facts: Facts) -> Order:
    return facts.by(facts.amounts), facts.usd


def fastest(facts: Facts) -> Order:
    return facts.by(facts.milliseconds), facts.milliseconds


ORDERS: dict[str, Callable[[Facts], Order]] = {
    "cheapest": cheapest,
    "fastest": fastest,
}
