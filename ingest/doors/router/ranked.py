"""In which order targets are tried, and why: values that policies make and `explain` prints."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from hf_ledger.ingest.doors.router.target import Target


class Health(NamedTuple):
    """How a target has done in the sliding window; None where nothing is known."""

    calls: int = 0
    success: float | None = None  # share of calls that ended well, of those that were its to answer
    latency_ms: float | None = None  # median
    latency_p95_ms: float | None = None
    ttft_ms: float | None = None  # median, streamed calls only
    under_way: int = 0
    open_until: float | None = None  # monotonic seconds; its breaker lets nothing pass before


class Ranked(NamedTuple):
    """A target that may be tried. `score` orders within its policy: the lower, the sooner."""

    target: Target
    score: float
    cost: Decimal | None  # USD of the request as estimated; None: no price is known
    health: Health
    why: str  # one clause for people


class Excluded(NamedTuple):
    target: Target
    why: str


class Ranking(NamedTuple):
    ranked: tuple[Ranked, ...]
    excluded: tuple[Excluded, ...]
    policy: str
