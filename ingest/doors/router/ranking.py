"""Which target first, which next, and why the others not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices, half_even
from hf_ledger.ingest.doors.router.advice import Advice
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.candidates import (
    UNKNOWN_AMOUNT,
    Candidates,
    World,
    kind_of,
)
from hf_ledger.ingest.doors.router.eligibility import too_long
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.policies import ORDERS, Facts
from hf_ledger.ingest.doors.router.ranked import Excluded, Health, Ranked, Ranking
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Usage

#: A target that answers less than this share of at least so many calls goes behind the healthy.
FLOOR = 0.8
ENOUGH = 20
#: Kinds of requests whose candidates are kept.
KEPT = 256


class Random(Protocol):
    def random(self) -> float: ...


class Ranker:
    """Ranks targets for requests; may be used by many threads.

    `prices` and `advice` give what holds now, and the same object for as long as it does; `clock`
    gives seconds since 1970.
    """

    def __init__(  # noqa: PLR0917 - six parts that a router is made of, each of another type
        self,
        prices: Callable[[], Prices],
        metrics: Metrics,
        breakers: Breakers,
        advice: Callable[[], Advice | None],
        compliance: Policy,
        random: Random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._prices, self._advice, self._compliance = prices, advice, compliance
        self._metrics, self._breakers = metrics, breakers
        self._random, self._clock = random, clock
        self._kept: dict[tuple[object, ...], _Kept] = {}

    def rank(
        self,
        wanted: Wanted,
        targets: Sequence[Target],
        now_s: float,
        most: int | None = None,
    ) -> Ranking:
        """The targets in the order of the policy, and those left out, each with its reason.

        `now_s` are monotonic seconds, as the breakers have them. With `most` only the first so many
        are given: what stands behind them costs time, and is hardly ever tried. Raises `Usage` for
        a policy that there is not, or weights that say nothing.
        """
        order = ORDERS.get(wanted.policy)
        if order is None:
            raise Usage(f"There is no policy {wanted.policy!r}; known: {', '.join(ORDERS)}.")
        kept = self._keep(wanted, targets)
        candidates = kept.candidates
        healths, ill = kept.healths_now(self._metrics)
        shut = self._shut(wanted, candidates, now_s)
        open_ = [n for n in candidates.every if n not in shut] if shut else candidates.every
        facts = Facts(wanted, candidates, healths, open_, self._random.random)
        places, scores = order(facts)
        if ill:
            places = [n for n in places if n not in ill] + [n for n in places if n in ill]
        left_out = tuple(Excluded(candidates.targets[n], why) for n, why in shut.items())
        return Ranking(
            tuple(ranked(facts, n, scores[n], n in ill) for n in places[:most]),
            candidates.excluded + left_out if left_out else candidates.excluded,
            wanted.policy,
        )

    def _keep(self, wanted: Wanted, targets: Sequence[Target]) -> _Kept:
        """The candidates for such a request, made anew where something else holds than before."""
        kind = kind_of(wanted)
        world = World(self._prices(), self._advice(), self._compliance, self._clock())
        kept = self._kept.get(kind)
        if kept is None or not kept.candidates.made_from(targets, world):
            if len(self._kept) >= KEPT:
                self._kept.clear()
            kept = self._kept[kind] = _Kept(Candidates(wanted, tuple(targets), world))
        return kept

    def _shut(self, wanted: Wanted, candidates: Candidates, now_s: float) -> dict[int, str]:
        """Candidates that can't have this request now, by position, each with its reason."""
        found: dict[int, str] = {}
        if shut := self._breakers.shut(now_s):
            for n, key in enumerate(candidates.keys):
                if key in shut:
                    found[n] = f"its breaker is open for {max(0.0, shut[key] - now_s):.1f} s more"
        for n in candidates.limited:
            if why := self._metrics.full(candidates.targets[n], now_s):
                found.setdefault(n, why)
        tokens_in, tokens_out = wanted.input_tokens, wanted.output_tokens
        together = (tokens_in or 0) + (tokens_out or 0)
        if together > candidates.shortest or (tokens_out or 0) > candidates.fewest:
            for n, target in enumerate(candidates.targets):
                if why := too_long(target, tokens_in, tokens_out):
                    found[n] = why
        return found


class _Kept:
    """Candidates with how they do, which is asked for again only when something changed."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        # One value, since threads come by here: version, healths, positions of the ill.
        self._known: tuple[int, list[Health], frozenset[int]] = (-1, [], frozenset())

    def healths_now(self, metrics: Metrics) -> tuple[list[Health], frozenset[int]]:
        """How each candidate does, and the positions of those that do badly."""
        version = metrics.version_now()
        known = self._known
        if version != known[0]:
            healths = metrics.healths(self.candidates.keys)
            ill = frozenset(n for n, each in enumerate(healths) if is_ill(each))
            known = self._known = (version, healths, ill)
        return known[1], known[2]


def is_ill(health: Health) -> bool:
    return health.calls >= ENOUGH and (health.success or 0.0) < FLOOR


def ranked(facts: Facts, n: int, score: float, ill: bool) -> Ranked:
    candidates, health = facts.candidates, facts.healths[n]
    amount = facts.amounts[n]
    cost = None if amount >= UNKNOWN_AMOUNT else half_even(amount, candidates.scale)
    why = f"{priced(cost, candidates.rates[n].said)}, {doing(health, candidates.stated_ms[n])}"
    if ill:
        why += f", below {FLOOR * 100:.0f} % and so behind the healthy"
    return Ranked(candidates.targets[n], score, cost, health, why)


def priced(cost: Decimal | None, said: str) -> str:
    """As "$0.000021 at the list"."""
    return said if cost is None or not said.startswith("at ") else f"${plain(cost)} {said}"


def plain(usd: Decimal) -> str:
    """All its digits, at least two places."""
    text = f"{usd:.9f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))


def doing(health: Health, stated_ms: float | None) -> str:
    """As "99 % of 212 calls ok, 640 ms"; a share is never rounded up to all."""
    if health.success is None:
        return "no calls yet" if stated_ms is None else f"no calls yet, {stated_ms:,.0f} ms stated"
    said = f"{int(health.success * 100)} % of {health.calls:,} calls ok"
    return said if health.latency_ms is None else f"{said}, {health.latency_ms:,.0f} ms"
