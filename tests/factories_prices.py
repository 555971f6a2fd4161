"""A ledger in memory with prices of one's own, and calls staged as the collector stages them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb

from hf_ledger.ingest.catalogue.costing import enrich
from hf_ledger.ingest.catalogue.load import load_reference
from hf_ledger.ingest.ledger.migrations import MIGRATIONS

#: A moment as the ledger keeps it: UTC without zone.
moment = datetime.fromisoformat

FIRST_LIST = moment("2026-01-01")
INSIDE = moment("2026-06-15T12:00")

STAGED_DEFAULTS: dict[str, Any] = {
    "call_id": "01970000-0000-7000-8000-000000000001",
    "ts": INSIDE,
    "bucket15": 0,
    "source": "hook",
    "origin": "live",
    "purpose": "work",
    "attempt": 1,
    "host_kind": "router",
    "stream": False,
    "tokens_source": "usage",
    "outcome": "ok",
    "cached_reply": False,
    "cost_basis": "unknown",
}

PRICE_DEFAULTS: dict[str, Any] = {
    "price_id": "acme/maker/model@2026-01-01",
    "provider": "acme",
    "model": "maker/model",
    "kind": "input_tokens",
    "usd": Decimal("0.5"),
    "per_units": 1_000_000,
    "valid_from": FIRST_LIST,
    "valid_to": None,
    "source": "test",
    "snapshot": "",
}


@cache
def ledger_in_memory(*, shipped: bool) -> duckdb.DuckDBPyConnection:
    """Made once: its tables cost more than a test."""
    connection = duckdb.connect()
    for step in MIGRATIONS:
        step(connection)
    connection.execute("create temp table staged as select * from calls limit 0")
    if shipped:
        load_reference(connection)
    return connection


def empty_ledger() -> duckdb.DuckDBPyConnection:
    """All tables, no reference data, and an empty `staged`."""
    ledger = ledger_in_memory(shipped=False)
    for table in ("prices", "price_lists", "models", "routes", "staged"):
        ledger.execute(f"delete from {table}")
    return ledger


def shipped_ledger() -> duckdb.DuckDBPyConnection:
    """With the reference data that ships, and an empty `staged`."""
    ledger = ledger_in_memory(shipped=True)
    ledger.execute("delete from staged")
    return ledger


def listed_ledger(*prices: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """With one price list of `FIRST_LIST` and these prices."""
    cursor = empty_ledger()
    cursor.execute("insert into price_lists values ('', 'test', ?)", [FIRST_LIST])
    for price in prices:
        insert(cursor, "prices", {**PRICE_DEFAULTS, **price})
    return cursor


def token_prices(input_usd: str, output_usd: str, **overrides: Any) -> list[dict[str, Any]]:
    """The two prices of a route, USD per million tokens unless overridden."""
    return [
        {"kind": "input_tokens", "usd": Decimal(input_usd), **overrides},
        {"kind": "output_tokens", "usd": Decimal(output_usd), **overrides},
    ]


def insert(cursor: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    columns = ", ".join(f"? as {name}" for name in row)
    cursor.execute(f"insert into {table} by name select {columns}", list(row.values()))


def enriched(
    cursor: duckdb.DuckDBPyConnection, calls: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Stage the calls, enrich them, and give their rows in the same order."""
    cursor.execute("delete from staged")
    for call in calls:
        insert(cursor, "staged", {**STAGED_DEFAULTS, **call})
    enrich(cursor)
    found = cursor.execute("select * from staged order by rowid")
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def one(cursor: duckdb.DuckDBPyConnection, **call: Any) -> dict[str, Any]:
    """The row of one call after enrichment."""
    return enriched(cursor, [call])[0]
