"""What replays may cost in a month: never more, over several processes and restarts."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from factories_calls import make_call
from factories_limits import purses
from factories_replays import make_key
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.limits.reserving import Reservation
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.doors.replays.allowance import Allowance
from hf_ledger.ingest.doors.replays.caps import caps_of
from hf_ledger.ingest.doors.replays.errand import Errand, Reply
from hf_ledger.ingest.places import Places

ERRAND = Errand("replay", "m", "/v1/chat/completions", make_call(key_id="k1"), {}, b"{}")
CAPPED = State(budgets=caps_of([make_key(usd="5")]))
TEAM = Budget(budget_id="t", dimension="team", value="core", usd="1")

#: What happens: which process asks for how many cents, or ends its oldest at which fourth of them
#: (None: nobody knows).
CENTS = st.integers(0, 300)
STEPS = st.lists(
    st.tuples(st.just("ask"), st.integers(0, 1), CENTS)
    | st.tuples(st.just("end"), st.integers(0, 1), st.none() | st.integers(0, 4))
    | st.tuples(st.just("restart"), st.just(0), st.just(0)),
    min_size=5,
    max_size=20,
)


def allowance(purse: Purse, state: State = CAPPED, team: str | None = None) -> Allowance:
    return Allowance(purse, lambda: state, lambda errand: Labels(key="k1", team=team))


async def code(asked: Allowance, cents: int | None, key_id: str = "k1") -> str:
    """Why so much is refused; "" where it is not, and then it stays held."""
    try:
        await asked.hold(key_id, ERRAND, None if cents is None else Decimal(cents) / 100)
    except Refused as refused:
        return refused.code
    return ""


@given(steps=STEPS)
@settings(max_examples=25, deadline=None)
def test_what_is_spent_never_exceeds_the_cap(steps: list[tuple[str, int, int | None]]) -> None:
    """Two processes share a cap, their requests overlap, cost at most their worst case or nobody
    knows what, and all of them and the owner are started anew in between."""
    with TemporaryDirectory() as folder:
        asyncio.run(lived(Places(Path(folder)), steps))


async def lived(places: Places, steps: list[tuple[str, int, int | None]]) -> None:
    spent, left = Decimal(0), list(steps)
    while left:
        bank = Bank(places, CAPPED)
        async with purses(bank, 2, beat_seconds=0.001) as made:
            spent = await until_restart([allowance(each) for each in made], left, spent)
        bank.close()


async def until_restart(
    two: list[Allowance], left: list[tuple[str, int, int | None]], spent: Decimal
) -> Decimal:
    """Live until a restart, which waits for what is under way; what is spent then."""
    under_way: list[tuple[int, Decimal, Reservation]] = []

    def end(fourths: int | None) -> Decimal:
        who, worst, held = under_way.pop(0)
        cost = None if fourths is None else worst * fourths / 4
        two[who].settle(held, Reply(200, cost=cost))
        return worst if cost is None else cost

    while left:
        what, who, figure = left.pop(0)
        if what == "restart":
            break
        if what == "ask":
            worst = Decimal(figure or 0) / 100
            try:
                under_way.append((who, worst, await two[who].hold("k1", ERRAND, worst)))
            except Refused:
                continue
        elif under_way:
            spent += end(figure)
        assert spent + sum(worst for _, worst, _ in under_way) <= 5
    while under_way:
        spent += end(None)
    return spent


async def test_an_unknown_cost_counts_as_its_worst_case(places: Places) -> None:
    async with purses(Bank(places, CAPPED)) as (purse,):
        asked = allowance(purse)
        asked.settle(await asked.hold("k1", ERRAND, Decimal(3)), Reply(0))
        assert await code(asked, 201) == "budget_exhausted"
        assert await code(asked, 200) == ""


async def test_what_is_not_used_is_free_again(places: Places) -> None:
    async with purses(Bank(places, CAPPED)) as (purse,):
        asked = allowance(purse)
        held = await asked.hold("k1", ERRAND, Decimal(5))
        assert await code(asked, 1) == "budget_reserved"
        asked.settle(held, Reply(200, cost=Decimal(1)))
        assert await code(asked, 400) == ""


async def test_without_the_owners_cap_nothing_is_spent(places: Places) -> None:
    async with purses(Bank(places, CAPPED)) as (purse,):
        assert await code(allowance(purse), 0, "k2") == "no_cap"
        assert await code(allowance(purse, State()), 1) == "no_cap"


async def test_what_nobody_can_price_is_refused(places: Places) -> None:
    async with purses(Bank(places, CAPPED)) as (purse,):
        assert await code(allowance(purse), None) == "unpriced"


async def test_budgets_of_teams_count_replays_and_the_keys_own_does_not(places: Places) -> None:
    own = Budget(budget_id="own", dimension="key", value="k1", usd="0.01")
    state = State(budgets=(*CAPPED.budgets, TEAM, own))
    async with purses(Bank(places, state)) as (purse,):
        asked = allowance(purse, state, team="core")
        assert await code(asked, 101) == "budget_exhausted"
        assert await code(asked, 99) == ""


@pytest.mark.parametrize("cents", [0, 500])
async def test_the_cap_itself_may_be_spent(places: Places, cents: int) -> None:
    async with purses(Bank(places, CAPPED)) as (purse,):
        assert await code(allowance(purse), cents) == ""
