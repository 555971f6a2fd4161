"""Calls for tests: as a recorder's line (`make_call`) and as a finished row (`make_row`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.segments import Segments

#: A Wednesday inside the shipped price history, 12:00 UTC.
NOON = datetime(2026, 8, 12, 12, 0, tzinfo=UTC)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CALL_DEFAULTS: dict[str, Any] = {
    "app": "search",
    "team": "search",
    "host_kind": "router",
    "provider": "together",
    "requested_model": "meta-llama/Llama-3.3-70B-Instruct",
    "provider_model": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "task": "chat-completion",
    "uncached_input_tokens": 100,
    "output_tokens": 20,
    "tokens_source": "usage",
    "status": 200,
    "latency_ms": 800.0,
}

# What a row has beside the columns of a line; costs stay unknown unless given.
ROW_DEFAULTS: dict[str, Any] = {
    "source": "hook",
    "origin": "live",
    "purpose": "work",
    "attempt": 1,
    "stream": False,
    "cached_reply": False,
    "outcome": "ok",
    "model": "meta-llama/Llama-3.3-70B-Instruct",
    "size_class": "large",
    "cost_basis": "unknown",
}


def make_call(**overrides: Any) -> Call:
    """A chat call through the router; `ts` may be a datetime, anything else as in `Call`."""
    given = {"call_id": str(uuid.uuid4()), "ts": NOON, **CALL_DEFAULTS, **overrides}
    return Call(**{**given, "ts": micros(given["ts"])})


def make_row(**overrides: Any) -> dict[str, Any]:
    """A row of `calls` with any columns given as they shall stand there, costs among them.

    `ts` may be aware or µs since 1970; `bucket15` follows from it. Columns left out are NULL.
    """
    given = {"call_id": str(uuid.uuid4()), "ts": NOON, **CALL_DEFAULTS, **ROW_DEFAULTS, **overrides}
    at = micros(given["ts"])
    moment = (EPOCH + timedelta(microseconds=at)).replace(tzinfo=None)
    return {"bucket15": at // 900_000_000, **given, "ts": moment}


def ledger_with(
    places: Places | None = None, calls: Iterable[Call | Mapping[str, Any]] = ()
) -> Ledger:
    """An open ledger that holds these: lines go through spool and collector, rows straight in.

    Without `places` it lives in memory, takes rows only, and knows no shipped prices.
    """
    given = list(calls)
    ledger = Ledger.open(places) if places else Ledger.memory()
    lines = [each for each in given if isinstance(each, Call)]
    if lines:
        assert places, "lines need a folder to be spooled in"
        spool(places, lines)
        collect(ledger, places)
    insert_rows(ledger, [each for each in given if not isinstance(each, Call)])
    return ledger


def spool(places: Places, lines: Iterable[Call]) -> None:
    """Write lines as a recorder does."""
    segments = Segments(places.spool)
    for line in lines:
        assert segments.write(line)
    segments.close()


def insert_rows(ledger: Ledger, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows into `calls` as they are, without sizing or pricing."""
    cursor = ledger.cursor()
    for row in rows:
        columns, holders = ", ".join(row), ", ".join("?" for _ in row)
        cursor.execute(f"insert into calls ({columns}) values ({holders})", list(row.values()))
    cursor.close()


def micros(moment: datetime | int) -> int:
    """µs since 1970 UTC, exactly."""
    if isinstance(moment, int):
        return moment
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
