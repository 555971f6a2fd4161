"""A ledger in memory with rows as given, and an `ask` over it: for tests of questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from factories_calls import NOON, make_row

from hf_ledger.analytics.questions import Ask, asking
from hf_ledger.analytics.scope import OWN_ORIGINS, Scope
from hf_ledger.ingest.ledger.ledger import Ledger

#: A week around the factories' noon, and all the time there is.
WEEK = Scope(datetime(2026, 8, 10, tzinfo=UTC), datetime(2026, 8, 17, tzinfo=UTC))
ALWAYS = Scope(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

Row = dict[str, Any]


def at(text: str) -> datetime:
    """An aware UTC time from ISO text."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def scope(
    since: str = "2026-08-10",
    until: str = "2026-08-17",
    zone: str = "UTC",
    origins: tuple[str, ...] = OWN_ORIGINS,
    **where: str | tuple[str, ...],
) -> Scope:
    """A scope whose filters are given as `team="search"` or `team=("search", "")`."""
    filters = {k: (v,) if isinstance(v, str) else v for k, v in where.items()}
    return Scope(at(since), at(until), zone, origins, filters)


def priced(usd: str | Decimal, **columns: Any) -> Row:
    """A call with a list price."""
    cost = Decimal(usd)
    basis = {"cost_basis": "list_price_tokens", "cost": cost, "list_cost": cost}
    return make_row(**{**basis, **columns})


def free(**columns: Any) -> Row:
    """A failed call, which costs nothing for certain."""
    nothing = {"cost_basis": "free", "cost": Decimal(0), "list_cost": Decimal(0)}
    return make_row(**{**nothing, "outcome": "error", "status": 500, "payer": "nobody", **columns})


def unpriced(**columns: Any) -> Row:
    return make_row(**{"cost_basis": "unknown", **columns})


def on_endpoint(**columns: Any) -> Row:
    """A call to a dedicated endpoint, billed by the replica hour."""
    given = {"cost_basis": "endpoint_hours", "host_kind": "endpoint", "endpoint": "abc.example"}
    return make_row(**{**given, **columns})


def memory(rows: Iterable[Mapping[str, Any]] = ()) -> Ledger:
    """An open ledger in memory with these rows and no reference data."""
    ledger = Ledger.memory()
    insert(ledger.cursor(), "calls", list(rows))
    return ledger


def asked(rows: Iterable[Mapping[str, Any]] = ()) -> Ask:
    """Ask a ledger that holds these rows."""
    return asking(memory(rows).cursor())


def insert(
    cursor: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows by name, all at once."""
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    cursor.register("given_rows", pa.table(columns))
    cursor.execute(f"insert into {table} by name select * from given_rows")
    cursor.unregister("given_rows")


def price_rows(
    provider: str,
    model: str,
    input_usd: str,
    output_usd: str,
    *,
    since: str = "2026-01-01",
    until: str | None = None,
    **others: str,
) -> list[Row]:
    """The rows of one price version, USD per million tokens."""
    kinds = {"input_tokens": input_usd, "output_tokens": output_usd, **others}
    return [
        {
            "price_id": f"{provider}/{model}@{since}",
            "provider": provider,
            "model": model,
            "kind": kind,
            "usd": Decimal(usd),
            "per_units": 1_000_000,
            "valid_from": at(since).replace(tzinfo=None),
            "valid_to": at(until).replace(tzinfo=None) if until else None,
            "source": "test",
            "snapshot": "test",
        }
        for kind, usd in kinds.items()
    ]


def model_row(model: str, size_class: str | None, family: str = "llm") -> Row:
    return {
        "model": model,
        "family": family,
        "size_class": size_class,
        "class_version": "test",
        "source": "test",
        "confidence": "test",
    }


def one(table: pa.Table) -> Row:
    """The only row of an answer."""
    rows: list[Row] = table.to_pylist()
    assert len(rows) == 1, rows
    return rows[0]


__all__ = [
    "ALWAYS",
    "NOON",
    "WEEK",
    "Row",
    "asked",
    "at",
    "free",
    "insert",
    "make_row",
    "memory",
    "model_row",
    "on_endpoint",
    "one",
    "price_rows",
    "priced",
    "scope",
    "unpriced",
]
