"""Ask the ledger from any process: through its owner where one runs, else by opening the file.

Questions and their answers are the same both ways: a scope and its parameters take the same form
(JSON: times and decimals as strings) whether or not they cross the socket.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC
from types import TracebackType
from typing import Any, Self

import duckdb
import msgspec
import pyarrow as pa

from hf_ledger.analytics.questions import answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.catalogue import chores
from hf_ledger.ingest.doors.api import keys
from hf_ledger.ingest.doors.gateway.audit.administration import note
from hf_ledger.ingest.doors.gateway.limits import budgets, exchanging
from hf_ledger.ingest.doors.gateway.limits.bank import bank_here
from hf_ledger.ingest.doors.gateway.publishing import refresh_state
from hf_ledger.ingest.errors import Owned, Unusable, Usage
from hf_ledger.ingest.ledger.ledger import Ledger, opened_here
from hf_ledger.ingest.ledger.socket import Caller, Handle, call_owner
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import Collected, collect

#: An owner that has the lock but not yet its socket gets this long before we give up.
PATIENCE_SECONDS = 5.0

NOT_COLLECTED = (
    "the calls waiting in {spool} could not be brought into the ledger ({why}): "
    "nothing is lost; make room or make it writable, then try again."
)

#: What changes nothing that a gateway must know.
QUIET = ("ask", "collect", "ping", "budget_list", "budget_show", "key_list")
COMMANDS = ("collect", "ping", *keys.COMMANDS, *chores.COMMANDS, *budgets.COMMANDS)


class Question(msgspec.Struct, omit_defaults=True):
    question: str
    scope: Scope | None = None
    params: dict[str, Any] = {}


_questions = msgspec.json.Decoder(Question)  # here, before several threads ask at once


class Session(ABC):
    """An open way to the ledger; `ask` is what pages, commands and reports are given."""

    @abstractmethod
    def _send(self, name: str, payload: bytes) -> pa.Table | dict[str, Any]:
        """Pass one request on."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection or the file."""

    def ask(self, question: str, scope: Scope | None = None, /, **params: Any) -> pa.Table:
        """Answer a question by name; `Usage` for one that does not exist or lacks its period."""
        return self._send("ask", msgspec.json.encode(Question(question, scope, params)))

    def command(self, name: str, /, **params: Any) -> dict[str, Any]:
        """Have the ledger's holder do something ("collect", "ping"); what it says of it."""
        if name not in COMMANDS:
            raise Usage(f"unknown command {name!r}; there are {', '.join(COMMANDS)}.")
        done: dict[str, Any] = self._send(name, msgspec.json.encode(params))
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RemoteSession(Session):
    """Asks the owner over its socket."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def _send(self, name: str, payload: bytes) -> pa.Table | dict[str, Any]:
        reply = self._caller.ask(name, payload)
        if name == "ask":
            return pa.ipc.open_stream(reply).read_all()
        return msgspec.json.decode(reply)

    def close(self) -> None:
        self._caller.close()


class LocalSession(Session):
    """Asks a ledger open in this process; closes it at the end where the session opened it."""

    def __init__(self, ledger: Ledger, places: Places, *, ours: bool) -> None:
        self._ledger = ledger
        self._places = places
        self._ours = ours

    def _send(self, name: str, payload: bytes) -> pa.Table | dict[str, Any]:
        return perform(self._ledger, self._places, name, payload)

    def close(self) -> None:
        if self._ours:
            self._ledger.close()


def connect(places: Places | None = None) -> Session:
    """Open a session on the ledger of `places` (the default one where none is given).

    Goes through the owner where one runs; else opens the file and collects the spool first.
    Raises `Owned` where another process holds the file without answering, `Unusable` where it
    can't be opened.
    """
    places = places or Places.default()
    ledger = opened_here(places)
    if ledger:
        return LocalSession(ledger, places, ours=False)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        caller = call_owner(places)
        if caller:
            return RemoteSession(caller)
        try:
            return _opened(places)
        except Owned:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def responder(ledger: Ledger, places: Places) -> Handle:
    """What the owner's socket answers with: `Listener(places, responder(ledger, places))`.

    Where this process keeps a bank, gateways lease from it here, and never wait for the ledger.
    """

    def handle(name: str, payload: bytes) -> bytes:
        bank = bank_here(places)
        if bank and name == exchanging.COMMAND:
            return bank.answer(payload)
        result = perform(ledger, places, name, payload)
        return _stream(result) if name == "ask" else msgspec.json.encode(result)

    return handle


def perform(ledger: Ledger, places: Places, name: str, payload: bytes) -> pa.Table | dict[str, Any]:
    """Carry out one request in the process that holds the ledger.

    Whatever may change keys, budgets or prices is known to every gateway when this returns, and
    the audit knows who changed what.
    """
    done = _performed(ledger, places, name, payload)
    if name not in QUIET:
        refresh_state(ledger, places)
        if isinstance(done, dict):
            note(places, name, payload, done)
    return done


def _performed(
    ledger: Ledger, places: Places, name: str, payload: bytes
) -> pa.Table | dict[str, Any]:
    match name:
        case "ask":
            return _answered(ledger, _question(payload))
        case "collect":
            return asdict(_collected(ledger, places))
        case "ping":
            return {"root": str(places.root)}
        case _ if name in keys.COMMANDS:
            return keys.perform(ledger, name, payload)
        case _ if name in chores.COMMANDS:
            return chores.perform(ledger, name, payload)
        case _ if name in budgets.COMMANDS:
            return budgets.perform(ledger, places, name, payload)
    raise Usage(f"unknown command {name!r}; there are {', '.join(COMMANDS)}.")


def _opened(places: Places) -> Session:
    ledger = Ledger.open(places)
    with ExitStack() as unless_collected:
        unless_collected.callback(ledger.close)
        _collected(ledger, places)
        unless_collected.pop_all()
    return LocalSession(ledger, places, ours=True)


def _collected(ledger: Ledger, places: Places) -> Collected:
    try:
        return collect(ledger, places)
    except OSError as error:
        raise Unusable(NOT_COLLECTED.format(spool=places.spool, why=error.strerror)) from error
    except duckdb.OperationalError as error:
        raise Unusable(NOT_COLLECTED.format(spool=places.spool, why=error)) from error


def _question(payload: bytes) -> Question:
    try:
        return _questions.decode(payload)
    except msgspec.MsgspecError as error:
        raise Usage(f"not a question: {error}") from error


def _answered(ledger: Ledger, asked: Question) -> pa.Table:
    cursor = ledger.cursor()
    try:
        return answer(cursor, asked.question, _in_utc(asked.scope), asked.params)
    except duckdb.OperationalError as error:
        raise Unusable(f"the ledger could not answer {asked.question!r}: {error}") from error
    finally:
        cursor.close()


def _in_utc(scope: Scope | None) -> Scope | None:
    """The same scope with its times in UTC proper, however they were written."""
    if scope is None:
        return None
    return Scope(
        since=scope.since.astimezone(UTC),
        until=scope.until.astimezone(UTC),
        zone=scope.zone,
        origins=scope.origins,
        where=scope.where,
    )


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data
