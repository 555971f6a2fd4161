"""The schema: its tables hold what a line says, and the documentation explains each column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.migrations import MIGRATIONS

STORAGE = Path(__file__).resolve().parent.parent / "docs" / "storage.md"

COLUMNS = """
select
    table_name,
    column_name,
    data_type,
    is_nullable
from duckdb_columns()
where not internal
"""


@pytest.fixture(scope="module")
def columns() -> Iterator[list[tuple[str, str, str, bool]]]:
    with Ledger.memory() as ledger:
        yield ledger.cursor().execute(COLUMNS).fetchall()


def tables(columns: list[tuple[str, str, str, bool]]) -> set[str]:
    return {table for table, *_ in columns}


def section(table: str) -> str:
    """What the documentation says under the table's own heading."""
    text = STORAGE.read_text(encoding="utf-8")
    parts = re.split(r"^### ", text, flags=re.MULTILINE)
    (found,) = [part for part in parts if f"`{table}`" in part.partition("\n")[0]]
    return found


def test_each_column_is_explained_under_its_own_table(
    columns: list[tuple[str, str, str, bool]],
) -> None:
    missing = [
        f"{table}.{column}"
        for table, column, *_ in columns
        if table != "entries" and f"`{column}`" not in section(table)
    ]
    assert missing == []


def test_no_column_is_explained_that_does_not_exist(
    columns: list[tuple[str, str, str, bool]],
) -> None:
    for table in tables(columns) - {"entries"}:
        known = {column for owner, column, *_ in columns if owner == table}
        if table in ("migrations", "reference"):  # these share a section
            known |= {
                column for owner, column, *_ in columns if owner in ("migrations", "reference")
            }
        first_cells = re.findall(r"^\| (`[^|]+`) \|", section(table), flags=re.MULTILINE)
        named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
        assert named <= known, table


def test_every_field_of_a_call_has_a_column(columns: list[tuple[str, str, str, bool]]) -> None:
    known = {column for table, column, *_ in columns if table == "calls"}
    fields = {field.name for field in msgspec.structs.fields(Call)}
    assert fields - known == {"prefix"}  # block hashes have a table of their own


def test_money_is_never_a_float(columns: list[tuple[str, str, str, bool]]) -> None:
    money = {"usd", "cost", "list_cost", "billed_cost", "reported_cost", "stated_cost", "units"}
    found = {column: kind for _, column, kind, _ in columns if column in money}
    assert set(found) == money
    assert set(found.values()) == {"DECIMAL(18,9)"}


def test_a_cost_may_be_unknown_and_its_basis_may_not(
    columns: list[tuple[str, str, str, bool]],
) -> None:
    nullable = {column: null for table, column, _, null in columns if table == "calls"}
    assert all(nullable[name] for name in ("cost", "list_cost", "billed_cost", "output_tokens"))
    assert not any(nullable[name] for name in ("call_id", "ts", "cost_basis", "outcome"))


def test_input_tokens_of_entries_are_the_total() -> None:
    with Ledger.memory() as ledger:
        cursor = ledger.cursor()
        for uncached, read, write in [(100, 20, 3), (100, None, None), (None, None, None)]:
            cursor.execute(
                "insert into calls (call_id, ts, bucket15, source, origin, purpose, attempt,"
                " stream, tokens_source, outcome, cached_reply, cost_basis,"
                " uncached_input_tokens, cache_read_tokens, cache_write_tokens)"
                " values (uuid(), '2026-08-12', 0, 'hook', 'live', 'work', 1,"
                " false, 'usage', 'ok', false, 'unknown', ?, ?, ?)",
                [uncached, read, write],
            )
        totals = cursor.execute("select input_tokens from entries order by all").fetchall()
    assert totals == [(100,), (123,), (None,)]


def test_a_key_of_before_stays_a_hosts_key() -> None:
    """Whoever had a key posted calls with it; it must not call models all at once."""
    connection = duckdb.connect()
    *before, gateway = MIGRATIONS[:6]
    for step in before:
        step(connection)
    connection.execute("insert into keys values ('00000001', 'a', 'sha256', 'x', now(), null)")
    gateway(connection)
    (found,) = connection.execute("select role, expires_at, models from keys").fetchall()
    assert found == ("host", None, None)


def test_a_call_needs_an_id_and_a_time() -> None:
    with Ledger.memory() as ledger, pytest.raises(duckdb.ConstraintException):
        ledger.cursor().execute("insert into calls (call_id) values (uuid())")


def test_a_replay_of_before_stays_a_sampled_one_of_live_calls() -> None:
    """Verdicts that are no sample came later; what was there was drawn, from the users' calls."""
    connection = duckdb.connect()
    for step in MIGRATIONS[:6]:
        step(connection)
    connection.execute(
        "insert into replays (replay_id, call_id, ts, candidate, sampling_probability, outcome)"
        " values (uuid(), uuid(), '2026-08-12', 'a/b', 0.05, 'ok')"
    )
    connection.execute("begin")
    MIGRATIONS[6](connection)
    connection.execute("commit")
    wanted = "select evidence, origin, model_score, sampling_probability from replays"
    assert connection.execute(wanted).fetchall() == [("replay", "live", None, 0.05)]
