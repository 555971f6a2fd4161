"""Reference data in a ledger: complete, the same a second time, and what was learned stays."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest
from factories_prices import empty_ledger, insert, moment, shipped_ledger

from hf_ledger.ingest.catalogue.load import data_file, load_models, load_reference
from hf_ledger.ingest.catalogue.sizes import CLASS_VERSION, shipped_sizes

TABLES = ("prices", "price_lists", "routes", "models")


def contents(ledger: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(ledger.execute(f"select * from {table}").fetchall(), key=str)
        for table in TABLES
    }


def lines(name: str) -> int:
    with data_file(name).open(encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def test_everything_that_ships_arrives() -> None:
    ledger = shipped_ledger()
    found = {name: len(rows) for name, rows in contents(ledger).items()}
    (collected,) = ledger.execute("select count(*) from prices where rank > 0").fetchone() or (0,)
    assert collected > 0
    assert found["prices"] - collected == lines("prices.csv")
    assert found["price_lists"] == lines("price_lists.csv") == 11
    assert found["routes"] == lines("routes.csv")
    assert found["models"] >= len(shipped_sizes()) == lines("model_sizes.csv")


def test_a_model_known_by_its_task_only_is_sized_by_its_name() -> None:
    ledger = shipped_ledger()
    found = ledger.execute(
        "select family, params_total_b, size_class, confidence from models"
        " where model = 'Qwen/Qwen3-Embedding-8B'"
    ).fetchall()
    assert found == [("encoder", 8.0, "xl", "name only")]
    unsized = ledger.execute("select count(*) from models where size_class is null").fetchall()[0]
    assert unsized[0] < 400  # adapters for pictures and videos, nearly all of them


def test_loading_again_changes_nothing() -> None:
    ledger = empty_ledger()
    load_reference(ledger)
    before = contents(ledger)
    load_reference(ledger)
    assert contents(ledger) == before


def test_loading_leaves_no_table_behind() -> None:
    ledger = empty_ledger()
    load_reference(ledger)
    left = ledger.execute("select table_name from duckdb_tables() where temporary").fetchall()
    assert left == [("staged",)]


def test_prices_keep_every_digit() -> None:
    usd = shipped_ledger().execute("select min(usd), max(usd) from prices").fetchall()[0]
    assert usd == (Decimal("0"), Decimal("15.000000000")) or usd[0] < Decimal("0.011")


def test_an_open_price_is_closed_when_its_end_is_known() -> None:
    ledger = empty_ledger()
    load_reference(ledger)
    ended = ledger.execute(
        "select price_id, valid_to from prices where valid_to is not null order by 1 limit 1"
    ).fetchall()[0]
    ledger.execute("update prices set valid_to = null where price_id = ?", [ended[0]])
    load_reference(ledger)
    found = ledger.execute("select valid_to from prices where price_id = ?", [ended[0]]).fetchall()
    assert set(found) == {(ended[1],)}


def test_a_price_in_the_ledger_never_changes() -> None:
    """Calls point at it: what they were priced with must be found again."""
    ledger = empty_ledger()
    load_reference(ledger)
    some = "groq/meta-llama/Llama-3.3-70B-Instruct@2025-11-24T1539"
    ledger.execute("update prices set usd = 9 where price_id = ?", [some])
    load_reference(ledger)
    found = ledger.execute("select distinct usd from prices where price_id = ?", [some]).fetchall()
    assert found == [(Decimal("9.000000000"),)]


def test_what_was_learned_elsewhere_stays() -> None:
    ledger = empty_ledger()
    mine = {
        "price_id": "contract/1",
        "provider": "novita",
        "model": "acme/wonder",
        "kind": "input_tokens",
        "usd": Decimal("0.1"),
        "per_units": 1000,
        "valid_from": moment("2026-08-01"),
        "source": "contract",
        "snapshot": "",
    }
    insert(ledger, "prices", mine)
    route = {
        "model": "acme/wonder",
        "provider": "novita",
        "provider_model": "w",
        "seen_from": moment("2026-08-01"),
        "source": "wire",
    }
    insert(ledger, "routes", route)
    load_reference(ledger)
    kept = ledger.execute(
        "select (select count(*) from prices where price_id = 'contract/1'),"
        " (select count(*) from routes where source = 'wire')"
    ).fetchall()
    assert kept == [(1, 1)]


def test_an_older_class_scheme_is_worked_out_anew() -> None:
    ledger = empty_ledger()
    old = {
        "model": "acme/wonder-7b",
        "family": "llm",
        "params_total_b": 7.0,
        "size_class": "xl",
        "class_version": "older",
        "source": "name",
        "confidence": "name only",
    }
    insert(ledger, "models", old)
    insert(ledger, "models", {**old, "model": "acme/kept-7b", "class_version": CLASS_VERSION})
    load_models(ledger)
    found = ledger.execute("select model from models where model like 'acme/%'").fetchall()
    assert found == [("acme/kept-7b",)]


@pytest.mark.parametrize("name", ["prices.csv", "routes.csv", "price_lists.csv"])
def test_data_files_are_found_beside_the_package(name: str) -> None:
    assert data_file(name).is_file()


def test_lists_are_dated_without_zone_in_utc() -> None:
    first, last = (
        shipped_ledger()
        .execute("select min(captured_at), max(captured_at) from price_lists")
        .fetchall()[0]
    )
    assert (first, last) == (moment("2025-11-24T15:39:34"), moment("2026-07-27"))
    assert isinstance(first, datetime) and first.tzinfo is None
