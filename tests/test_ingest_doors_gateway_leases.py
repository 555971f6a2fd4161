"""A process's purse: at once or after one exchange, all budgets or none, settled to the cent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from factories_limits import COMPANY, budget, held, purses, state_with

from hf_ledger.ingest.doors.gateway.bank import Bank
from hf_ledger.ingest.doors.gateway.leases import Purse
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.reserving import Reservation
from hf_ledger.ingest.places import Places

STATE = state_with(budget())


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with closing(Bank(Places(tmp_path), STATE)) as made:
        yield made


def settled(bank: Bank, budget_id: str = "b") -> Decimal:
    (found,) = [each for each in bank.standings() if each.budget_id == budget_id]
    return Decimal(found.settled).scaleb(-9)


async def test_the_lease_answers_at_once_and_what_was_not_used_is_free_again(bank: Bank) -> None:
    async with purses(bank) as [purse]:
        first = await held(purse, STATE, "0.1")
        second = purse.reserve(STATE, COMPANY, Decimal("0.1"))
        assert isinstance(second, Reservation)  # no exchange: the first brought more than it took
        purse.settle(first, Decimal("0.01"))
        purse.settle(second, Decimal("0.02"))
        purse.settle(second, Decimal("0.02"))  # once is enough
        rest = await held(purse, STATE, "0.97")
        purse.settle(rest, Decimal("0.97"))
    assert settled(bank) == 1


async def test_two_purses_use_the_whole_of_a_budget_and_no_more(bank: Bank) -> None:
    random_ = random.Random(1)

    async def client(purse: Purse) -> str:
        for _ in range(2000):
            try:
                reservation = await held(purse, STATE, "0.02")
            except Refused as error:
                if error.code == "budget_exhausted":
                    return error.code
                assert error.code == "budget_reserved"
                await asyncio.sleep(0.005)
                continue
            await asyncio.sleep(random_.uniform(0, 0.002))
            purse.settle(reservation, Decimal(random_.randrange(20_000_001)).scaleb(-9))
        return "never refused"

    async with purses(bank, 2, beat_seconds=0.01) as made:
        ends = await asyncio.gather(*(client(made[n % 2]) for n in range(40)))
    assert set(ends) == {"budget_exhausted"}
    assert Decimal("0.98") <= settled(bank) <= 1
