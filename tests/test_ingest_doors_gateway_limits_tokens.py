"""Tokens of buckets in a process's purse: lent, used, given back, and never there twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from factories_limits import NEVER, Clock, Lossy, budget, held, over, purses, state_with

from hf_ledger.ingest.doors.gateway.limits import leases
from hf_ledger.ingest.doors.gateway.limits.bank import EXPIRY_NS, Bank
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.places import Places

STATE = state_with(budget())


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with closing(Bank(Places(tmp_path), STATE)) as made:
        yield made


async def test_tokens_are_taken_here_and_run_out(bank: Bank) -> None:
    async with purses(bank, beat_seconds=NEVER) as [purse]:
        for _ in range(5):
            wait = purse.draw("user:ann", "m", 5, 0.5)
            if wait is not None:
                await wait
        assert purse.headers("user:ann", "m")["ratelimit"] == '"api";r=0;t=10'
        with pytest.raises(Refused) as refused:
            await (purse.draw("user:ann", "m", 5, 0.5) or asyncio.sleep(0))
        assert (refused.value.status, refused.value.code) == (429, "rate_limited")
        assert refused.value.headers["retry-after"] == "2"
        # Until then it need not ask again.
        with pytest.raises(Refused):
            purse.draw("user:ann", "m", 5, 0.5)


async def test_idle_tokens_go_back_to_the_owner(bank: Bank) -> None:
    async with purses(bank, 2, beat_seconds=0.01) as [one, two]:
        await (one.draw("user:ann", "m", 8, 0.0) or asyncio.sleep(0))
        await asyncio.sleep(0.1)
        for _ in range(7):
            await (two.draw("user:ann", "m", 8, 0.0) or asyncio.sleep(0))
        with pytest.raises(Refused):
            await (two.draw("user:ann", "m", 8, 0.0) or asyncio.sleep(0))


async def test_no_token_without_the_owner(bank: Bank) -> None:
    way, clock = Lossy(bank), Clock()
    async with over([way], clock=clock, beat_seconds=NEVER) as [purse]:
        await (purse.draw("user:ann", "m", 100, 0.0) or asyncio.sleep(0))
        way.cut = True
        assert purse.draw("user:ann", "m", 100, 0.0) is None  # still leased
        clock.ns += EXPIRY_NS
        with pytest.raises(Refused) as refused:
            await (purse.draw("user:ann", "m", 100, 0.0) or asyncio.sleep(0))
        assert refused.value.code == "owner_unreachable"


async def test_a_bucket_that_was_idle_for_a_while_has_no_tokens_twice(bank: Bank) -> None:
    async with purses(bank, beat_seconds=0.005) as [purse]:
        await held(purse, STATE, "0.1")  # so that the heart goes on beating
        passed = 0
        for _ in range(12):
            try:
                await (purse.draw("user:ann", "m", 8, 0.0) or asyncio.sleep(0))
                passed += 1
            except Refused:
                break
            await asyncio.sleep(0.03)  # long enough for idle tokens to go back
        assert passed == 8


async def test_very_many_buckets_are_let_go_and_no_token_is_there_twice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MOST_BUCKETS", 3)
    async with purses(bank, beat_seconds=NEVER) as [purse]:
        for number in range(10):
            await (purse.draw("user:ann", f"m{number}", 2, 0.0) or asyncio.sleep(0))
            assert len(purse._tokens) <= 4
        await (purse.draw("user:ann", "m0", 2, 0.0) or asyncio.sleep(0))
        with pytest.raises(Refused):
            await (purse.draw("user:ann", "m0", 2, 0.0) or asyncio.sleep(0))
