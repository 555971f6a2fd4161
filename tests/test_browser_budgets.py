"""The banner and the table of budgets in Chromium, on a real server with real budgets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from browser import Server, chrome, scrolls_sideways, serving, settled, tab
from factories_calls import ledger_with, make_call
from factories_limits import message
from playwright.sync_api import Browser, expect

from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.budgets import new_budget, perform
from hf_ledger.ingest.doors.gateway.limits.exchanging import Said
from hf_ledger.ingest.doors.gateway.limits.money import nano
from hf_ledger.ingest.doors.gateway.limits.periods import Calendar
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.places import Places

pytestmark = pytest.mark.browser

__all__ = ["chrome"]

LONG = "a-team-whose-name-is-as-long-as-names-of-teams-in-companies-can-be"
#: Name of the team → limit, what is spent of it, and whether more is refused.
TEAMS = {
    "core": ("50", "42.10", True),
    "ops": ("50", "61.00", False),
    "calm": ("50", "10.00", True),
    LONG: ("1000", "999.99", True),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    places = Places(tmp_path_factory.mktemp("budgets") / "ledger")
    places.make()
    with ledger_with(places, [make_call(ts=datetime.now(UTC))]) as ledger:
        made = [budget_of(team, usd, hard) for team, (usd, _, hard) in TEAMS.items()]
        for each in made:
            perform(ledger, places, "budget_set", msgspec.json.encode(each))
    spend(places, made)
    with serving(places) as started:
        yield started


def budget_of(team: str, usd: str, hard: bool) -> Budget:
    return new_budget(
        dimension="team",
        value=team,
        period="month",
        usd=usd,
        hard=hard,
        unpriced="refuse",
        assumed_usd=None,
    )


def spend(places: Places, budgets: list[Budget]) -> None:
    """What a gateway tells the owner, in the journal that the server reads."""
    month = Calendar("UTC").current("month", time.time())
    bank = Bank(places, State(budgets=tuple(budgets)))
    said = [Said(each.budget_id, month, spent=nano(TEAMS[each.value or ""][1])) for each in budgets]
    bank.exchange(message("one", *said, closing=True))
    bank.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
)
def test_over_is_red_near_is_yellow_and_nothing_scrolls_sideways(
    chrome: Browser, server: Server, width: int, scheme: str
) -> None:
    with tab(chrome, width=width, scheme=scheme) as page:
        page.goto(server.url + "/?book=Yours")
        settled(page)
        alerts = page.get_by_test_id("stAlert")
        over = page.get_by_test_id("stAlertContentError")
        near = page.get_by_test_id("stAlertContentWarning")
        expect(over).to_contain_text(
            "Team ops: $61.00 of $50.00 this month (122 %), over budget, soft."
        )
        expect(near).to_contain_text("Team core: $42.10 of $50.00 this month (84 %), hard.")
        expect(near).to_contain_text(f"Team {LONG}: $999.99 of $1,000.00 this month (>99 %), hard.")
        expect(alerts.filter(has_text="calm")).to_have_count(0)
        expect(page.get_by_role("heading", name="Budgets")).to_be_visible()
        expect(page.get_by_text("hf-ledger budget set")).to_be_visible()
        assert not scrolls_sideways(page)
