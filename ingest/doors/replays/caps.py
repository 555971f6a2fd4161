"""What replays of a key may cost in a month, as a hard budget that the ledger's owner lends."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from hf_ledger.ingest.doors.gateway.state import Budget, Key

ZERO = Decimal(0)


def usd_of(text: str) -> Decimal:
    """The amount of a setting; what is none, or negative, allows nothing."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return ZERO
    return amount if amount.is_finite() and amount > 0 else ZERO


def cap_of(key_id: str) -> str:
    """Id of the budget, and the label by which it counts; no id and no key is written so."""
    return f"replay:{key_id}"


def caps_of(keys: Iterable[Key]) -> tuple[Budget, ...]:
    """A budget for each key that has replays; nobody sets it, it follows the key."""
    return tuple(
        Budget(
            budget_id=cap_of(key.key_id),
            dimension="key",
            value=cap_of(key.key_id),
            usd=f"{usd_of(key.replaying.usd):f}",
        )
        for key in keys
        if key.replaying.share > 0
    )
