"""Asking from any process: the same answers through the owner and from the file itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from factories_calls import NOON, make_call, spool

from hf_ledger.analytics import questions
from hf_ledger.analytics.connect import (
    LocalSession,
    RemoteSession,
    Session,
    connect,
    responder,
)
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Owned, Unusable, Usage
from hf_ledger.ingest.ledger.ledger import Ledger, opened_here
from hf_ledger.ingest.ledger.owner import announce, withdraw
from hf_ledger.ingest.ledger.socket import Listener, call_owner
from hf_ledger.ingest.places import Places

SCOPE = Scope(since=NOON - timedelta(days=7), until=NOON + timedelta(days=7))


def told(
    cursor: duckdb.DuckDBPyConnection, scope: Scope | None, word: str = "", **_more: Any
) -> pa.Table:
    """A question that says what it was asked, and how many calls there are."""
    (count,) = cursor.execute("select count(*) from calls").fetchone() or (0,)
    return pa.table(
        {
            "calls": pa.array([count], pa.int64()),
            "word": [str(word)],
            "kind": [type(word).__name__],
            "since": pa.array([scope and scope.since], pa.timestamp("us", "UTC")),
            "where": [str(scope and sorted(scope.where.items()))],
            "cost": pa.array([Decimal("0.000000001")], pa.decimal128(38, 9)),
            "unknown": pa.array([None], pa.string()),
        }
    )


@pytest.fixture(autouse=True)
def question(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is asked by name, as all questions are."""
    monkeypatch.setitem(questions.QUESTIONS, "told", f"{__name__}:told")


@contextmanager
def remote(places: Places, ledger: Ledger) -> Iterator[Session]:
    """A session that goes through the owner's socket although the owner is this process."""
    with Listener(places, responder(ledger, places)):
        caller = call_owner(places)
        assert caller
        with RemoteSession(caller) as session:
            yield session


OWNER = """
import sys
from hf_ledger.analytics.connect import responder
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import Listener
from hf_ledger.ingest.places import Places

places = Places.default()
with Ledger.open(places) as ledger, Listener(places, responder(ledger, places)):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owner(places: Places) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the ledger."""
    child = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    assert child.stdout.readline() == "up\n"
    yield child
    child.communicate(timeout=20)


# -- which way -------------------------------------------------------------------------------------


def test_without_an_owner_the_file_is_opened_and_the_spool_collected(places: Places) -> None:
    spool(places, [make_call(), make_call()])
    with connect(places) as session:
        assert isinstance(session, LocalSession)
        assert session.ask("told", SCOPE)["calls"].to_pylist() == [2]
    assert opened_here(places) is None
    with Ledger.open(places) as ledger:  # free again
        assert ledger.path == places.ledger


def test_the_default_place_is_the_one_the_environment_names(places: Places) -> None:
    with connect() as session:
        assert session.command("ping") == {"root": str(places.root)}


def test_with_an_owner_the_socket_is_asked(places: Places, owner: subprocess.Popen[str]) -> None:
    spool(places, [make_call()])
    with connect(places) as session:
        assert isinstance(session, RemoteSession)
        assert session.command("collect")["new"] == 1
        assert session.command("collect")["new"] == 0
        assert session.ask("health").num_rows > 0
    assert owner.poll() is None


def test_in_the_owners_own_process_the_open_ledger_is_used(places: Places) -> None:
    with Ledger.open(places) as ledger:
        with connect(places) as session:
            assert isinstance(session, LocalSession)
            session.ask("told", SCOPE)
        assert opened_here(places) is ledger  # closing the session left it open


def test_a_stale_announcement_is_passed_over(places: Places) -> None:
    announce(places, places.root / "gone.sock", "http://127.0.0.1:1")
    with connect(places) as session:
        assert isinstance(session, LocalSession)
    withdraw(places)


