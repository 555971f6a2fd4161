"""Budgets in the ledger and at the command line; leasing through the owner's own socket."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from contextlib import closing
from decimal import Decimal

import pytest
from factories_limits import held, over

from hf_ledger.analytics.connect import connect, responder
from hf_ledger.cli import main
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.budgets import new_budget, read_budgets
from hf_ledger.ingest.doors.gateway.limits.transports import OverSocket
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import Listener
from hf_ledger.ingest.places import Places


def kept(places: Places) -> list[Budget]:
    with Ledger.open(places) as ledger, closing(ledger.cursor()) as cursor:
        return read_budgets(cursor)


def test_a_budget_is_set_listed_and_removed(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["budget", "set", "250", "--for", "team=search"]) == 0
    assert "250 USD a month for team=search" in capsys.readouterr().out
    (found,) = kept(places)
    assert (found.dimension, found.value, found.period) == ("team", "search", "month")
    assert (found.usd, found.hard, found.unpriced) == ("250", True, "refuse")
    main(["budget", "list"])
    assert "search" in capsys.readouterr().out
    assert main(["budget", "remove", found.budget_id]) == 0
    assert kept(places) == []
    assert main(["budget", "remove", found.budget_id]) == 2


def test_setting_it_again_changes_the_same_budget(places: Places) -> None:
    main(["budget", "set", "250"])
    (first,) = kept(places)
    main(
        ["budget", "set", "0.05", "--soft", "--unpriced", "assume", "--assumed-usd", "0.001"]
    )  # fmt: skip
    (second,) = kept(places)
    assert second == Budget(
        budget_id=first.budget_id, usd="0.05", hard=False, unpriced="assume", assumed_usd="0.001"
    )
    main(["budget", "set", "1", "--period", "day"])
    assert len(kept(places)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["250", "--for", "team"],
        ["250", "--for", "planet=earth"],
        ["250", "--period", "year"],
        ["-1"],
        ["many"],
        ["NaN"],
        ["0.0000000001"],
        ["1000000000"],
        ["250", "--unpriced", "guess"],
        ["250", "--unpriced", "assume"],
        ["250", "--assumed-usd", "1"],
    ],
)
def test_what_makes_no_sense_is_wrong_use(places: Places, arguments: list[str]) -> None:
    assert main(["budget", "set", *arguments]) == 2
    assert not places.ledger.exists()


def test_an_amount_keeps_nine_places(places: Places) -> None:
    assert main(["budget", "set", "0.000000001"]) == 0
    assert kept(places)[0].usd == "0.000000001"
    with pytest.raises(Usage, match="nine places"):
        new_budget(usd="0.0000000001")


def test_show_without_an_owner_reads_the_journal(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["budget", "show"])
    assert "There is no budget yet" in capsys.readouterr().out
    main(["budget", "set", "1"])
    capsys.readouterr()
    main(["budget", "show", "--format", "json"])
    (shown,) = json.loads(capsys.readouterr().out)["budgets"]
    assert (shown["limit_usd"], shown["left_usd"]) == ("1.000000000", "1.000000000")
    assert not (places.root / "gateway").exists()  # it only looked


def test_a_gateway_leases_from_the_owner_and_the_owner_shows_it(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        Ledger.open(places) as ledger,
        closing(Bank(places)) as bank,
        Listener(places, responder(ledger, places)),
    ):
        asyncio.run(gateway(places, ledger, bank))
        main(["budget", "show", "--format", "csv"])
    (shown,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (shown["settled_usd"], shown["reserved_usd"]) == ("0.250000000", "0.000000000")
    assert shown["left_usd"] == "0.750000000"


async def gateway(places: Places, ledger: Ledger, bank: Bank) -> None:
    with connect(places) as session:
        made = new_budget(usd="1")
        session.command("budget_set", **{f: getattr(made, f) for f in made.__struct_fields__})
    state = State(budgets=bank.state.budgets)
    assert [Decimal(each.usd) for each in state.budgets] == [1]  # the bank follows the ledger
    async with over([OverSocket(places)]) as [purse]:
        with ledger.writing:  # an exchange never waits for somebody who writes
            found = await asyncio.wait_for(held(purse, state, "0.5"), 5)
        assert [each.reserved for each in bank.standings()] == [5 * 10**8]
        purse.settle(found, Decimal("0.25"))


async def test_without_an_owner_nothing_is_leased(places: Places) -> None:
    state = State(budgets=(Budget(budget_id="b", usd="1"),))
    async with over([OverSocket(places)]) as [purse]:
        with pytest.raises(Refused) as refused:
            await held(purse, state, "0.5")
    assert (refused.value.status, refused.value.code) == (503, "owner_unreachable")


async def test_an_owner_without_a_bank_leases_nothing(places: Places) -> None:
    state = State(budgets=(Budget(budget_id="b", usd="1"),))
    with Ledger.open(places) as ledger, Listener(places, responder(ledger, places)):
        async with over([OverSocket(places)]) as [purse]:
            with pytest.raises(Refused):
                await held(purse, state, "0.5")


def test_a_budget_is_for_a_name_and_not_for_a_text() -> None:
    assert new_budget(usd="1", dimension="team", value="x" * 200).value == "x" * 200
    with pytest.raises(Usage, match="at most 200 characters"):
        new_budget(usd="1", dimension="team", value="x" * 201)
