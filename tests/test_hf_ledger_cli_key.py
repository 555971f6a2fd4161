"""`hf-ledger key`: whom a key is for and what it may, from the command line to the gateways."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.cli import main
from hf_ledger.cli.key_scope import budget_of, ends_at
from hf_ledger.ingest.doors.api.keys import key_id_of
from hf_ledger.ingest.doors.gateway.state import Key, Limits, Replaying, Screening, State
from hf_ledger.ingest.doors.gateway.state_file import Watched
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

NOW = datetime(2026, 11, 25, 13, tzinfo=UTC)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["key", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def state(places: Places) -> State:
    return Watched(places.gateway_state).now()


def created(capsys: pytest.CaptureFixture[str], places: Places, *options: str) -> Key:
    said(capsys, "create", "--name", "a", *options)
    return state(places).keys[-1]


def test_every_option_reaches_the_gateways(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    key = created(
        capsys,
        places,
        *("--user", "alice", "--team", "search", "--project", "shop", "--environment", "prod"),
        *("--models", "meta-llama/*,openai/gpt-oss-120b", "--models", "o/m"),
        *("--providers", "novita", "--expires", "2999-01-31"),
        *("--rpm", "90", "--burst", "20", "--concurrent", "4", "--max-tokens", "1000"),
        *("--max-body", "5000", "--budget", "25/day"),
        *("--screen", "--class", "confidential", "--found", "route", "--target", "ours"),
        *("--replay-share", "0.05", "--replay-candidate", "o/small", "--replay-usd", "7.5"),
    )
    assert (key.role, key.user, key.team, key.project, key.environment) == (
        "call",
        "alice",
        "search",
        "shop",
        "prod",
    )
    assert key.models == ("meta-llama/*", "openai/gpt-oss-120b", "o/m")
    assert key.providers == ("novita",)
    assert key.expires_at == datetime(2999, 2, 1, tzinfo=UTC).timestamp()
    assert key.limits == Limits(
        capacity=20, per_second=90 / 60, concurrent=4, max_tokens=1000, body_bytes=5000
    )
    assert key.screening == Screening(
        on=True, data_class="confidential", found="route", target="ours"
    )
    assert key.replaying == Replaying(share=0.05, candidate="o/small", usd="7.5")
    budget, cap = state(places).budgets
    assert (cap.value, cap.usd) == (f"replay:{key.key_id}", "7.5")
    assert (budget.dimension, budget.value, budget.period, Decimal(budget.usd), budget.hard) == (
        "key",
        key.key_id,
        "day",
        Decimal(25),
        True,
    )


# -- roles -------------------------------------------------------------------------------------


def test_a_name_alone_makes_a_hosts_key_as_ever_and_says_so(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    assert main(["key", "create", "--name", "web-1"]) == 0
    captured = capsys.readouterr()
    assert "role host" in captured.err
    assert "--role call" in captured.err
    with Ledger.open(places) as ledger, closing(ledger.cursor()) as cursor:
        assert key_id_of(cursor, captured.out.strip()) is not None


@pytest.mark.parametrize(
    ("options", "role"),
    [
        (["--role", "call"], "call"),
        (["--role", "admin"], "admin"),
        (["--role", "host"], "host"),
        (["--expires", "90d"], "host"),
        (["--user", "alice"], "call"),
        (["--team", "search"], "call"),
        (["--models", "a/*"], "call"),
        (["--budget", "5"], "call"),
        (["--rpm", "5"], "call"),
        (["--screen"], "call"),
        (["--class", "public"], "call"),
    ],
)
def test_the_role_is_said_or_follows(
    capsys: pytest.CaptureFixture[str], places: Places, options: list[str], role: str
) -> None:
    assert created(capsys, places, *options).role == role


@pytest.mark.parametrize("role", ["call", "admin"])
def test_only_a_hosts_key_posts_calls(
    capsys: pytest.CaptureFixture[str], places: Places, role: str
) -> None:
    key = said(capsys, "create", "--name", "a", "--role", role).strip()
    with Ledger.open(places) as ledger, closing(ledger.cursor()) as cursor:
        assert key_id_of(cursor, key) is None


def test_a_hosts_key_ends_at_its_moment(capsys: pytest.CaptureFixture[str], places: Places) -> None:
    key = said(capsys, "create", "--name", "a", "--expires", "1d").strip()
    with Ledger.open(places) as ledger, closing(ledger.cursor()) as cursor:
        assert key_id_of(cursor, key) is not None
        cursor.execute("update keys set expires_at = expires_at - interval 1 day")
        assert key_id_of(cursor, key) is None


@pytest.mark.parametrize(
    "options",
    [
        ["--role", "host", "--user", "alice"],
        ["--role", "admin", "--budget", "5"],
        ["--role", "king"],
        ["--expires", "soon"],
        ["--expires", "2001-01-01"],
        ["--expires", "0d"],
        ["--budget", "much"],
        ["--budget", "0"],
        ["--budget", "5/year"],
        ["--rpm", "0"],
        ["--burst", "-1"],
        ["--class", "secret"],
        ["--found", "route"],
        ["--target", "ours"],
        ["--replay-share", "0.1"],
        ["--replay-usd", "-1", "--replay-share", "0.1", "--replay-candidate", "o/small"],
        ["--models", "two words"],
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_no_key(
    capsys: pytest.CaptureFixture[str], places: Places, options: list[str]
) -> None:
    error = said(capsys, "create", "--name", "a", *options, code=2)
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert json.loads(said(capsys, "list", "--format", "json"))["keys"] == []


# -- list, revoke, limit -----------------------------------------------------------------------


def test_the_list_says_whom_a_key_is_for(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    created(capsys, places, "--user", "alice", "--models", "a/*,b/*", "--burst", "3")
    text = said(capsys, "list")
    assert all(each in text for each in ("alice", "a/* b/*", "capacity=3", "call"))
    assert "project" not in text  # no key has one
    (row,) = csv.DictReader(io.StringIO(said(capsys, "list", "--format", "csv")))
    assert (row["user"], row["models"], row["limits"], row["team"]) == (
        "alice",
        "a/* b/*",
        "capacity=3",
        "",
    )
    (found,) = json.loads(said(capsys, "list", "--format", "json"))["keys"]
    assert (found["models"], found["limits"]) == (["a/*", "b/*"], {"capacity": 3})
    assert (found["team"], found["providers"], found["expires_at"]) == (None, [], None)


def test_a_revoked_key_leaves_the_gateways(
    capsys: pytest.CaptureFixture[str], places: Places
) -> None:
    watched = Watched(places.gateway_state)
    key = created(capsys, places, "--user", "alice", "--budget", "5")
    assert watched.now().keys == (key,)
    said(capsys, "revoke", key.key_id)
    assert (watched.now().keys, watched.now().budgets) == ((), ())


def test_a_teams_limits(capsys: pytest.CaptureFixture[str], places: Places) -> None:
    said(capsys, "limit", "--team", "search", "--rpm", "30", "--concurrent", "2")
    assert state(places).teams == {"search": Limits(per_second=0.5, concurrent=2)}
    said(capsys, "limit", "--team", "search", "--standard")
    assert state(places).teams == {}
    assert "one of the two" in said(capsys, "limit", "--team", "search", code=2)
    both = said(capsys, "limit", "--team", "search", "--standard", "--rpm", "3", code=2)
    assert "one of the two" in both


# -- how options are read ----------------------------------------------------------------------


@given(st.integers(1, 9999))
def test_so_many_days_from_now(days: int) -> None:
    assert ends_at(f"{days}d", NOW) == int((NOW + timedelta(days=days)).timestamp())


@given(st.dates(NOW.date(), datetime(2900, 1, 1).date()))  # noqa: DTZ001 - a day
def test_a_last_day_is_good_until_it_is_over(day: Any) -> None:
    end = datetime.fromtimestamp(ends_at(day.isoformat(), NOW), UTC)
    assert (end - timedelta(seconds=1)).date() == day
    assert (end.hour, end.minute, end.second) == (0, 0, 0)


@pytest.mark.parametrize("text", ["", "d", "-1d", "1.5d", "90", "2026-11-24", "2026-02-30", "٣d"])
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(Usage):
        ends_at(text, NOW)


@pytest.mark.parametrize(
    ("text", "usd", "period"),
    [("100", "100", "month"), ("0.5/day", "0.5", "day"), ("$7/week", "7", "week")],
)
def test_budgets_are_read(text: str, usd: str, period: str) -> None:
    assert budget_of(text) == {"usd": Decimal(usd), "period": period}


@pytest.mark.parametrize("text", ["", "x", "-5", "1e5", "5/hour", "5 / day", "NaN", "1,000"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(Usage, match="no amount of USD"):
        budget_of(text)
