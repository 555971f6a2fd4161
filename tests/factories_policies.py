"""Targets, prices and a ranker whose clock moves only when told to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.hook.hosts import netloc_of
from hf_ledger.ingest.doors.router.advice import Advice
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.ranked import Ranking
from hf_ledger.ingest.doors.router.ranking import Ranker
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted

#: 25 November 2026, 12:00 UTC.
NOON = 1_795_608_000.0
MODEL = "maker/model"


class Clock:
    """Seconds since 1970."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Scene:
    """A ranker with everything that it looks at."""

    def __init__(self, *prices: Price, advice: Advice | None = None, seed: int = 1) -> None:
        self.clock = Clock()
        self.prices = Prices(State(prices=prices))
        self.advice = advice
        self.random = random.Random(seed)
        self.metrics = Metrics(self.clock)
        self.breakers = Breakers(self.random.random)
        self.compliance = Policy()

    @property
    def ranker(self) -> Ranker:
        if not hasattr(self, "_ranker"):
            self._ranker = Ranker(
                lambda: self.prices,
                self.metrics,
                self.breakers,
                lambda: self.advice,
                self.compliance,
                self.random,
                self.clock,
            )
        return self._ranker

    def rank(self, targets: Sequence[Target], now_s: float = 0.0, **wanted: Any) -> Ranking:
        return self.ranker.rank(Wanted(**wanted), targets, now_s)

    def observe(self, target: Target, times: int = 1, **call: Any) -> None:
        for _ in range(times):
            self.metrics.observe(call_to(target, self.clock.now, **call))


def target(name: str = "a", **changes: Any) -> Target:
    """A target of the settings at a provider of its name."""
    given: dict[str, Any] = {"provider": name, "model": MODEL}
    return Target(name=name, **{**given, **changes})


def price(provider: str, input_usd: str | None, output_usd: str | None, **changes: Any) -> Price:
    """USD per million tokens."""
    given: dict[str, Any] = {"model": MODEL, "price_id": provider}
    return Price(provider=provider, input=input_usd, output=output_usd, **{**given, **changes})


def call_to(target: Target, ended: float = NOON, **changes: Any) -> Call:
    """A call that went to a target and ended at a time; it took half a second."""
    latency_ms = changes.get("latency_ms", 500.0)
    own = target.kind in ("endpoint", "self_hosted")
    given: dict[str, Any] = {
        "call_id": "0",
        "ts": round((ended - (latency_ms or 0.0) / 1000) * 1_000_000),
        "host_kind": target.kind,
        "provider": target.provider,
        "routing": None if own else target.routing,
        "requested_model": target.model,
        "endpoint": netloc_of(target.url or "") if own else None,
        "latency_ms": latency_ms,
        "status": 200,
    }
    return Call(**{**given, **changes})


def names(ranking: Ranking) -> list[str]:
    return [each.target.name for each in ranking.ranked]


def reasons(ranking: Ranking) -> dict[str, str]:
    return {each.target.name: each.why for each in ranking.excluded}
