"""`hf-ledger prices`: what holds now and what held before, shipped or from the ledger."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hf_ledger.cli import main
from hf_ledger.cli.prices import counting, priced
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["prices", *arguments, "--format", "json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_prices_that_hold_now(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", LLAMA)
    rows = found["rows"]
    assert isinstance(rows, list)
    assert found["list_at"] == "2026-07-27T00:00:00+00:00"
    by_route = {(row["provider"], row["kind"]): row["usd"] for row in rows}
    assert by_route["novita", "input_tokens"] == "0.135"
    assert by_route["groq", "output_tokens"] == "0.79"
    assert {row["valid_to"] for row in rows} == {None}
    assert ("cerebras", "input_tokens") not in by_route  # not in the latest list


def test_the_history_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "history", LLAMA.lower())["rows"]
    assert isinstance(rows, list)
    novita = [r for r in rows if r["provider"] == "novita" and r["kind"] == "output_tokens"]
    assert [row["usd"] for row in novita] == ["0.312", "0.32", "0.4"]
    assert Decimal("0.4") / Decimal("0.32") == Decimal("1.25")
    assert [row["valid_from"] for row in novita[1:]] == [row["valid_to"] for row in novita[:-1]]


def test_all_prices_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "show")["rows"]
    assert isinstance(rows, list)
    assert len({(row["provider"], row["model"]) for row in rows}) > 180


def test_a_ledgers_own_prices_come_first(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger.open(places) as ledger:
        ledger.cursor().execute(
            "insert into prices values ('own/1', 'novita', 'acme/wonder', 'input_tokens',"
            " 0.25, 1000, '2026-08-01', null, 'contract', '', false, null, 0)"
        )
    rows = answer(capsys, "show", "acme/wonder")["rows"]
    assert isinstance(rows, list)
    assert [(row["usd"], row["per_units"], row["source"]) for row in rows] == [
        ("0.250000000", 1000, "contract")
    ]


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "openai/gpt-oss-120b"]) == 0
    text = capsys.readouterr().out
    assert "$0.037 per 1,000,000 input tokens, $0.17 per 1,000,000 output tokens" in text
    assert "at the list of 27 Jul 2026 (" in text


def test_a_table_for_spreadsheets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "history", LLAMA, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) > 20
    assert {row["model"] for row in rows} == {LLAMA}


def test_a_model_without_a_price_is_said_to_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "meta-llama/Llama-3.3-70B"]) == 2
    said = capsys.readouterr().err
    assert "is in any list" in said and f"Did you mean {LLAMA}" in said
    assert "Traceback" not in said


def test_a_price_per_one_unit_reads_well() -> None:
    row = {"usd": Decimal("0.000120000"), "per_units": 1, "kind": "gpu_seconds"}
    assert priced(row) == "$0.00012 per gpu second"


def test_showing_prices_makes_no_ledger(places: Places) -> None:
    assert main(["prices", "show", LLAMA]) == 0
    assert not places.root.exists()


def test_of_several_prices_that_hold_only_the_one_that_counts_is_shown() -> None:
    """The router's list first; of one source its newest version."""
    begun = datetime(2026, 7, 27, tzinfo=UTC)
    route = {"provider": "novita", "model": "a/b", "kind": "input_tokens"}
    old, new, further = (
        {**route, "valid_from": begun, "rank": 0, "price_id": "1"},
        {**route, "valid_from": begun + timedelta(days=1), "rank": 0, "price_id": "2"},
        {**route, "valid_from": begun + timedelta(days=90), "rank": 2, "price_id": "3"},
    )
    assert counting([further, old, new]) == [new]
    elsewhere = {**further, "provider": "cerebras"}
    assert counting([elsewhere, old]) == [elsewhere, old]
