"""What a decision of the router costs: order and reasons over 10 to 1,000 targets, each policy."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from decimal import Decimal

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.ranking import Ranker
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import POLICIES, Wanted

SIZES = (10, 50, 200, 1000)
ROUNDS = 2000
MODEL = "maker/model"
ATTEMPTS = 4


def main() -> None:
    """Microseconds of `rank` as the router calls it (the first 4), and of all targets."""
    print(f"{'targets':>7} {'policy':10} {'same':>16} {'lengths differ':>16} {'metrics too':>16}")
    print(f"{'':18} {'p50 / p99 µs':>16} {'p50 / p99 µs':>16} {'p50 / p99 µs':>16}   all of them")
    for size in SIZES:
        for policy in POLICIES:
            print(f"{size:7} {policy:10}", *(f"{each:>16}" for each in measured(size, policy)))


def measured(size: int, policy: str) -> list[str]:
    """The same request again; any length; a call ends between any two; and all targets."""
    targets, ranker, metrics = scene(size)
    weights = {targets[0].name: 50.0, targets[-1].name: 20.0} if policy == "split" else {}
    plain = Wanted(policy=policy, weights=weights)
    shapes = [
        Wanted(policy=policy, weights=weights, input_tokens=n, output_tokens=9, sticky=str(n))
        for n in range(ROUNDS)
    ]
    calls = [call_to(targets[n % size]) for n in range(ROUNDS)]
    return [
        spread(timed(ranker, targets, [plain] * ROUNDS, most=ATTEMPTS)),
        spread(timed(ranker, targets, shapes, most=ATTEMPTS)),
        spread(timed(ranker, targets, shapes, metrics, calls, most=ATTEMPTS)),
        spread(timed(ranker, targets, shapes[:200], metrics, calls, most=None)),
    ]


def timed(
    ranker: Ranker,
    targets: tuple[Target, ...],
    wanted: list[Wanted],
    metrics: Metrics | None = None,
    calls: list[Call] | None = None,
    *,
    most: int | None,
) -> Iterator[float]:
    ranker.rank(wanted[0], targets, 0.0, most)
    gc.collect()
    for place, each in enumerate(wanted):
        if metrics and calls:
            metrics.observe(calls[place])
        begun = time.perf_counter_ns()
        ranker.rank(each, targets, 0.0, most)
        yield (time.perf_counter_ns() - begun) / 1000


def spread(taken: Iterator[float]) -> str:
    values = sorted(taken)
    return f"{values[len(values) // 2]:.0f} / {values[len(values) * 99 // 100]:.0f}"


def scene(size: int) -> tuple[tuple[Target, ...], Ranker, Metrics]:
    """So many targets, nine of ten at providers, each with a price and two hundred calls."""
    chance = random.Random(size)
    names = [f"target-{n:04}" for n in range(size)]
    targets = tuple(target(name, n) for n, name in enumerate(names))
    prices = Prices(State(prices=tuple(price(name, chance) for name in names)))
    metrics = Metrics()
    for each in targets:
        for _ in range(200):
            metrics.observe(call_to(each, chance.lognormvariate(6.5, 0.5)))
    breakers = Breakers(chance.random)
    ranker = Ranker(lambda: prices, metrics, breakers, lambda: None, Policy(), chance)
    return targets, ranker, metrics


def target(name: str, number: int) -> Target:
    if number % 10:
        return Target(name=name, provider=name, model=MODEL, context_length=100_000)
    url = f"http://{name}:8000"
    return Target(name=name, kind="self_hosted", url=url, model=MODEL, most_at_once=8)


def price(name: str, chance: random.Random) -> Price:
    usd = [f"{Decimal(chance.randrange(1, 10_000)) / 1000:f}" for _ in range(2)]
    return Price(provider=name, model=MODEL, price_id=name, input=usd[0], output=usd[1])


def call_to(place: Target, latency_ms: float = 700.0) -> Call:
    own = place.kind == "self_hosted"
    return Call(
        call_id="0",
        ts=time.time_ns() // 1000 - int(latency_ms * 1000),
        host_kind=place.kind,
        provider=place.provider,
        routing=None if own else "explicit",
        requested_model=place.model,
        endpoint=(place.url or "").removeprefix("http://") if own else None,
        latency_ms=latency_ms,
    )


if __name__ == "__main__":
    main()
