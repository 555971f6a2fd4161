"""In which order targets are tried: one pure function for each policy, by name in `ORDERS`.

Each gives positions of candidates and a score for each candidate, the lower the sooner. Candidates
are sorted by name and Python's sort is stable, so that equals stand by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from hf_ledger.ingest.doors.router.advice import Rule, is_of
from hf_ledger.ingest.doors.router.candidates import PRIME, seed_of
from hf_ledger.ingest.doors.router.costs import tokens_of
from hf_ledger.ingest.doors.router.ranked import Health
from hf_ledger.ingest.doors.router.standing import Standing
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Usage

#: What weights of `balanced` are of.
BALANCED = ("price", "speed", "success")

Order = tuple[list[int], Sequence[float]]


class Facts:
    """What an order is made from: positions of candidates that may be tried, and what is known.

    `draw` gives a random number in [0, 1).
    """

    def __init__(
        self, wanted: Wanted, standing: Standing, open_: list[int], draw: Callable[[], float]
    ) -> None:
        self.wanted = wanted
        self.standing = standing
        self.candidates = standing.candidates
        self.open = open_
        self.draw = draw
        self.tokens = tokens_of(wanted)

    @cached_property
    def amounts(self) -> list[float]:
        """The cost of the request at each candidate, in nano-USD times the candidates' scale."""
        tokens_in, tokens_out = self.tokens
        return [a * tokens_in + b * tokens_out + c for a, b, c in self.candidates.amounts]

    def by(self, scores: Sequence[float]) -> list[int]:
        return sorted(self.open, key=scores.__getitem__)

    def parts(self, values: Sequence[float], weight: float) -> list[float]:
        """The weight for the largest that may be tried and is known, and in proportion below it;
        for what is not known the whole weight."""
        known = (values[n] for n in self.open if values[n] < math.inf)
        part = weight / (max(known, default=0.0) or 1.0)
        return [weight if value == math.inf else value * part for value in values]

    def part(self, values: Sequence[float], weight: float) -> float | None:
        """What each value is to be taken times for that, where all are known and may be tried."""
        most = max(values, default=0.0)
        if most == math.inf or len(self.open) < len(values):
            return None
        return weight / (most or 1.0)


def cheapest(facts: Facts) -> Order:
    return facts.by(facts.amounts), facts.amounts


def fastest(facts: Facts) -> Order:
    return facts.by(facts.standing.milliseconds), facts.standing.milliseconds


def balanced(facts: Facts) -> Order:
    """By the weighted sum of how dear, how slow and how unreliable, each from 0 to 1.

    The dearest and the slowest of those that may be tried are 1, and so is what is not known.
    """
    price, speed, success = balance_of(facts.wanted)
    amounts, times, risks = facts.amounts, facts.standing.milliseconds, facts.standing.unreliable
    dear, slow = facts.part(amounts, price), facts.part(times, speed)
    if dear is None or slow is None:
        amounts, times = facts.parts(amounts, price), facts.parts(times, speed)
        dear = slow = 1.0
    # Hundreds of targets in one pass: a list for each summand took a fifth of the decision.
    scores = [
        amount * dear + ms * slow + risk * success
        for amount, ms, risk in zip(amounts, times, risks, strict=True)
    ]
    return facts.by(scores), scores


def balance_of(wanted: Wanted) -> tuple[float, float, float]:
    """Weights of price, speed and success, summing to 1; equal where none is given."""
    given = wanted.weights or dict.fromkeys(BALANCED, 1.0)
    weights = [given.get(each, 0.0) for each in BALANCED]
    total = sum(weights)
    if set(given) - set(BALANCED) or min(weights) < 0 or not 0 < total < math.inf:
        raise Usage(f"Weights of balanced are of {', '.join(BALANCED)}, none of them negative.")
    return weights[0] / total, weights[1] / total, weights[2] / total


def sticky(facts: Facts) -> Order:
    """The same key goes to the same target (rendezvous hashing): one that leaves moves its own
    keys only. Without a key all requests of a segment have one."""
    wanted = facts.wanted
    number = seed_of(wanted.sticky or wanted.segment or wanted.task)
    scores = [number * seed % PRIME for seed in facts.candidates.seeds]
    return facts.by(scores), scores


def hybrid(facts: Facts) -> Order:
    """What is one's own while it has room, the idlest first; then what sends a bill, by price."""
    candidates, healths = facts.candidates, facts.standing.healths
    scores = list(facts.amounts)
    for n in candidates.own:
        scores[n] = load_of(candidates.targets[n], healths[n]) - 1.0
    return facts.by(scores), scores


def load_of(target: Target, health: Health) -> float:
    """From 0 to 1: the share of its places that are taken; of unlimited ones half at first."""
    if target.most_at_once:
        return min(health.under_way / target.most_at_once, 1.0)
    return health.under_way / (health.under_way + 1.0)


def split(facts: Facts) -> Order:
    """The one that is drawn by the per cent of its name; then the others by theirs, then by price.

    What is missing to 100 goes to those without a share. The draw does not depend on who may be
    tried: one that is left out gives its share to the next in this order.
    """
    shares = shares_of(facts.wanted)
    chosen = drawn(shares, facts.draw() * 100)
    scores = [
        -200.0 if each.name == chosen else -shares.get(each.name, 0.0)
        for each in facts.candidates.targets
    ]
    if chosen is None:
        scores = [score if score else -200.0 for score in scores]
    order = facts.by(facts.amounts)
    order.sort(key=scores.__getitem__)
    return order, scores


def shares_of(wanted: Wanted) -> dict[str, float]:
    """Per cent by target. Raises Usage for what can't be a share."""
    shares = dict(wanted.weights)
    if not shares or min(shares.values()) < 0 or not sum(shares.values()) <= 100 + 1e-9:
        raise Usage("The policy split needs weights: per cent for each target, at most 100 in all.")
    return shares


def drawn(shares: Mapping[str, float], at: float) -> str | None:
    """The name in whose share the number falls, None where it falls beyond them all."""
    for name in sorted(shares):
        at -= shares[name]
        if at < 0:
            return name
    return None


def advised(facts: Facts) -> Order:
    """What the policy file's rule says: a share to the certified model, the rest to the strong one.

    Without a rule, by price. What is of neither model comes last.
    """
    rule = facts.candidates.rule
    if rule is None:
        return cheapest(facts)
    in_force = rule.holds(facts.candidates.world.now)
    first = in_force and facts.draw() < rule.share
    scores = [
        advised_place(each, rule, in_force=in_force, candidate_first=first)
        for each in facts.candidates.targets
    ]
    order = facts.by(facts.amounts)
    order.sort(key=scores.__getitem__)
    return order, scores


def advised_place(target: Target, rule: Rule, *, in_force: bool, candidate_first: bool) -> float:
    """0 for the one that is asked, 1 for the one behind it, 2 for any other."""
    if is_of(target, rule.from_model, rule.from_provider):
        return 1.0 if candidate_first else 0.0
    if in_force and is_of(target, rule.to_model, rule.to_provider):
        return 0.0 if candidate_first else 1.0
    return 2.0


ORDERS: dict[str, Callable[[Facts], Order]] = {
    "cheapest": cheapest,
    "fastest": fastest,
    "balanced": balanced,
    "sticky": sticky,
    "hybrid": hybrid,
    "split": split,
    "advised": advised,
}
