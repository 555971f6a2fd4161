"""Budgets and limits hold for the console's calls as they do in the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from factories_console_runs import begin, desk_of, run_of, sent, until
from factories_limits import Lossy, budget, state_with

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console import running
from hf_ledger.dashboard.console.allowing import Allowance
from hf_ledger.dashboard.console.column import PRACTICE, Column, Question, Run
from hf_ledger.dashboard.console.destinations import ROUTER, destination
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.limits.transports import Direct
from hf_ledger.ingest.doors.gateway.state import Budget, Limits, Price, State
from hf_ledger.ingest.places import Places

MODEL = "acme/priced"
SLOW = "practice/slow=30,words=60"
PRICES = tuple(
    Price(provider="together", model=model, price_id=model, input="1", output="2")
    for model in (MODEL, SLOW)
)
TARGETS = """
[targets.mine]
kind = "router"
url = "{url}"
model = "acme/priced"
provider = "together"

[targets.own]
kind = "self_hosted"
url = "{url}"
model = "practice/words=4"
"""


@contextmanager
def allowed(places: Places, state: State) -> Iterator[Shelf]:
    """A desk whose settings name a target at the practice server: what goes there is budgeted."""
    with closing(Bank(places, state)) as bank:

        def allowance() -> Allowance:
            return Allowance(Purse(Direct(bank)), lambda: state)

        with desk_of(places, targets=("mine", "own"), allowance=allowance) as desk:
            places.config.write_text(TARGETS.format(url=desk.practice_url))
            yield desk


def mine(text: str = "Hello", model: str = MODEL, **more: Any) -> Run:
    return run_of(text, model, target="mine", **{"max_tokens": 100, "team": "search", **more})


def team_budget(usd: str, **more: Any) -> State:
    found = budget(usd=usd, dimension="team", value="search", **more)
    return state_with(found, prices=PRICES)


def worst(run: Run, desk: Shelf, state: State) -> Decimal:
    """What a call may cost at most."""
    checked = Allowance(None, lambda: state)  # type: ignore[arg-type]  # no purse is asked
    found = checked.worst(run, destination(run.column, desk))
    assert found is not None
    return found


def test_what_a_budget_has_not_is_refused_in_one_sentence_and_leaves_a_row(
    places: Places,
) -> None:
    run = mine()
    with allowed(places, team_budget("0.000001")):
        sent(run)
    assert run.state == "failed"
    assert run.failure is not None
    assert "budget" in run.failure
    assert run.failure.endswith(".")
    assert run.sent is None
    row = run.row
    assert row is not None
    assert (row["outcome"], row["status"], row["payer"]) == ("refused", 402, "nobody")
    assert (row["source"], row["app"], row["team"]) == ("console", "console", "search")
    assert (row["requested_model"], row["provider"], row["cost"]) == (MODEL, "together", 0)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [(None, None), ("model", MODEL), ("provider", "together"), ("team", "search")],
)
def test_every_budget_that_counts_the_call_is_asked(
    places: Places, dimension: Any, value: str | None
) -> None:
    run = mine()
    small = Budget(budget_id="b", dimension=dimension, value=value, usd="0.000001")
    with allowed(places, state_with(small, prices=PRICES)):
        sent(run)
    assert run.row is not None
    assert run.row["outcome"] == "refused"


def test_budgets_of_others_are_not_asked(places: Places) -> None:
    run = mine(team="legal")
    with allowed(places, team_budget("0.000001")):
        sent(run)
    assert run.state == "done", run.failure


def test_the_worst_case_is_held_while_a_call_lasts_and_freed_when_it_is_over(
    places: Places,
) -> None:
    slow, second, third = mine(model=SLOW), mine(), mine()
    state = team_budget("0.000900")
    with allowed(places, state) as desk:
        most = worst(slow, desk, state)
        assert Decimal("0.000450") < most < Decimal("0.000900")
        begin(slow)
        until(lambda: slow.text != "")
        sent(second)
        assert second.row is not None
        assert second.row["outcome"] == "refused"
        running.engine().stop(slow)
        until(lambda: slow.settled)
        sent(third)
        assert third.state == "done", third.failure


def test_what_a_call_did_cost_is_what_counts(places: Places) -> None:
    runs = [mine() for _ in range(4)]
    with allowed(places, team_budget("0.000700")):
        for run in runs:
            sent(run)
    assert [run.state for run in runs] == ["done"] * 4


def test_a_hard_budget_sends_the_limit_that_it_holds_for(places: Places) -> None:
    open_ended, free = mine(), mine(team="legal")
    for run in (open_ended, free):
        run.column = Column(target="mine", model=MODEL)
    with allowed(places, team_budget("1")):
        sent(open_ended, free)
    assert open_ended.sent is not None
    assert free.sent is not None
    assert '"max_tokens":4096' in open_ended.sent.replace(" ", "")
    assert "max_tokens" not in free.sent


def test_practice_and_servers_of_ones_own_are_in_no_budget(places: Places) -> None:
    practised = run_of(team="search")
    own = run_of(target="own", model="", team="search")
    assert practised.column.target == PRACTICE
    with allowed(places, team_budget("0.000000001")):
        sent(practised, own)
    assert (practised.state, own.state) == ("done", "done"), own.failure


def test_a_team_asks_as_often_and_as_much_at_once_as_its_limits_say(places: Places) -> None:
    limits = Limits(concurrent=1, capacity=2, per_second=0.001)
    state = State(teams={"search": limits}, prices=PRICES)
    slow, at_once, later, too_many = mine(model=SLOW), mine(), mine(), mine()
    with allowed(places, state):
        begin(slow)
        until(lambda: slow.text != "")
        sent(at_once)
        assert at_once.failure is not None
        assert "its limit is 1" in at_once.failure
        running.engine().stop(slow)
        until(lambda: slow.settled)
        sent(later)
        assert later.state == "done", later.failure
        sent(mine(), later)
        sent(too_many)
    assert too_many.row is not None
    assert (too_many.row["status"], too_many.row["outcome"]) == (429, "refused")


def test_a_policy_asks_only_targets_that_a_budget_allows(places: Places) -> None:
    column = Column(target=ROUTER, model="", policy="cheapest", parameters={"max_tokens": 50})
    said = {"messages": [{"role": "user", "content": "Hello"}]}
    run = Run(column=column, question=Question(task="chat-completion", inputs=said, team="search"))
    with allowed(places, team_budget("0.000001")):
        sent(run)
    assert run.state == "done", run.failure
    assert [attempt.target.name for attempt in run.attempts] == ["own"]
    assert run.row is not None
    assert run.row["source"] == "console"
    assert run.text.startswith("word0")


def test_without_the_ledgers_owner_nothing_passes_a_hard_budget(places: Places) -> None:
    run, state = mine(), team_budget("1")
    with closing(Bank(places, state)) as bank:
        way = Lossy(bank)
        way.cut = True
        with desk_of(
            places, targets=("mine",), allowance=lambda: Allowance(Purse(way), lambda: state)
        ) as desk:
            places.config.write_text(TARGETS.format(url=desk.practice_url))
            sent(run)
    assert run.row is not None
    assert (run.row["outcome"], run.row["status"]) == ("refused", 503)
