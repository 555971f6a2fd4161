"""Budgets, purses and a clock that only moves when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.exchanging import Exchange, Reply, Said, Transport
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.limits.reserving import Reservation
from hf_ledger.ingest.doors.gateway.limits.transports import Direct
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.spool.process import process_start, this_process

SECOND = 10**9
#: Nano-USD of a dollar.
NANO = 10**9
#: 25 November 2026, 12:00 UTC.
NOON = 1_795_608_000.0
COMPANY = Labels()
#: Seconds in which nothing is exchanged unless somebody waits.
NEVER = 60.0


class Clock:
    """Monotonic nanoseconds and seconds since 1970 that move together."""

    def __init__(self) -> None:
        self.ns = 5 * SECOND

    def __call__(self) -> int:
        return self.ns

    def wall(self) -> float:
        return NOON + self.ns / SECOND

    def pass_(self, seconds: float) -> None:
        self.ns += round(seconds * SECOND)


def state_with(*budgets: Budget, **changes: Any) -> State:
    return State(budgets=budgets, **changes)


def budget(budget_id: str = "b", usd: str = "1", **changes: Any) -> Budget:
    return Budget(budget_id=budget_id, usd=usd, **changes)


def message(gateway: str, *said: Said, **changes: Any) -> Exchange:
    """A gateway that lives in this process."""
    me = this_process()
    given: dict[str, Any] = {"host": me.host, "pid": me.pid, "process_start": process_start()}
    return Exchange(gateway=gateway, accounts=list(said), **{**given, **changes})


def gone(gateway: str, *said: Said) -> Exchange:
    """A gateway whose process is known to have ended: this pid, another start."""
    start = process_start()
    return message(gateway, *said, process_start=f"{start.rpartition(':')[0]}:1")


@asynccontextmanager
async def purses(bank: Bank, number: int = 1, **options: Any) -> AsyncIterator[list[Purse]]:
    """Purses of one bank, started and closed."""
    async with over([Direct(bank) for _ in range(number)], **options) as made:
        yield made


@asynccontextmanager
async def over(transports: list[Transport], **options: Any) -> AsyncIterator[list[Purse]]:
    made = [Purse(each, **options) for each in transports]
    for each in made:
        each.start()
    try:
        yield made
    finally:
        await asyncio.gather(*(each.close() for each in made))


async def held(
    purse: Purse, state: State, worst: str | None, labels: Labels = COMPANY
) -> Reservation:
    """A reservation, waited for where it has to be."""
    found = purse.reserve(state, labels, None if worst is None else Decimal(worst))
    return await found if isinstance(found, Awaitable) else found


def asking_of(asked: Any, call: Call | None, **changes: Any) -> Asking:
    """A request on its way with this body."""
    given: dict[str, Any] = {
        "request_id": "r1",
        "ts": call.ts if call else 0,
        "method": "POST",
        "path": "/v1/chat/completions",
        "address": "127.0.0.1",
        "headers": {},
        "body": json.dumps(asked).encode(),
        "state": State(),
        "asked": asked,
        "call": call,
    }
    return Asking(**{**given, **changes})


class Lossy:
    """A way to the bank that can be cut, or lose the answers."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.cut = False
        self.deaf = False
        self.asked = 0

    async def exchange(self, message: Exchange) -> Reply:
        self.asked += 1
        if self.cut:
            raise Unusable("cut")
        answer = self.bank.exchange(message)
        await asyncio.sleep(0)
        if self.deaf:
            raise Unusable("lost")
        return answer

    def close(self) -> None:
        self.cut = True