def test_an_owner_that_is_just_starting_is_waited_for(places: Places) -> None:
    code = """
        import sys, time
        from hf_ledger.analytics.connect import responder
        from hf_ledger.ingest.ledger.ledger import Ledger
        from hf_ledger.ingest.ledger.socket import Listener
        from hf_ledger.ingest.places import Places
        places = Places.default()
        ledger = Ledger.open(places)
        print("locked", flush=True)
        time.sleep(0.5)
        listener = Listener(places, responder(ledger, places))
        sys.stdin.read()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "locked\n"
    with connect(places) as session:
        assert isinstance(session, RemoteSession)
    child.communicate(timeout=20)


def test_an_owner_that_never_answers_is_named(places: Places) -> None:
    with Ledger.open(places):
        code = """
            import hf_ledger.analytics.connect as c
            from hf_ledger.ingest.errors import Owned
            c.PATIENCE_SECONDS = 0.3
            try:
                c.connect()
            except Owned as error:
                print(error)
        """
        said = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True)
    assert "held by another process (pid" in said


# -- the same answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    ["", "plain", "ü\u2028\x00", 7, 2.5, True, None, ["a", "b"], Decimal("1.10"), NOON],
    ids=repr,
)
def test_parameters_mean_the_same_both_ways(places: Places, word: object) -> None:
    with Ledger.open(places) as ledger:
        here = LocalSession(ledger, places, ours=False).ask("told", SCOPE, word=word)
        with remote(places, ledger) as session:
            there = session.ask("told", SCOPE, word=word)
    assert here.equals(there)
    assert here.schema.equals(there.schema)


def test_times_and_decimals_travel_as_text(places: Places) -> None:
    with connect(places) as session:
        assert session.ask("told", SCOPE, word=Decimal("1.10"))["word"].to_pylist() == ["1.10"]
        assert session.ask("told", SCOPE, word=NOON)["word"].to_pylist() == ["2026-08-12T12:00:00Z"]


@pytest.mark.parametrize(
    "scope",
    [
        None,
        SCOPE,
        Scope(NOON, NOON + timedelta(microseconds=1), "Europe/Berlin", ("sample",)),
        Scope(NOON, NOON, where={"team": ("a", ""), "model": ("x/y",)}),
        Scope(NOON.astimezone(timezone(timedelta(hours=5, minutes=45))), NOON),
    ],
    ids=["none", "plain", "zone", "where", "offset"],
)
def test_a_scope_means_the_same_both_ways(
    places: Places, scope: Scope | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "WITHOUT_SCOPE", frozenset({"told"}))
    with Ledger.open(places) as ledger:
        here = LocalSession(ledger, places, ours=False).ask("told", scope)
        with remote(places, ledger) as session:
            there = session.ask("told", scope)
    assert here.equals(there)
    assert here["since"].to_pylist() == [scope and scope.since]


def test_real_questions_answer_the_same_both_ways(places: Places) -> None:
    calls = [
        make_call(ts=NOON + timedelta(hours=hour), team=team)
        for hour in range(5)
        for team in ("a", "b", None)
    ]
    spool(places, calls)
    with connect(places) as session:
        totals = session.ask("totals", SCOPE)
        spend = session.ask("spend", SCOPE, by=["team"], grain="day")
    with Ledger.open(places) as ledger, remote(places, ledger) as session:
        assert session.ask("totals", SCOPE).equals(totals)
        assert session.ask("spend", SCOPE, by=["team"], grain="day").equals(spend)
    assert totals["calls"].to_pylist() == [15]
    assert sum(spend["cost"].to_pylist()) == totals["cost"].to_pylist()[0]


def test_an_answer_without_rows_keeps_its_columns(places: Places) -> None:
    with Ledger.open(places) as ledger, remote(places, ledger) as session:
        empty = session.ask("calls", SCOPE)
        assert empty.num_rows == 0
        assert "call_id" in empty.column_names


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scope", "params", "sentence"),
    [
        ("totls", SCOPE, {}, "did you mean 'totals'"),
        ("totals", None, {}, "period"),
        ("totals", SCOPE, {"colour": 1}, "colour"),
    ],
)
def test_mistakes_are_the_same_sentence_both_ways(
    places: Places, name: str, scope: Scope | None, params: dict[str, Any], sentence: str
) -> None:
    with Ledger.open(places) as ledger:
        with pytest.raises(Usage, match=sentence) as here:
            LocalSession(ledger, places, ours=False).ask(name, scope, **params)
        with remote(places, ledger) as session:
            with pytest.raises(Usage) as there:
                session.ask(name, scope, **params)
            assert session.command("ping")  # the connection lives on
    assert str(here.value) == str(there.value)


def test_an_unknown_command_is_refused_before_it_is_sent(places: Places) -> None:
    with connect(places) as session, pytest.raises(Usage, match="collect, ping"):
        session.command("drop everything")


def test_the_socket_takes_questions_and_never_sql(places: Places) -> None:
    with Ledger.open(places) as ledger, Listener(places, responder(ledger, places)):
        caller = call_owner(places)
        assert caller
        for name, payload in [
            ("sql", b'"select 1"'),
            ("ask", b'"select 1"'),
            ("ask", b'{"question":"select 1"}'),
            ("ask", b'{"question":"told","scope":{"since":"yesterday"}}'),
        ]:
            with pytest.raises(Usage):
                caller.ask(name, payload)
        caller.close()


def test_a_spool_that_cannot_be_collected_says_what_to_do(places: Places) -> None:
    spool(places, [make_call()])
    (places.root / "collecting.ndjson").mkdir()  # in the way of the collector's own file
    with pytest.raises(Unusable, match="nothing is lost") as caught:
        connect(places)
    assert not isinstance(caught.value, Owned)
    assert opened_here(places) is None
    (places.root / "collecting.ndjson").rmdir()
    with connect(places) as session:
        assert session.ask("told", SCOPE)["calls"].to_pylist() == [1]


def test_an_owner_that_dies_while_asked_is_one_sentence(
    places: Places, owner: subprocess.Popen[str]
) -> None:
    with connect(places) as session:
        owner.kill()
        owner.wait()
        with pytest.raises(Unusable, match=f"pid {owner.pid}"):
            session.ask("health")
    with connect(places) as session:
        assert isinstance(session, LocalSession)


def test_threads_ask_while_the_owner_collects(places: Places) -> None:
    with Ledger.open(places) as ledger, remote(places, ledger) as session:
        counts: list[int] = []

        def ask() -> None:
            counts.extend(session.ask("told", SCOPE)["calls"].to_pylist()[0] for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            spool(places, [make_call() for _ in range(20)])
            session.command("collect")
        for thread in threads:
            thread.join()
        assert len(counts) == 40
        assert {count % 20 for count in counts} == {0}  # never half a batch
        assert session.ask("told", SCOPE)["calls"].to_pylist() == [100]


def test_a_question_through_the_socket_takes_milliseconds(places: Places) -> None:
    with Ledger.open(places) as ledger, remote(places, ledger) as session:
        session.ask("told", SCOPE)
        costs = []
        for _ in range(30):
            start = time.perf_counter()
            session.ask("told", SCOPE)
            costs.append(time.perf_counter() - start)
    assert sorted(costs)[15] < 0.1


def test_the_scope_is_in_utc_proper(places: Places) -> None:
    assert datetime(2026, 8, 12, 12, tzinfo=UTC) == NOON
    kathmandu = Scope(NOON.astimezone(timezone(timedelta(hours=5, minutes=45))), SCOPE.until)
    with connect(places) as session:
        assert session.ask("told", kathmandu)["since"].to_pylist() == [NOON]
