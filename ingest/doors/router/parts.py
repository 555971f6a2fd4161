"""What a router is made of: targets, prices, how targets do, and who may be asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec

from hf_ledger.ingest.doors.gateway.compliance.policy import Allowed, Policy
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state import DataClass, State
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.doors.hook.hosts import configured
from hf_ledger.ingest.doors.router.advice import Advice
from hf_ledger.ingest.doors.router.attempts import Watch
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.ranking import Ranker
from hf_ledger.ingest.doors.router.registry import Registry
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

WRONG_COMPLIANCE = "Setting compliance is wrong in {path}: data may not be sent by unknown rules."


class Parts(NamedTuple):
    """One installation's, shared by all event loops and threads of a router."""

    places: Places
    registry: Registry
    ranker: Ranker
    watch: Watch

    @classmethod
    def of(cls, places: Places) -> Self:
        """Raises Unusable for settings with a mistake."""
        prices, metrics = PricesNow(places), Metrics()
        breakers = Breakers(random.random)
        ranker = Ranker(prices, metrics, breakers, no_advice, compliance_of(places), random)
        return cls(places, Registry.open(places), ranker, Watch(metrics, breakers, prices))

    def targets(self) -> Sequence[Target]:
        return self.registry.targets


class PricesNow:
    """The prices that were published last; the same object until there are others."""

    def __init__(self, places: Places) -> None:
        self._state = Watched(places.gateway_state)
        self._of: tuple[State, Prices] | None = None

    def __call__(self) -> Prices:
        state, known = self._state.now(), self._of
        if known is None or known[0] is not state:
            known = self._of = (state, Prices(state))
        return known[1]


def no_advice() -> Advice | None:
    return None


def compliance_of(places: Places) -> Policy:
    """Where data of each class may go, as `[compliance]` says. Raises Unusable."""
    said = configured(places).get("compliance", {})
    try:
        rules = {name: said[name] for name in said if name in CLASSES}
        return Policy(allowed=msgspec.convert(rules, dict[DataClass, Allowed]))
    except (msgspec.ValidationError, TypeError) as error:
        raise Unusable(WRONG_COMPLIANCE.format(path=places.config)) from error


CLASSES = frozenset(("public", "internal", "confidential", "restricted"))
