"""What of a ranking stays the same from request to request, made once and kept."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

from hf_ledger.ingest.doors.gateway.compliance.policy import Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.router.advice import Advice, Rule
from hf_ledger.ingest.doors.router.costs import DEFAULT_OUTPUT_TOKENS, Rate, rate_of
from hf_ledger.ingest.doors.router.eligibility import why_not
from hf_ledger.ingest.doors.router.key import OWN, Key, key_of
from hf_ledger.ingest.doors.router.ranked import Excluded
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted

#: A hash of this many values fits into what Python compares fastest.
PRIME = 1_073_741_789


class World(NamedTuple):
    """What a ranking is made from beside the request; a change of it makes new candidates."""

    prices: Prices
    advice: Advice | None
    compliance: Policy
    now: float  # seconds since 1970


class Candidates:
    """Targets that may do a kind of request, by name, with what orders them.

    `amounts` are nano-USD times `scale` for a token of input and one of output, and 0, or infinity
    where the price is not known. They are floats, because those are multiplied and compared twice
    as fast, and exact up to 2 ** 53; what a request costs is reckoned in whole numbers.
    """

    def __init__(self, wanted: Wanted, targets: tuple[Target, ...], world: World) -> None:
        self.all = targets
        self.world = world
        reasons = [
            (each, why_not(wanted, each, world.compliance, world.advice, world.now))
            for each in sorted(targets, key=lambda target: target.name)
        ]
        self.targets = tuple(each for each, why in reasons if why is None)
        self.excluded = tuple(Excluded(each, why) for each, why in reasons if why is not None)
        self.keys: list[Key] = [key_of(each) for each in self.targets]
        self.rates = [rate_of(each, wanted.task, world.prices, world.now) for each in self.targets]
        self.scale = math.lcm(*(each.per_units for each in self.rates))
        self.amounts = [self._amounts(each) for each in self.rates]
        self.rule = rule_of(wanted, world)
        self.valid_until = min(self._ends(world.now), default=math.inf)
        self._describe()

    def _describe(self) -> None:
        """What only some policies need, and all of it is small."""
        enumerated = list(enumerate(self.targets))
        self.every = list(range(len(enumerated)))
        self.own = [n for n, each in enumerated if each.kind in OWN]
        self.limited = [n for n, each in enumerated if is_limited(each)]
        self.seeds = [seed_of(each.name) for each in self.targets]
        self.stated_ms = [stated_ms(each) for each in self.targets]
        lengths = [each.context_length for each in self.targets if each.context_length]
        outputs = [each.max_output_tokens for each in self.targets if each.max_output_tokens]
        self.shortest = min(lengths, default=math.inf)
        self.fewest = min(outputs, default=math.inf)

    def _amounts(self, rate: Rate) -> tuple[float, float, float]:
        if rate.input is None or rate.output is None:
            return 0.0, 0.0, math.inf
        times = self.scale // rate.per_units
        return float(rate.input * times), float(rate.output * times), 0.0

    def _ends(self, now: float) -> list[float]:
        """When a price ends, or a rule begins or ends."""
        rules: Sequence[Rule] = self.world.advice.rules if self.world.advice else ()
        bounds = [each.valid_to for each in self.rates if each.valid_to is not None]
        for rule in rules:
            bounds += [rule.certified_at.timestamp(), rule.expires_at.timestamp()]
        return [each for each in bounds if each > now]

    def made_from(self, targets: Sequence[Target], world: World) -> bool:
        """Whether they would come out the same; only the very same things are compared."""
        return (
            (targets is self.all or tuple(targets) == self.all)
            and world.prices is self.world.prices
            and world.advice is self.world.advice
            and world.compliance is self.world.compliance
            and world.now < self.valid_until
        )


def rule_of(wanted: Wanted, world: World) -> Rule | None:
    if world.advice is None:
        return None
    return world.advice.rule_for(wanted.task, wanted.segment, world.now)


def kind_of(wanted: Wanted) -> tuple[object, ...]:
    """What of a request candidates depend on: all but its lengths, its key and its time."""
    return (
        wanted.task,
        wanted.targets,
        wanted.models,
        wanted.data_class,
        wanted.tools,
        wanted.structured_output,
        wanted.segment,
    )


def is_limited(target: Target) -> bool:
    return target.most_at_once is not None or target.requests_per_minute is not None


def seed_of(name: str) -> int:
    """A number from 1 to below `PRIME` that belongs to a name, in every process and machine."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (PRIME - 1) + 1


def stated_ms(target: Target) -> float | None:
    """How long a usual answer takes by what the router's list states, None where it states too
    little."""
    if target.throughput is None or target.throughput <= 0:
        return target.first_token_ms
    writing = DEFAULT_OUTPUT_TOKENS / target.throughput * 1000
    return writing + (target.first_token_ms or 0.0)
