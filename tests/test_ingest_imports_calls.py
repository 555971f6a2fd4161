"""Plain tables of calls: the mapping file, its mistakes, units and zones, unknown columns."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories_imports import MIDNIGHT, csv_table, in_ledger, json_lines, ledger_rows, run

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports.calls import FIELDS, CallsReader, Mapping, load_mapping
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places

ROW: dict[str, Any] = {
    "ts": "2026-07-27T00:00:00Z",
    "provider": "cerebras",
    "requested_model": "openai/gpt-oss-120b",
    "input_tokens": 1057,
    "output_tokens": 424,
    "task": "chat-completion",
}


def one(row: dict[str, Any], mapping: Mapping | None = None) -> Call:
    (call,) = CallsReader(mapping)(Record(1, row))
    return call


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return path


def test_columns_named_as_ours_need_no_mapping() -> None:
    call = one(ROW)
    assert (call.ts, call.provider) == (MIDNIGHT, "cerebras")
    assert (call.uncached_input_tokens, call.output_tokens) == (1057, 424)


def test_every_field_of_ours_can_be_filled() -> None:
    ours = set(Call.__struct_fields__) | {"input_tokens"}
    kept = {"call_id", "source", "origin", "tags", "fallback_of", "key_id", "tokens_source"}
    hashes = {"input_hash", "template_hash", "hash_key_id", "prefix", "shape"}
    assert set(FIELDS) == ours - kept - hashes


def test_a_mapping_names_columns_words_and_constants() -> None:
    mapping = Mapping(
        columns={"ts": "when", "outcome": "result", "team": "dept", "provider": "vendor"},
        constants={"task": "chat-completion", "host_kind": "router"},
        values={"outcome": {"success": "ok", "failed": "error"}, "provider": {"T": "together"}},
        tags={"feature": "flag"},
        time_unit="ms",
    )
    row = {"when": MIDNIGHT // 1000, "result": "failed", "dept": "A", "flag": "faq", "vendor": "T"}
    call = one(row, mapping)
    assert (call.ts, call.outcome, call.team, call.provider) == (MIDNIGHT, "error", "A", "together")
    assert (call.task, call.host_kind, call.tags) == (
        "chat-completion",
        "router",
        {"feature": "faq"},
    )


def test_times_without_a_zone_are_of_the_mappings() -> None:
    mapping = Mapping(columns={"ts": "when"}, zone="Europe/Berlin")
    assert one({"when": "2026-07-27 02:00:00"}, mapping).ts == MIDNIGHT


@pytest.mark.parametrize(
    ("tokens", "disjoint"),
    [
        ({"input_tokens": 100, "cache_read_tokens": 60}, (40, 60, None)),
        ({"uncached_input_tokens": 40, "cache_read_tokens": 60}, (40, 60, None)),
        ({"uncached_input_tokens": 40, "input_tokens": 40}, (40, None, None)),
        ({"input_tokens": 100, "cache_write_tokens": "10"}, (90, None, 10)),
        ({"cache_read_tokens": 60}, (None, None, None)),
    ],
)
def test_input_as_a_total_or_as_parts(tokens: dict[str, Any], disjoint: tuple[Any, ...]) -> None:
    call = one({"ts": MIDNIGHT // 10**6, **tokens})
    found = (call.uncached_input_tokens, call.cache_read_tokens, call.cache_write_tokens)
    assert found == disjoint


@pytest.mark.parametrize(
    ("row", "outcome", "kind"),
    [
        ({"status": 503}, "error", "server_error"),
        ({"status": "429"}, "error", "rate_limited"),
        ({"status": 200}, "ok", None),
        ({"outcome": "cancelled"}, "cancelled", None),
        ({"outcome": "error", "error_kind": "quota"}, "error", "quota"),
        ({"outcome": "ok", "status": 503}, "ok", None),
        ({}, "ok", None),
    ],
)
def test_outcomes(row: dict[str, Any], outcome: str, kind: str | None) -> None:
    call = one({"ts": MIDNIGHT // 10**6, **row})
    assert (call.outcome, call.error_kind) == (outcome, kind)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "it states no time"),
        ({"ts": "noon"}, "ts is not a time"),
        ({"ts": 1, "outcome": "fine"}, "outcome is none of ok, error"),
        ({"ts": 1, "status": 1000}, "status is more than 999"),
        ({"ts": 1, "latency_ms": -5}, "latency_ms is negative"),
        ({"ts": 1, "input_tokens": 100, "uncached_input_tokens": 50}, "not the sum of its parts"),
        ({"ts": 1, "reported_cost": "free"}, "reported_cost is no number"),
    ],
)
def test_what_makes_no_sense_is_named(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        one(row)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not toml", "is no TOML file"),
        ('[columns]\nprice = "x"', "fills price, which a call does not have"),
        ('[other]\na = "x"', "is no mapping file"),
        ("columns = 3", "is no mapping file"),
        ('time_unit = "minutes"', "time_unit is s, ms, us or ns"),
        ('zone = "Mars/Olympus"', "there is no time zone 'Mars/Olympus'"),
        ("[tags]\n" + "\n".join(f'a{n} = "x"' for n in range(17)), "17 tags"),
    ],
)
def test_a_wrong_mapping_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(Usage, match=reason):
        load_mapping(toml(tmp_path, text))


def test_a_wrong_mapping_ends_the_command(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json_lines(tmp_path / "a.jsonl", [ROW])
    assert run("calls", rows, "--mapping", toml(tmp_path, "zone = 3")) == 2
    assert run("calls", rows, "--mapping", tmp_path / "none.toml") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert "Traceback" not in said
    assert not places.ledger.exists()


def test_csv_json_lines_and_parquet_are_the_same_calls(tmp_path: Path, places: Places) -> None:
    table = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([{**ROW, "external_id": "1"}]), table)
    row = {**ROW, "external_id": "1"}
    for path in (table, csv_table(tmp_path / "a.csv", [row]), json_lines(tmp_path / "a", [row])):
        assert run("calls", path) == 0
    (found,) = ledger_rows(places)
    assert (found["input_tokens"], found["cost_basis"]) == (1057, "list_price_tokens")
    # cerebras asks $0.25 and $0.69 for a million tokens of gpt-oss-120b.
    assert found["cost"] == (1057 * Decimal("0.25") + 424 * Decimal("0.69")) / 10**6


def test_unknown_columns_are_named_and_the_rest_is_imported(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv_table(tmp_path / "a.csv", [{**ROW, "colour": "red", "mood": "good"}])
    assert run("calls", path) == 1
    said = capsys.readouterr()
    assert "1 new in the ledger" in said.out
    assert "no such fields: colour, mood" in said.err
    assert "--mapping" in said.err
    assert in_ledger(places) == 1


def test_columns_that_the_mapping_names_and_no_row_has(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = toml(tmp_path, '[columns]\nts = "ts"\nteam = "departement"\n')
    assert run("calls", csv_table(tmp_path / "a.csv", [ROW]), "--mapping", mapping) == 1
    assert "the mapping names columns that no row has: departement" in capsys.readouterr().err
    assert in_ledger(places) == 1


def test_a_reported_cost_comes_before_the_list_and_a_stated_one_after(
    tmp_path: Path, places: Places
) -> None:
    rows = [
        {**ROW, "external_id": "1", "reported_cost": "0.5"},
        {**ROW, "external_id": "2", "stated_cost": "0.5"},
        {**ROW, "external_id": "3", "stated_cost": "0.5", "requested_model": "nobody/unpriced"},
        {**ROW, "external_id": "4", "stated_cost": "0", "requested_model": "nobody/unpriced"},
    ]
    assert run("calls", json_lines(tmp_path / "a.jsonl", rows)) == 0
    found = {row["external_id"]: (row["cost_basis"], row["cost"]) for row in ledger_rows(places)}
    assert found["1"] == ("provider_reported", Decimal("0.5"))
    assert found["2"][0] == "list_price_tokens"
    assert found["3"] == ("assumed", Decimal("0.5"))
    assert found["4"] == ("unknown", None)
