"""What an admin's key may have done over HTTP: keys made, listed and ended, known everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from factories_gateway_keys import asking_of

from hf_ledger.ingest.doors.gateway.administering import COMMANDS, admin
from hf_ledger.ingest.doors.gateway.checks.authentication import Authentication
from hf_ledger.ingest.doors.gateway.state import Limits
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def asked(ledger: Ledger, places: Places, command: str, **payload: Any) -> dict[str, Any]:
    return admin(ledger, places, command, msgspec.json.encode(payload))


def test_a_key_made_is_good_at_once_and_ended_at_once(ledger: Ledger, places: Places) -> None:
    watched, check = Watched(places.gateway_state), Authentication()
    made = asked(
        ledger,
        places,
        "key_create",
        name="alice",
        team="search",
        models=["meta-llama/*"],
        limits={"capacity": 5},
        budget={"usd": "25", "period": "day"},
    )
    key = check.identify(made["key"], asking_of(state=watched.now()))
    assert (key.key_id, key.team, key.role) == (made["key_id"], "search", "call")
    assert (key.models, key.limits) == (("meta-llama/*",), Limits(capacity=5))
    assert [each.value for each in watched.now().budgets] == [key.key_id]
    asked(ledger, places, "key_revoke", key_id=key.key_id)
    assert watched.now().keys == ()


def test_the_list_holds_neither_key_nor_hash(ledger: Ledger, places: Places) -> None:
    made = asked(ledger, places, "key_create", name="alice")
    listed = asked(ledger, places, "key_list")
    (row,) = listed["keys"]
    assert row["key_id"] == made["key_id"]
    assert made["key"] not in repr(listed)
    assert Watched(places.gateway_state).now().keys[0].key_hash not in repr(listed)


def test_a_teams_limits_are_set(ledger: Ledger, places: Places) -> None:
    asked(ledger, places, "team_limit", team="search", limits={"concurrent": 3})
    assert Watched(places.gateway_state).now().teams == {"search": Limits(concurrent=3)}


@pytest.mark.parametrize("role", ["admin", "root", ""])
def test_no_admin_makes_another(ledger: Ledger, places: Places, role: str) -> None:
    with pytest.raises(Usage, match="role admin are made where the ledger is"):
        asked(ledger, places, "key_create", name="a", role=role)
    assert asked(ledger, places, "key_list")["keys"] == []


@pytest.mark.parametrize("command", ["reprice", "collect", "ask", "", "prices_keep"])
def test_it_does_nothing_else(ledger: Ledger, places: Places, command: str) -> None:
    with pytest.raises(Usage, match=", ".join(COMMANDS)):
        asked(ledger, places, command)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"name": 1}',
        b'{"name": ""}',
        b'{"name": "a", "key_hash": "00"}',
        b'{"name": "a", "role": "host", "team": "search"}',
        b'{"name": "a", "budget": {"usd": "-1"}}',
        b'{"name": "a", "budget": {"usd": "NaN"}}',
        b'{"name": "a", "limits": {"capacity": 0}}',
        b'{"name": "a", "expires_at": 1}',
        b'{"name": "a", "expires_at": 100000000000000000}',
        b'{"name": "a", "screening": {"found": "leak"}}',
    ],
)
def test_what_makes_no_sense_is_refused_whole(
    ledger: Ledger, places: Places, payload: bytes
) -> None:
    with pytest.raises(Usage):
        admin(ledger, places, "key_create", payload)
    assert asked(ledger, places, "key_list")["keys"] == []
