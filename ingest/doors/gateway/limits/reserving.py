"""What a call holds in each budget that counts it, and what it counts there in the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from hf_ledger.ingest.doors.gateway.limits.holdings import Account, Tokens
from hf_ledger.ingest.doors.gateway.limits.money import nano
from hf_ledger.ingest.doors.gateway.limits.refusing import (
    exhausted,
    reserved,
    unpriced,
    unreachable,
)
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Budget

Need = tuple[Account, int]


@dataclass(slots=True, eq=False)
class Reservation:
    """What one request holds: an amount in each budget that counts it."""

    needs: list[Need]
    settled: bool = False


@dataclass(slots=True, eq=False)
class MoneyWait:
    """A request whose lease does not suffice."""

    needs: list[Need]
    future: asyncio.Future[Reservation]
    rounds: int = 0

    def declare(self) -> None:
        """Let the next exchange ask for it."""
        for account, amount in self.needs:
            if account.budget.hard and amount:
                account.need(amount)


@dataclass(slots=True, eq=False)
class TokenWait:
    """A request for which there is no token here."""

    tokens: Tokens
    future: asyncio.Future[None]
    rounds: int = 0

    def declare(self) -> None:
        """Let the next exchange ask for it."""
        self.tokens.waiting += 1


def taken(needs: list[Need]) -> Reservation:
    """Hold every amount."""
    for account, amount in needs:
        account.reserved += amount
        account.idle = 0
    return Reservation(needs)


def needed(budget: Budget, amount: int | None) -> int:
    """What a call of this worst case holds in a budget; raises 402 `unpriced`."""
    if amount is not None:
        return amount
    if budget.unpriced == "assume":
        return nano(budget.assumed_usd or "0")
    if budget.unpriced == "refuse" and budget.hard:
        raise unpriced(budget)
    return 0


def charged(budget: Budget, held: int, actual: Decimal | None) -> int:
    """What a call counts in a budget; of an unknown cost what was held, or what is assumed."""
    if actual is not None:
        return nano(actual)
    if budget.unpriced == "assume" and budget.assumed_usd is not None:
        return min(held, nano(budget.assumed_usd))
    return held


def serves(budget: Budget, provider: str | None) -> bool:
    """False for the budget of a provider that did not serve the call."""
    if budget.dimension != "provider" or provider is None or budget.value is None:
        return True
    return budget.value.lower() == provider.lower()


def is_there(needs: list[Need]) -> bool:
    """Whether the owner would have the money, as far as it is known here."""
    asked = [each for each in needs if each[0].budget.hard and each[1]]
    return all(account.left_now is not None and account.left_now >= n for account, n in asked)


def short_of(needs: list[Need]) -> Refused:
    """Why a request could not be given what it needs: for good, or for now."""
    short = [each for each in needs if each[0].budget.hard and each[1] and each[0].free < each[1]]
    for account, amount in short:
        if account.left is not None and amount > account.left:
            return exhausted(account)
    return reserved(short[0][0]) if short else unreachable()


def refuse(waiter: MoneyWait | TokenWait, why: Refused) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(why)
