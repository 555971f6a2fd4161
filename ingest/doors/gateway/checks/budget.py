"""How much: the worst case is held in every budget that counts the call, and settled at its end."""

from __future__ import annotations

from collections.abc import Awaitable
from decimal import Decimal

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.limits.pricing import DEFAULT_MAX_TOKENS, Prices, worst_case
from hf_ledger.ingest.doors.gateway.limits.reserving import Reservation
from hf_ledger.ingest.doors.gateway.state import State

ESTIMATE_HEADER = "x-hf-ledger-cost-estimate"
LEFT_HEADER = "x-hf-ledger-budget-left"


class BudgetCheck:
    """Reserves before a call and settles after it; refuses what no budget has left."""

    name = "budget"

    def __init__(self, purse: Purse, default_max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        self._purse = purse
        self._default = default_max_tokens
        self._held: dict[str, Reservation] = {}
        self._priced: tuple[State, Prices] | None = None

    def check(self, asking: Asking) -> Awaitable[None] | None:
        if asking.call is None:
            return None
        worst = worst_case(asking, self.prices(asking.state), self._default)
        held = self._purse.reserve(asking.state, labels_of(asking, asking.call), worst)
        if isinstance(held, Reservation):
            self._passed(asking, worst, held)
            return None
        return self._waited(asking, worst, held)

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        held = self._held.pop(asking.request_id, None)
        if held is None:
            return
        free = outcome.refused or asking.reserved == 0
        actual = Decimal(0) if free else outcome.cost
        self._purse.settle(held, actual, outcome.call.provider if outcome.call else None)

    def needs_bounds(self, asking: Asking) -> bool:
        """Whether a hard budget counts the request: then its worst case must hold."""
        held = self._held.get(asking.request_id)
        return held is not None and any(account.budget.hard for account, _ in held.needs)

    def prices(self, state: State) -> Prices:
        """The state's prices, looked up and not searched."""
        if self._priced is None or self._priced[0] is not state:
            self._priced = (state, Prices(state))
        return self._priced[1]

    async def _waited(
        self, asking: Asking, worst: Decimal | None, held: Awaitable[Reservation]
    ) -> None:
        self._passed(asking, worst, await held)

    def _passed(self, asking: Asking, worst: Decimal | None, held: Reservation) -> None:
        self._held[asking.request_id] = held
        asking.reserved = worst
        asking.verdicts[self.name] = "ok" if held.needs else "none"
        if worst is not None:
            asking.answer[ESTIMATE_HEADER] = f"{worst:f}"
        left = self._purse.left(held)
        if left is not None:
            asking.answer[LEFT_HEADER] = f"{left:f}"


def labels_of(asking: Asking, call: Call) -> Labels:
    """What budgets may be for: the key's own labels first, they can't be chosen by the caller."""
    key = asking.key
    return Labels(
        key=key.key_id if key else None,
        user=(key and key.user) or call.user_id,
        team=(key and key.team) or call.team,
        project=(key and key.project) or call.project,
        environment=(key and key.environment) or call.environment,
        model=call.requested_model,
        provider=call.provider if call.routing in (None, "explicit") else None,
    )
