"""A process's purse: at once or after one exchange, all budgets or none, settled to the cent."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from factories_limits import COMPANY, NEVER, Clock, Lossy, budget, held, over, purses, state_with

from hf_ledger.ingest.doors.gateway.limits.bank import EXPIRY_NS, Bank
from hf_ledger.ingest.doors.gateway.limits.exchanging import Exchange, Reply
from hf_ledger.ingest.doors.gateway.limits.leases import OwnerLost, Purse
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.limits.reserving import Reservation
from hf_ledger.ingest.doors.gateway.limits.transports import Direct
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.places import Places

STATE = state_with(budget())
ANN = Labels(key="k1", user="ann", team="search", model="Maker/Model", provider="acme")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with closing(Bank(Places(tmp_path), STATE)) as made:
        yield made


async def refusal(purse: Purse, worst: str | None, state: State = STATE) -> Refused:
    with pytest.raises(Refused) as refused:
        await held(purse, state, worst, ANN)
    return refused.value


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


async def test_all_that_wait_share_one_exchange(bank: Bank) -> None:
    way = Lossy(bank)
    async with over([way], beat_seconds=NEVER) as [purse]:
        await asyncio.gather(*(held(purse, STATE, "0.01") for _ in range(50)))
        assert way.asked == 1
    assert settled(bank) == Decimal("0.5")  # closed with all under way: nobody can say


async def test_all_budgets_of_a_call_or_none(places: Places) -> None:
    state = state_with(
        budget("company", "1"),
        budget("team", "0.10", dimension="team", value="search"),
        budget("other", "0", dimension="team", value="ads"),
        budget("model", "1", dimension="model", value="maker/model"),
        budget("elsewhere", "0", dimension="provider", value="else"),
    )
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            done = await held(purse, state, "0.04", ANN)
            refused = await refusal(purse, "0.07", state)
            assert (refused.status, refused.code) == (429, "budget_reserved")
            assert refused.headers["retry-after"] == "1"
            purse.settle(done, Decimal("0.04"))
            refused = await refusal(purse, "0.07", state)
            assert (refused.status, refused.code) == (402, "budget_exhausted")
            assert "month's budget of team search" in refused.sentence
        spent = {each.budget_id: each.settled for each in bank.standings()}
    cents = 4 * 10**7
    assert spent == {"company": cents, "team": cents, "other": 0, "model": cents, "elsewhere": 0}


@pytest.mark.parametrize("label", ["key", "user", "team", "project", "environment"])
async def test_each_dimension_counts_its_own(places: Places, label: str) -> None:
    state = state_with(budget("b", "1", dimension=label, value="x"))
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            for value in ("x", "y", "X"):
                found = await held(purse, state, "0.1", Labels(**{label: value}))
                purse.settle(found, Decimal("0.1"))
        assert settled(bank) == Decimal("0.1")


async def test_a_soft_budget_never_refuses_and_counts(places: Places) -> None:
    state = state_with(budget("b", "0.01", hard=False))
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            found = purse.reserve(state, ANN, Decimal(5))
            assert isinstance(found, Reservation)
            purse.settle(found, Decimal(3))
            unknown = purse.reserve(state, ANN, None)
            assert isinstance(unknown, Reservation)
        assert settled(bank) == 3


async def test_a_free_call_passes_an_empty_budget(places: Places) -> None:
    state = state_with(budget("b", "0"))
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            assert (await refusal(purse, "0.000000001", state)).code == "budget_exhausted"
            assert isinstance(purse.reserve(state, ANN, Decimal(0)), Reservation)


@pytest.mark.parametrize(
    ("unpriced", "assumed", "code", "counted"),
    [("refuse", None, "unpriced", 0), ("allow", None, None, 0), ("assume", "0.3", None, 3)],
)
async def test_a_call_without_a_price(
    places: Places, unpriced: str, assumed: str | None, code: str | None, counted: int
) -> None:
    state = state_with(budget("b", "1", unpriced=unpriced, assumed_usd=assumed))
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            if code:
                refused = await refusal(purse, None, state)
                assert (refused.status, refused.code) == (402, code)
            else:
                purse.settle(await held(purse, state, None), None)
        assert settled(bank) == Decimal(counted) / 10


@pytest.mark.parametrize(("unpriced", "counted"), [("refuse", "0.5"), ("assume", "0.2")])
async def test_a_cost_that_stays_unknown_counts_what_was_held_or_is_assumed(
    places: Places, unpriced: str, counted: str
) -> None:
    assumed = "0.2" if unpriced == "assume" else None
    state = state_with(budget("b", "1", unpriced=unpriced, assumed_usd=assumed))
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            purse.settle(await held(purse, state, "0.5"), None)
        assert settled(bank) == Decimal(counted)


async def test_a_provider_not_known_before_is_held_everywhere_and_counts_once(
    places: Places,
) -> None:
    state = state_with(
        budget("a", "1", dimension="provider", value="Acme"),
        budget("z", "1", dimension="provider", value="zeta"),
    )
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [purse]:
            found = await held(purse, state, "0.5", Labels())
            assert [amount for _, amount in found.needs] == [5 * 10**8] * 2
            purse.settle(found, Decimal("0.4"), "acme")
        assert (settled(bank, "a"), settled(bank, "z")) == (Decimal("0.4"), 0)


async def test_a_call_that_cost_more_than_held_counts_whole(bank: Bank) -> None:
    async with purses(bank) as [purse]:
        purse.settle(await held(purse, STATE, "0.01"), Decimal("2.5"))
        assert (await refusal(purse, "0.01")).code == "budget_exhausted"
    assert settled(bank) == Decimal("2.5")


async def test_a_client_that_goes_while_it_waits_holds_nothing(bank: Bank) -> None:
    async with purses(bank, beat_seconds=NEVER) as [purse]:
        tasks = [asyncio.create_task(held(purse, STATE, "1")) for _ in range(2)]
        await asyncio.sleep(0)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        purse.settle(await held(purse, STATE, "1"), Decimal(1))
    assert settled(bank) == 1


async def test_a_client_that_goes_just_when_its_money_came_holds_nothing(bank: Bank) -> None:
    async with purses(bank, beat_seconds=NEVER) as [purse]:
        task = asyncio.create_task(held(purse, STATE, "1"))
        while not any(each.reserved for each in purse._accounts.values()):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert isinstance(await held(purse, STATE, "1"), Reservation)


async def test_lost_answers_lose_no_money(bank: Bank) -> None:
    way = Lossy(bank)
    async with over([way], beat_seconds=NEVER) as [purse]:
        way.deaf = True
        assert (await refusal(purse, "0.6")).code == "owner_unreachable"
        way.deaf = False
        purse.settle(await held(purse, STATE, "0.6"), Decimal("0.5"))
        purse.settle(await held(purse, STATE, "0.5"), Decimal("0.5"))
    assert settled(bank) == 1


@pytest.mark.parametrize("policy", ["within_lease", "refuse"])
async def test_a_lost_owner(bank: Bank, policy: OwnerLost) -> None:
    way, clock = Lossy(bank), Clock()
    async with over([way], owner_lost=policy, clock=clock, beat_seconds=NEVER) as [purse]:
        await held(purse, STATE, "0.1")  # a lease of half the budget
        way.cut = True
        assert (await refusal(purse, "0.9")).status == 503  # learns that the owner is gone
        if policy == "refuse":
            assert (await refusal(purse, "0.1")).code == "owner_unreachable"
        else:
            assert isinstance(purse.reserve(STATE, ANN, Decimal("0.1")), Reservation)
        clock.ns += EXPIRY_NS
        assert (await refusal(purse, "0.1")).code == "owner_unreachable"
        assert isinstance(purse.reserve(STATE, ANN, Decimal(0)), Reservation)  # free of charge
        assert isinstance(purse.reserve(State(), ANN, Decimal(9)), Reservation)  # no budget
        way.cut = False
        assert policy == "refuse" or isinstance(await held(purse, STATE, "0.1"), Reservation)
        way.cut = False


async def test_a_heartbeat_keeps_the_lease_and_says_what_was_spent(bank: Bank) -> None:
    async with purses(bank, beat_seconds=0.01) as [purse]:
        purse.settle(await held(purse, STATE, "0.1"), Decimal("0.1"))
        for _ in range(100):
            await asyncio.sleep(0.01)
            if settled(bank):
                break
        assert settled(bank) == Decimal("0.1")


async def test_a_new_period_is_a_new_account_and_the_old_lease_goes_back(places: Places) -> None:
    clock = Clock()
    state = state_with(budget("b", "1", period="day"))
    with closing(Bank(places, state, wall=clock.wall)) as bank:
        async with purses(bank, wall=clock.wall, beat_seconds=NEVER) as [purse]:
            late = await held(purse, state, "0.6")
            clock.pass_(86_400)
            purse.settle(await held(purse, state, "0.7"), Decimal("0.7"))
            purse.settle(late, Decimal("0.2"))
            assert settled(bank) == 0  # said with the next exchange
        assert settled(bank) == Decimal("0.7")
        clock.pass_(-86_400)
        assert settled(bank) == Decimal("0.2")


async def test_what_is_left_is_what_nobody_spent_or_holds_here(bank: Bank) -> None:
    async with purses(bank, beat_seconds=NEVER) as [purse]:
        first = await held(purse, STATE, "0.1")
        assert purse.left(first) == Decimal("0.9")
        purse.settle(first, Decimal("0.05"))
        assert purse.left(first) == Decimal("0.95")
        assert purse.left(Reservation([])) is None


def test_reserving_is_quick(places: Places) -> None:
    """Loose, for a busy machine; the figure is in docs/budgets.md."""
    state = state_with(budget(), budget("t", "9", dimension="team", value="search"))

    async def timed() -> float:
        with closing(Bank(places, state)) as bank:
            async with purses(bank) as [purse]:
                await held(purse, state, "0.1", ANN)
                begun = time.perf_counter()
                for _ in range(2000):
                    found = purse.reserve(state, ANN, Decimal("0.1"))
                    assert isinstance(found, Reservation)
                    purse.settle(found, Decimal(0))
                return (time.perf_counter() - begun) / 2000

    assert asyncio.run(timed()) < 0.0005


async def test_a_purse_that_refuses_finds_the_owner_again(bank: Bank) -> None:
    way = Lossy(bank)
    async with over([way], owner_lost="refuse", beat_seconds=0.01) as [purse]:
        way.cut = True
        assert (await refusal(purse, "0.1")).code == "owner_unreachable"
        way.cut = False
        await asyncio.sleep(0.1)
        assert isinstance(await held(purse, STATE, "0.1"), Reservation)


async def test_who_waits_while_the_gateway_stops_is_refused(bank: Bank) -> None:
    async with purses(bank, beat_seconds=NEVER) as [purse]:
        purse._closing = True
        purse._wake.set()
        assert purse._worker
        await purse._worker
        waiting = asyncio.create_task(held(purse, STATE, "0.1"))
        await asyncio.sleep(0)
    with pytest.raises(Refused, match="does not answer"):
        await waiting


async def test_a_lease_that_lies_idle_goes_back(bank: Bank) -> None:
    async with purses(bank, beat_seconds=0.005) as [purse]:
        done = await held(purse, STATE, "0.1")
        assert [each.reserved for each in bank.standings()] == [5 * 10**8]
        await asyncio.sleep(0.3)
        assert [each.reserved for each in bank.standings()] == [10**8]  # a request holds it
        purse.settle(done, Decimal("0.02"))
        await asyncio.sleep(0.1)
        (now,) = bank.standings()
        assert (now.settled, now.reserved) == (2 * 10**7, 0)


class Slow:
    """A way to the bank whose answers take until they are let go."""

    def __init__(self, bank: Bank) -> None:
        self._way = Direct(bank)
        self.free = asyncio.Event()
        self.free.set()

    async def exchange(self, message: Exchange) -> Reply:
        answer = await self._way.exchange(message)
        await self.free.wait()
        return answer

    def close(self) -> None:
        self._way.close()


async def test_who_waits_is_not_refused_for_what_others_took_meanwhile(bank: Bank) -> None:
    way = Slow(bank)
    async with over([way]) as [purse]:
        purse.settle(await held(purse, STATE, "0.6"), Decimal("0.5"))
        way.free.clear()
        waiting = asyncio.create_task(held(purse, STATE, "0.35"))
        await asyncio.sleep(0.05)
        quick = purse.reserve(STATE, COMPANY, Decimal("0.1"))
        assert isinstance(quick, Reservation)
        way.free.set()
        purse.settle(await waiting, Decimal("0.35"))
        purse.settle(quick, Decimal("0.1"))
    assert settled(bank) == Decimal("0.95")
