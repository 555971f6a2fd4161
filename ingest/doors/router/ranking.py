"""Which target first, which next, and why the others not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.router.advice import Advice
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.candidates import Candidates, World, kind_of
from hf_ledger.ingest.doors.router.costs import cost_at
from hf_ledger.ingest.doors.router.eligibility import too_long
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.policies import ORDERS, Facts
from hf_ledger.ingest.doors.router.ranked import Excluded, Ranked, Ranking
from hf_ledger.ingest.doors.router.standing import FLOOR, Standing
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Usage

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
        self._kept: dict[tuple[object, ...], Standing] = {}

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
        standing = self._standing(wanted, targets)
        standing.update(self._metrics)
        candidates = standing.candidates
        shut = self._shut(wanted, candidates, now_s)
        open_ = [n for n in candidates.every if n not in shut] if shut else candidates.every
        facts = Facts(wanted, standing, open_, self._random.random)
        places, scores = order(facts)
        if ill := standing.ill:
            places = [n for n in places if n not in ill] + [n for n in places if n in ill]
        left_out = tuple(Excluded(candidates.targets[n], why) for n, why in shut.items())
        return Ranking(
            tuple(ranked(facts, n, scores[n]) for n in places[:most]),
            candidates.excluded + left_out if left_out else candidates.excluded,
            wanted.policy,
        )

    def _standing(self, wanted: Wanted, targets: Sequence[Target]) -> Standing:
        """The candidates for such a request, made anew where something else holds than before."""
        kind = kind_of(wanted)
        world = World(self._prices(), self._advice(), self._compliance, self._clock())
        kept = self._kept.get(kind)
        if kept is None or not kept.candidates.made_from(targets, world):
            if len(self._kept) >= KEPT:
                self._kept.clear()
            kept = self._kept[kind] = Standing(Candidates(wanted, tuple(targets), world))
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


def ranked(facts: Facts, n: int, score: float) -> Ranked:
    standing, rate = facts.standing, facts.candidates.rates[n]
    cost = cost_at(rate, *facts.tokens)
    why = f"{priced(cost, rate.said)}, {standing.said(n)}"
    if n in standing.ill:
        why += f", below {FLOOR * 100:.0f} % and so behind the healthy"
    return Ranked(facts.candidates.targets[n], score, cost, standing.healths[n], why)


def priced(cost: Decimal | None, said: str) -> str:
    """As "$0.000021 at the list"."""
    return said if cost is None or not said.startswith("at ") else f"${plain(cost)} {said}"


def plain(usd: Decimal) -> str:
    """All its digits, at least two places."""
    text = f"{usd:.9f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))
