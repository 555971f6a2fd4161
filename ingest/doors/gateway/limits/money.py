"""USD as whole nano-USD: what budgets count in, exactly and fast."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal


def nano(usd: Decimal | str) -> int:
    """Whole nano-USD, half to the even one."""
    return int(Decimal(usd).scaleb(9).to_integral_value(ROUND_HALF_EVEN))


def nano_above(usd: Decimal) -> int:
    """Whole nano-USD, never less than the amount: for what has to suffice."""
    return int(usd.scaleb(9).to_integral_value(ROUND_CEILING))


def usd(amount: int) -> Decimal:
    """Nano-USD as USD with nine places."""
    return Decimal(amount).scaleb(-9)
