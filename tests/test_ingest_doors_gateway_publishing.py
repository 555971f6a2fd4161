"""What the ledger tells its gateways: keys, budgets, limits and prices as they hold now."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hf_ledger.analytics.connect import QUIET, LocalSession, connect
from hf_ledger.ingest.catalogue.contracts import Agreed, Contract
from hf_ledger.ingest.doors.api import keys
from hf_ledger.ingest.doors.api.keys import add_key, make_key
from hf_ledger.ingest.doors.api.scopes import NewBudget
from hf_ledger.ingest.doors.gateway.limits import budgets
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.publishing import Publisher, gateway_state, refresh_state
from hf_ledger.ingest.doors.gateway.state import (
    Budget,
    Key,
    Limits,
    Replaying,
    Screening,
    State,
)
from hf_ledger.ingest.doors.gateway.state_file import Watched, publish
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

NOW = datetime(2026, 11, 25, tzinfo=UTC)

ADD_BUDGET = """
insert into budgets
values ('b1', null, null, 'month', 1000.5, false, 'assume', 0.02, now(), null),
    ('b2', 'team', 'search', 'day', 3, true, 'refuse', null, now(), now())
"""


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def created(ledger: Ledger, **scope: Any) -> tuple[str, str]:
    """A key of role call, and its id."""
    key, kept = make_key("a", **{"role": "call", **scope})
    with closing(ledger.cursor()) as cursor:
        add_key(cursor, kept)
    return key, kept.key_id


def state_of(ledger: Ledger, moment: datetime | None = None) -> State:
    with closing(ledger.cursor()) as cursor:
        return gateway_state(cursor, "UTC", moment)


def test_everything_said_of_a_key_arrives(ledger: Ledger) -> None:
    scope = {
        "user": "alice",
        "team": "search",
        "project": "shop",
        "environment": "prod",
        "models": ("meta-llama/*", "openai/gpt-oss-120b"),
        "providers": ("novita",),
        "expires_at": int(datetime(2030, 1, 1, tzinfo=UTC).timestamp()),
        "limits": Limits(capacity=3, per_second=0.5, concurrent=2, max_tokens=9, body_bytes=99),
        "screening": Screening(on=True, data_class="restricted", found="route", target="ours"),
        "replaying": Replaying(share=0.05, candidate="o/small", usd="12.5"),
    }
    key, key_id = created(ledger, **scope)
    (found,) = state_of(ledger).keys
    said: dict[str, Any] = {"key_id": key_id, "key_hash": keys.key_hash(key), "name": "a", **scope}
    assert found == Key(**said)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Key) == found


@pytest.mark.parametrize(
    ("role", "known"), [("host", "host"), ("admin", "admin"), ("call", "call")]
)
def test_each_role_is_told(ledger: Ledger, role: str, known: str) -> None:
    created(ledger, role=role)
    assert [each.role for each in state_of(ledger).keys] == [known]


def test_a_key_that_ended_is_told_so_for_a_while(ledger: Ledger) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    created(ledger, expires_at=int(ends.timestamp()))
    days = {days: len(state_of(ledger, ends + timedelta(days=days)).keys) for days in (0, 29, 31)}
    assert days == {0: 1, 29: 1, 31: 0}


def test_budgets_that_count_and_those_that_were_removed(ledger: Ledger) -> None:
    with closing(ledger.cursor()) as cursor:
        cursor.execute(ADD_BUDGET)
    assert state_of(ledger).budgets == (
        Budget(
            budget_id="b1",
            usd="1000.5",
            hard=False,
            unpriced="assume",
            assumed_usd="0.02",
        ),
    )


def test_a_keys_own_budget_is_hard_and_ends_with_it(ledger: Ledger, places: Places) -> None:
    _, key_id = created(ledger, budget=NewBudget(Decimal(25), "day"))
    (budget,) = state_of(ledger).budgets
    assert (budget.dimension, budget.value, budget.period) == ("key", key_id, "day")
    assert (Decimal(budget.usd), budget.hard, budget.unpriced) == (Decimal(25), True, "refuse")
    with connect(places) as session:
        session.command("key_revoke", key_id=key_id)
    assert state_of(ledger).budgets == ()


def test_revoking_twice_keeps_the_first_end_of_its_budgets(ledger: Ledger, places: Places) -> None:
    _, key_id = created(ledger, budget=NewBudget(Decimal(25)))
    ends = []
    for _ in range(2):
        with connect(places) as session, closing(ledger.cursor()) as cursor:
            session.command("key_revoke", key_id=key_id)
            ends += cursor.execute("select removed_at from budgets").fetchall()
    assert ends[0] == ends[1] != (None,)


REPLAYED = Replaying(share=0.05, candidate="o/small", usd="12.5")


def test_what_replays_of_a_key_may_cost_is_a_budget_that_ends_with_the_key(
    ledger: Ledger, places: Places
) -> None:
    _, key_id = created(ledger, replaying=REPLAYED)
    created(ledger)
    cap = f"replay:{key_id}"
    assert state_of(ledger).budgets == (
        Budget(budget_id=cap, dimension="key", value=cap, usd="12.5"),
    )
    with connect(places) as session:
        session.command("key_revoke", key_id=key_id)
    assert state_of(ledger).budgets == ()


def test_it_is_shown_among_the_budgets_and_can_be_neither_set_nor_removed(
    ledger: Ledger, places: Places
) -> None:
    _, key_id = created(ledger, replaying=REPLAYED)
    refresh_state(ledger, places)
    cap = f"replay:{key_id}"
    with connect(places) as session:
        (row,) = session.command("budget_show")["budgets"]
        assert (row["budget_id"], row["value"], row["limit_usd"]) == (cap, cap, "12.500000000")
        assert session.command("budget_list")["budgets"] == []
        with pytest.raises(Usage, match="there is no budget"):
            session.command("budget_remove", budget_id=cap)


def test_setting_another_budget_does_not_take_it_from_the_bank(
    ledger: Ledger, places: Places
) -> None:
    _, key_id = created(ledger, replaying=REPLAYED)
    with closing(Bank(places, state_of(ledger))) as bank:
        payload = msgspec.json.encode(budgets.new_budget(usd="3"))
        budgets.perform(ledger, places, "budget_set", payload)
        assert [each.budget_id for each in bank.state.budgets][1:] == [f"replay:{key_id}"]
        rows = budgets.perform(ledger, places, "budget_show", b"{}")["budgets"]
    assert [Decimal(row["limit_usd"]) for row in rows] == [3, Decimal("12.5")]


# -- every command tells the gateways before it returns ----------------------------------------


def test_a_revoked_key_is_gone_when_the_command_returns(ledger: Ledger, places: Places) -> None:
    watched = Watched(places.gateway_state)
    with connect(places) as session:
        for _ in range(5):
            _, kept = make_key("a", role="call")
            session.command("key_create", **msgspec.structs.asdict(kept))
            assert [each.key_id for each in watched.now().keys] == [kept.key_id]
            session.command("key_revoke", key_id=kept.key_id)
            assert watched.now().keys == ()


def test_a_teams_limits_come_and_go(ledger: Ledger, places: Places) -> None:
    watched = Watched(places.gateway_state)
    with connect(places) as session:
        session.command("team_limit", team="search", limits={"capacity": 5})
        assert watched.now().teams == {"search": Limits(capacity=5)}
        session.command("team_limit", team="search", limits={"concurrent": 2})
        assert watched.now().teams == {"search": Limits(concurrent=2)}
        session.command("team_limit", team="search", limits={})
        assert watched.now().teams == {}


def test_an_agreed_price_is_told_with_its_command(ledger: Ledger, places: Places) -> None:
    watched = Watched(places.gateway_state)
    price = Contract("acme", "o/m", "input_tokens", Decimal("0.1"), 10**6, None, NOW, None)
    with connect(places) as session:
        agreed = Agreed([price], "agreed.csv", "0" * 64)
        session.command("prices_agree", **msgspec.structs.asdict(agreed))
    (found,) = [each for each in watched.now().prices if each.provider == "acme"]
    assert (found.model, found.input, found.output) == ("o/m", "0.1", None)


@pytest.mark.parametrize("name", QUIET)
def test_questions_publish_nothing(ledger: Ledger, places: Places, name: str) -> None:
    session = LocalSession(ledger, places, ours=False)
    if name == "ask":
        session.ask("months")
    else:
        session.command(name)
    assert not places.gateway_state.exists()


def test_the_command_fails_aloud_where_gateways_can_not_be_told(
    ledger: Ledger, places: Places
) -> None:
    (places.root / "run").write_text("in the way")
    with connect(places) as session, pytest.raises(Unusable, match="gateways can't be told"):
        session.command("team_limit", team="search", limits={"capacity": 5})


def test_what_did_not_change_is_not_written_again(ledger: Ledger, places: Places) -> None:
    assert refresh_state(ledger, places)
    before = places.gateway_state.stat().st_mtime_ns
    assert not refresh_state(ledger, places)
    assert places.gateway_state.stat().st_mtime_ns == before


@pytest.mark.parametrize("lost", [True, False])
def test_a_file_that_was_lost_or_changed_is_written_again(
    ledger: Ledger, places: Places, lost: bool
) -> None:
    created(ledger)
    refresh_state(ledger, places)
    if lost:
        places.gateway_state.unlink()
    else:
        publish(places, State())
    assert refresh_state(ledger, places)
    assert len(Watched(places.gateway_state).now().keys) == 1


def test_of_many_publishers_at_once_the_last_change_stands(ledger: Ledger, places: Places) -> None:
    """Whoever read the ledger first never writes last."""

    def revoke(key_id: str) -> None:
        with connect(places) as session:
            session.command("key_revoke", key_id=key_id)
        gone = {each.key_id for each in Watched(places.gateway_state).now().keys}
        back.extend([key_id] if key_id in gone else [])

    back: list[str] = []
    threads = [threading.Thread(target=revoke, args=(created(ledger)[1],)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert back == []
    assert Watched(places.gateway_state).now().keys == ()


# -- the server --------------------------------------------------------------------------------


def test_the_server_publishes_at_once_and_again(ledger: Ledger, places: Places) -> None:
    watched = Watched(places.gateway_state)
    publisher = Publisher(ledger, places, every_seconds=0.05)
    assert places.gateway_state.exists()
    publisher.start()
    try:
        _, key_id = created(ledger)
        for _ in range(100):
            if watched.now().keys:
                break
            time.sleep(0.02)
        assert [each.key_id for each in watched.now().keys] == [key_id]
    finally:
        publisher.stop()
    assert not publisher.is_alive()


def test_a_server_that_can_not_publish_says_so_and_goes_on(
    ledger: Ledger, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    blocking = places.root / "run"
    blocking.write_text("in the way")
    publisher = Publisher(ledger, places)
    assert "could not tell its gateways" in caplog.text
    blocking.unlink()
    publisher.attend()
    assert places.gateway_state.exists()


def test_days_begin_in_the_zone_of_the_settings(ledger: Ledger, places: Places) -> None:
    places.config.write_text('zone = "Europe/Berlin"\n')
    refresh_state(ledger, places)
    assert Watched(places.gateway_state).now().zone == "Europe/Berlin"
    ledger.zone = "Asia/Tokyo"  # as a server was told by its option
    refresh_state(ledger, places)
    assert Watched(places.gateway_state).now().zone == "Asia/Tokyo"


def test_a_key_can_be_revoked_whatever_the_settings_say(
    ledger: Ledger, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    _, key_id = created(ledger)
    refresh_state(ledger, places)
    places.config.write_text("zone = \n")
    with connect(places) as session:
        session.command("key_revoke", key_id=key_id)
    assert Watched(places.gateway_state).now().keys == ()
    assert "not valid TOML" in caplog.text
