"""How much of a key's money for replays is left this month; the worst case is held beforehand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

ZERO = Decimal(0)

#: What replays of a key have cost this month as the ledger's owner knows it, USD; unknown costs
#: count at their worst case there too. None: not known, and nothing may be spent.
Spent = Callable[[str], Decimal | None]


def usd_of(text: str) -> Decimal:
    """The amount of a setting; what is none, or negative, allows nothing."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return ZERO
    return amount if amount.is_finite() and amount > 0 else ZERO


class Allowance:
    """Counts what this process spends beside what the owner knows, and goes by the larger.

    The owner's figure survives a restart and holds other processes' spending, but lags behind;
    our own does not. `month` names the month that it is, in the zone of the budgets.
    """

    def __init__(self, spent: Spent, month: Callable[[], str]) -> None:
        self._spent = spent
        self._month = month
        self._now = ""
        self._ours: dict[str, Decimal] = {}  # known at the first look, and settled here since
        self._held: defaultdict[str, Decimal] = defaultdict(Decimal)  # under way

    def hold(self, key_id: str, usd: Decimal, cap: Decimal) -> bool:
        """Set the worst case of a request aside; False where the cap would be exceeded."""
        known = self._known(key_id)
        if known is None or known + self._held[key_id] + usd > cap:
            return False
        self._held[key_id] += usd
        return True

    def settle(self, key_id: str, held: Decimal, cost: Decimal | None) -> None:
        """The request is over; a cost that is not known counts as what was held for it."""
        self._turn_page()
        self._held[key_id] -= held
        ours = self._ours.get(key_id)
        if ours is None:  # a new month has begun since it was held
            ours = self._spent(key_id) or ZERO
        self._ours[key_id] = ours + (held if cost is None else cost)

    def _known(self, key_id: str) -> Decimal | None:
        self._turn_page()
        stated = self._spent(key_id)
        if stated is None:
            return None
        ours = self._ours.setdefault(key_id, stated)
        return max(stated, ours)

    def _turn_page(self) -> None:
        """A new month begins with nothing spent; what is under way stays held."""
        month = self._month()
        if month != self._now:
            self._now = month
            self._ours.clear()
