"""How much: the worst case is held, the cost is settled, and what no budget has left is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from factories_calls import make_call
from factories_checks import ASKED, checked, code_of, key, purse, request
from factories_limits import asking_of, budget, state_with

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.gateway.checks.budget import BudgetCheck, labels_of
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.places import Places


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
