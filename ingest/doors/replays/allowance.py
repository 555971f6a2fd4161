"""Money for replays, from the purse that pays for calls: exact over processes and restarts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.limits.reserving import Reservation
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.doors.replays.caps import ZERO, cap_of
from hf_ledger.ingest.doors.replays.errand import Errand, Reply

#: By what budgets of the company, of teams, models … count an errand.
LabelsOf = Callable[[Errand], Labels]

NO_CAP = "The ledger has not said what replays of this key may cost."


class Allowance:
    """Holds the worst case of an errand in the key's cap and in every budget that counts it.

    The key's own budget is its users' and does not count replays.
    """

    def __init__(self, purse: Purse, state: Callable[[], State], labels: LabelsOf) -> None:
        self._purse = purse
        self._state = state
        self._labels = labels

    async def hold(self, key_id: str, errand: Errand, worst: Decimal | None) -> Reservation:
        """Set the worst case aside (None: no price is known). Raises `Refused`."""
        cap = cap_of(key_id)
        labels = self._labels(errand)._replace(key=cap)
        found = self._purse.reserve(self._state(), labels, worst)
        held = await found if isinstance(found, Awaitable) else found
        if not any(account.budget.budget_id == cap for account, _ in held.needs):
            self._purse.settle(held, ZERO)
            raise Refused(402, "no_cap", NO_CAP)
        return held

    def settle(self, held: Reservation, reply: Reply) -> None:
        """The request is over; a cost that is not known counts as what was held for it."""
        self._purse.settle(held, reply.cost, reply.call.provider if reply.call else None)
