"""The checks of limits: rate, budget, concurrency and bounds, each asked as the gateway asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from typing import Any

import pytest
from factories_calls import make_call
from factories_limits import asking_of, budget, purses, state_with

from hf_ledger.ingest.doors.gateway.asking import Asking, Check, Outcome
from hf_ledger.ingest.doors.gateway.bank import Bank
from hf_ledger.ingest.doors.gateway.checks.bounds import Bounds
from hf_ledger.ingest.doors.gateway.checks.budget import BudgetCheck, labels_of
from hf_ledger.ingest.doors.gateway.checks.concurrency import Concurrency
from hf_ledger.ingest.doors.gateway.checks.rate import Rate
from hf_ledger.ingest.doors.gateway.leases import Purse
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key, Limits, Price, State
from hf_ledger.ingest.places import Places

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
#: A thousand output tokens cost 2 cents; input is free.
PRICE = Price(provider="together", model=MODEL, price_id=1, input="0", output="20")
BUDGETED = state_with(budget("b", "0.05"), prices=(PRICE,))
ASKED = {"messages": [], "max_tokens": 1000}


def key(**changes: Any) -> Key:
    return Key(**{"key_id": "k1", "key_hash": "", "name": "k", "user": "ann", **changes})


def request(asked: Any = ASKED, **changes: Any) -> Asking:
    given = {"key": key(), "state": BUDGETED, **changes}
    return asking_of(asked, make_call(user_id=None, routing="explicit"), **given)


@asynccontextmanager
async def purse(places: Places, state: State = BUDGETED) -> AsyncIterator[tuple[Bank, Purse]]:
    with closing(Bank(places, state)) as bank:
        async with purses(bank) as [made]:
            yield bank, made


async def checked(check: Check, asking: Asking) -> Asking:
    wait = check.check(asking)
    if wait is not None:
        await wait
    return asking


async def code_of(check: Check, asking: Asking) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        await checked(check, asking)
    return refused.value.status, refused.value.code


# -- rate ------------------------------------------------------------------------------------------


async def test_each_user_and_model_has_a_bucket(places: Places) -> None:
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=2, per_second=0.0)
        for _ in range(2):
            done = await checked(rate, request())
        assert done.answer["ratelimit"] == '"api";r=0;t=0'
        assert done.verdicts == {"rate": "ok"}
        assert await code_of(rate, request()) == (429, "rate_limited")
        await checked(rate, request(key=key(user="bob")))
        other = request()
        other.call = make_call(requested_model="another")
        await checked(rate, other)
        rate.finish(other, Outcome())


async def test_another_name_in_a_header_is_no_other_bucket(places: Places) -> None:
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=2, per_second=0.0)
        nobodys = key(user=None)
        for number in range(2):
            asking = request(key=nobodys)
            asking.call = make_call(user_id=f"user-{number}")
            await checked(rate, asking)
        asking = request(key=nobodys)
        asking.call = make_call(user_id="user-3")
        assert await code_of(rate, asking) == (429, "rate_limited")


async def test_a_key_with_limits_of_its_own_has_a_bucket_of_its_own(places: Places) -> None:
    own = key(limits=Limits(capacity=1))
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=2, per_second=0.0)
        await checked(rate, request(key=own))
        assert await code_of(rate, request(key=own)) == (429, "rate_limited")
        await checked(rate, request())  # the same user's others are not touched


async def test_a_team_has_limits_for_its_users(places: Places) -> None:
    state = State(teams={"search": Limits(capacity=1, per_second=0.0)})
    async with purse(places) as (_, made):
        rate = Rate(made)
        await checked(rate, request(key=key(team="search"), state=state))
        asking = request(key=key(team="search"), state=state)
        assert await code_of(rate, asking) == (429, "rate_limited")


async def test_what_is_no_call_takes_no_token(places: Places) -> None:
    async with purse(places) as (_, made):
        rate = Rate(made, capacity=0, per_second=0.0)
        assert rate.check(asking_of({}, None, key=key())) is None


# -- budget ----------------------------------------------------------------------------------------


async def test_the_worst_case_is_held_and_the_cost_is_settled(places: Places) -> None:
    async with purse(places) as (bank, made):
        check = BudgetCheck(made)
        asking = await checked(check, request())
        assert asking.reserved == Decimal("0.02")
        assert asking.answer["x-hf-ledger-cost-estimate"] == "0.020000000"
        assert asking.answer["x-hf-ledger-budget-left"] == "0.030000000"
        check.finish(asking, Outcome(call=asking.call, cost=Decimal("0.001"), status=200))
        check.finish(asking, Outcome())  # once is enough
        assert await code_of(check, request({**ASKED, "max_tokens": 3000})) == (
            402,
            "budget_exhausted",
        )
    assert [each.settled for each in bank.standings()] == [10**6]


@pytest.mark.parametrize(
    ("outcome", "settled"),
    [(Outcome(refused="screened"), 0), (Outcome(), 2 * 10**7), (Outcome(cost=Decimal(0)), 0)],
)
async def test_a_refused_request_costs_nothing_and_an_unknown_one_what_it_held(
    places: Places, outcome: Outcome, settled: int
) -> None:
    async with purse(places) as (bank, made):
        check = BudgetCheck(made)
        check.finish(await checked(check, request()), outcome)
    assert [each.settled for each in bank.standings()] == [settled]


async def test_a_route_without_a_price_is_refused_where_a_budget_is(places: Places) -> None:
    unpriced = state_with(budget("b", "0.05"))
    async with purse(places) as (_, made):
        check = BudgetCheck(made)
        assert await code_of(check, request(state=unpriced)) == (402, "unpriced")
        asking = await checked(check, request(state=State()))
        assert asking.verdicts == {"budget": "none"}
        assert asking.answer == {}
        assert check.check(asking_of({}, None)) is None


def test_labels_of_the_key_can_not_be_chosen_by_the_caller() -> None:
    call = make_call(user_id="boss", team="rich", project="p", routing="auto")
    labels = labels_of(request(key=key(team="search")), call)
    assert (labels.user, labels.team, labels.project) == ("ann", "search", "p")
    assert labels.provider is None  # chosen by the router: not known yet


# -- concurrency -----------------------------------------------------------------------------------


async def test_a_key_has_so_many_requests_under_way() -> None:
    check = Concurrency(per_key=2)
    first = await checked(check, request())
    await checked(check, request())
    assert await code_of(check, request()) == (429, "too_many_requests_at_once")
    await checked(check, request(key=key(key_id="k2")))
    check.finish(first, Outcome())
    await checked(check, request())


@pytest.mark.parametrize("own", [key(limits=Limits(concurrent=1)), key(team="search")])
async def test_keys_and_teams_have_limits_of_their_own(own: Key) -> None:
    state = State(teams={"search": Limits(concurrent=1)})
    check = Concurrency()
    await checked(check, request(key=own, state=state))
    asking = request(key=own, state=state)
    assert await code_of(check, asking) == (429, "too_many_requests_at_once")


async def test_a_process_has_so_many_under_way() -> None:
    check = Concurrency(per_process=3)
    running = [await checked(check, request(key=key(key_id=str(n)))) for n in range(3)]
    assert (await code_of(check, request()))[0] == 429
    for each in running:
        check.finish(each, Outcome())
    await asyncio.gather(*(checked(check, request()) for _ in range(3)))


# -- bounds ----------------------------------------------------------------------------------------


async def test_a_body_has_so_many_bytes() -> None:
    asking = request()
    size = len(asking.body)
    await checked(Bounds(body_bytes=size), asking)
    assert await code_of(Bounds(body_bytes=size - 1), asking) == (413, "body_too_large")
    own = request(key=key(limits=Limits(body_bytes=size - 1)))
    assert await code_of(Bounds(), own) == (413, "body_too_large")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
async def test_a_key_may_ask_for_so_many_tokens(field: str) -> None:
    own = key(limits=Limits(max_tokens=100))
    await checked(Bounds(), request({field: 100}, key=own))
    asking = request({field: 101}, key=own)
    assert await code_of(Bounds(), asking) == (400, "max_tokens_too_large")


async def test_choices_are_bounded() -> None:
    await checked(Bounds(choices=2), request({"n": 2}))
    assert await code_of(Bounds(choices=2), request({"n": 3})) == (400, "too_many_choices")
    await checked(Bounds(), request([1, 2]))  # no object: nothing to bound
    Bounds().finish(request(), Outcome())
