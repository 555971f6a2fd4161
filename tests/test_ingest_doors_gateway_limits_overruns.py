"""A soft budget that passes its limit is one line in the owner's log, once a period."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Any

import pytest
from factories_limits import NANO, Clock, budget, gone, message, state_with

from hf_ledger.ingest.doors.gateway.limits.bank import EXPIRY_NS, Bank
from hf_ledger.ingest.doors.gateway.limits.exchanging import Said
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.places import Places

SOFT = state_with(budget(usd="1", hard=False, dimension="team", value="core"))


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "hf_ledger")


def opened(places: Places, state: State = SOFT, clock: Clock | None = None) -> Bank:
    clock = clock or Clock()
    return Bank(places, state, clock=clock, wall=clock.wall)


def spend(bank: Bank, nano: int, gateway: str = "one", period: str = "2026-11") -> None:
    bank.exchange(message(gateway, Said("b", period, spent=nano)))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "USD for" in record.getMessage()]


def test_it_is_told_once_when_the_limit_is_passed(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(places)) as bank:
        spend(bank, NANO)
        assert lines(caplog) == []  # all of it is not too much of it
        spend(bank, NANO + 1)
        spend(bank, 3 * NANO)
    assert lines(caplog) == [
        "hf-ledger: the month's budget of team core is over its 1 USD for 2026-11; "
        "it is soft, so nothing is refused"
    ]


def test_gateways_are_taken_together(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    with closing(opened(places)) as bank:
        spend(bank, 6 * NANO // 10, "one")
        spend(bank, 6 * NANO // 10, "two")
    assert len(lines(caplog)) == 1


def test_each_period_has_a_line_of_its_own(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(places)) as bank:
        spend(bank, 2 * NANO)
        spend(bank, 2 * NANO, period="2026-12")
    assert len(lines(caplog)) == 2


def test_another_owner_does_not_say_it_again(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(places)) as bank:
        spend(bank, 2 * NANO)
    with closing(opened(places)) as bank:
        spend(bank, 3 * NANO)
    assert len(lines(caplog)) == 1


def test_a_hard_budget_refuses_and_says_so_itself(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(places, state_with(budget(usd="1")))) as bank:
        spend(bank, 2 * NANO)
    assert lines(caplog) == []


def test_what_a_dead_gateway_held_counts_as_spent(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with closing(opened(places, clock=clock)) as bank:
        bank.exchange(gone("dead", Said("b", "2026-11", wanted=NANO)))
        clock.ns += EXPIRY_NS
        spend(bank, NANO // 10, "one")
        spend(bank, NANO // 5, "one")
    assert len(lines(caplog)) == 1


def test_a_limit_that_is_lowered_below_what_was_spent(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(places)) as bank:
        spend(bank, NANO // 2)
        changes: dict[str, Any] = {"hard": False, "dimension": "team", "value": "core"}
        bank.adopt(state_with(budget(usd="0.25", **changes)))
        assert lines(caplog) == []
        spend(bank, NANO // 2 + 1)
    assert len(lines(caplog)) == 1


def test_a_budget_that_was_removed_is_nothing_to_tell(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(places)) as bank:
        bank.adopt(State())
        spend(bank, 2 * NANO)
    assert lines(caplog) == []
