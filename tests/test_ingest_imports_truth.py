"""One truth, six forms: each export equals it, tokens and cost, and twice adds nothing.

The truth is `expected_calls.csv`: cost = (input x price in + output x price out) / 1e6, cached
input not discounted, empty = no known price, 0 = failed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import shared_file
from factories_imports import in_ledger, ledger_rows, run

from hf_ledger.ingest.places import Places

MAPPING = """
[columns]
ts = "ts"
external_id = "call_id"
requested_model = "model"
provider = "provider"
input_tokens = "input_tokens"
cache_read_tokens = "cached_input_tokens"
output_tokens = "output_tokens"
latency_ms = "latency_ms"
ttft_ms = "ttft_ms"
stream = "streamed"
outcome = "status"
status = "http_status"
session_id = "session"
user_id = "user"
team = "team"

[constants]
task = "chat-completion"
host_kind = "router"

[tags]
service = "service"
"""

Row = dict[str, Any]
Truth = dict[str, str]


def truth() -> dict[str, Truth]:
    with shared_file("exports/expected_calls.csv").open() as file:
        return {row["ts"]: row for row in csv.DictReader(file)}


def export_file(name: str) -> Path:
    return shared_file(f"exports/{name}")


def stamp(row: Row) -> str:
    return f"{row['ts'].isoformat(timespec='milliseconds')}Z"


def stated(value: str) -> Decimal | None:
    return Decimal(value) if value else None


def same_tokens(row: Row, expected: Truth) -> bool:
    found = (row["input_tokens"], row["output_tokens"], row["cache_read_tokens"] or 0)
    names = ("input_tokens", "output_tokens", "cached_input_tokens")
    return found == tuple(int(expected[name]) for name in names)


def whole_milliseconds(row: Row, expected: Truth) -> bool:
    return abs(row["latency_ms"] - float(expected["latency_ms"])) <= 1


@pytest.fixture
def imported(places: Places) -> Callable[..., list[tuple[Row, Truth]]]:
    """Imports a file twice; each row beside its truth."""

    def bring(kind: str, name: str, *more: str | Path) -> list[tuple[Row, Truth]]:
        path = export_file(name)
        assert run(kind, path, *more) == 0
        before = in_ledger(places)
        assert run(kind, path, *more) == 0
        assert in_ledger(places) == before
        expected = truth()
        return [(row, expected[stamp(row)]) for row in ledger_rows(places)]

    return bring


@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [
        ("litellm", "litellm_spendlogs.csv", 120),
        ("litellm", "litellm_spend_logs_api.json", 40),
        ("langfuse", "langfuse_observations_api.json", 120),
    ],
)
def test_exports_that_name_the_route_cost_what_our_list_says(
    imported: Callable[..., list[tuple[Row, Truth]]], kind: str, name: str, count: int
) -> None:
    pairs = imported(kind, name)
    assert len({expected["call_id"] for _, expected in pairs}) == len(pairs) == count
    for row, expected in pairs:
        assert same_tokens(row, expected), expected["call_id"]
        assert (row["model"], row["provider"]) == (expected["model"], expected["provider"])
        assert row["cost"] == row["list_cost"] == stated(expected["cost_usd"])
        assert row["outcome"] == expected["status"]
        assert whole_milliseconds(row, expected)
        assert row["cost_basis"] in ("list_price_tokens", "free", "unknown")
        assert row["origin"] == row["source"] == "import"


def test_litellm_keeps_who_asked(imported: Callable[..., list[tuple[Row, Truth]]]) -> None:
    for row, expected in imported("litellm", "litellm_spendlogs.csv"):
        labels = (row["session_id"], row["user_id"], row["team"])
        assert labels == (expected["session"], expected["user"], expected["team"])
        if expected["status"] == "error":
            assert row["status"] == int(expected["http_status"])


def test_helicone_names_no_provider_so_its_estimate_counts(
    imported: Callable[..., list[tuple[Row, Truth]]],
) -> None:
    pairs = imported("helicone", "helicone_request_query.json")
    assert len(pairs) == 120
    for row, expected in pairs:
        assert same_tokens(row, expected), expected["call_id"]
        assert row["model"] == expected["model"]
        assert row["provider"] is None
        assert row["cost"] == stated(expected["cost_usd"])
        assert row["status"] == int(expected["http_status"])
    bases = [row["cost_basis"] for row, _ in pairs]
    assert [bases.count(each) for each in ("assumed", "free", "unknown")] == [107, 7, 6]


def test_spans_of_old_and_new_conventions(
    imported: Callable[..., list[tuple[Row, Truth]]],
) -> None:
    pairs = imported("otlp", "otel_genai_spans.otlp.jsonl")
    assert len(pairs) == 120
    for row, expected in pairs:
        assert row["cost"] == stated(expected["cost_usd"])
        assert (row["model"], row["provider"]) == (expected["model"], expected["provider"])
        assert row["latency_ms"] == float(expected["latency_ms"])
        if expected["status"] == "ok":
            tokens = (row["input_tokens"], row["output_tokens"])
            assert tokens == (int(expected["input_tokens"]), int(expected["output_tokens"]))
        else:  # a failed span states no usage
            assert (row["input_tokens"], row["status"]) == (None, int(expected["http_status"]))
        if row["cache_read_tokens"] is not None:
            assert row["cache_read_tokens"] == int(expected["cached_input_tokens"])


def test_openrouter_keeps_what_it_billed_beside_our_list_price(
    imported: Callable[..., list[tuple[Row, Truth]]],
) -> None:
    pairs = imported("openrouter", "openrouter_activity_constructed.csv")
    assert len(pairs) == 113  # failures are not in it
    for row, expected in pairs:
        assert same_tokens(row, expected), expected["call_id"]
        assert (row["model"], row["provider"]) == (expected["model"], expected["provider"])
        cost = stated(expected["cost_usd"])
        assert row["list_cost"] == cost
        if cost is None:
            assert (row["cost"], row["cost_basis"]) == (None, "unknown")
        else:  # its export rounds to a millionth
            assert row["cost"] == cost.quantize(Decimal("0.000001"))
            assert row["cost_basis"] == "provider_reported"


def test_a_plain_table_with_a_mapping_is_the_truth_itself(
    imported: Callable[..., list[tuple[Row, Truth]]], tmp_path: Path
) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text(MAPPING)
    pairs = imported("calls", "expected_calls.csv", "--mapping", mapping)
    assert len(pairs) == 120
    for row, expected in pairs:
        assert same_tokens(row, expected)
        assert row["cost"] == stated(expected["cost_usd"])
        assert row["latency_ms"] == float(expected["latency_ms"])
        assert row["ttft_ms"] == (float(expected["ttft_ms"]) if expected["ttft_ms"] else None)
        assert row["stream"] == (expected["streamed"] == "True")
        assert row["external_id"] == expected["call_id"]
        assert row["tags"] == {"service": expected["service"]}


def test_the_forms_agree_on_the_total(places: Places) -> None:
    """The same 120 calls cost the same, whichever ledger they come from."""
    expected = sum((stated(row["cost_usd"]) or Decimal(0) for row in truth().values()), Decimal(0))
    names = {"litellm": "litellm_spendlogs.csv", "helicone": "helicone_request_query.json"}
    for place, (kind, name) in enumerate(names.items(), 1):
        assert run(kind, export_file(name)) == 0
        total = sum((row["cost"] or Decimal(0) for row in ledger_rows(places)), Decimal(0))
        assert total == place * expected


def test_real_rows_of_litellm(places: Places) -> None:
    assert run("litellm", export_file("litellm_spendlogs_real_fixture.json")) == 0
    (row,) = ledger_rows(places)
    assert (row["input_tokens"], row["output_tokens"], row["provider"]) == (10, 20, "openai")
    assert (row["cost"], row["cost_basis"]) == (Decimal("0.000225"), "assumed")
    assert row["list_cost"] is None


def test_real_rows_of_langfuse(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("langfuse", export_file("langfuse_observations_real.jsonl")) == 0
    assert "138 records, 42 calls" in capsys.readouterr().out
    rows = ledger_rows(places)
    assert len(rows) == 41  # one observation stands in two of the traces
    reasoning = {(row["output_tokens"], row["reasoning_tokens"]) for row in rows}
    assert (35 + 64, 64) in reasoning  # beside the output
    assert (2055, 1104) in reasoning  # within the output
    assert sum(row["output_tokens"] is None for row in rows) == 5
    assert all(row["cost"] is None or row["cost"] > 0 for row in rows)
    (by_path,) = [row for row in rows if (row["provider_model"] or "").startswith("projects/")]
    assert (by_path["requested_model"], by_path["output_tokens"]) == ("gemini-2.5-flash", 845)


def test_real_rows_of_openrouter(places: Places) -> None:
    path = export_file("openrouter_activity_real.csv")
    assert run("openrouter", path) == 0
    with path.open() as file:
        said = {row["generation_id"]: row for row in csv.DictReader(file)}
    rows = ledger_rows(places)
    assert len(rows) == len(said) == 24
    for row in rows:
        source = said[row["external_id"]]
        assert row["cost"] == row["reported_cost"] == Decimal(source["cost_total"])
        assert row["input_tokens"] == int(source["tokens_prompt"])
        assert row["cache_read_tokens"] == int(source["tokens_cached"])
        epoch = int(source["generation_id"].split("-")[1])
        assert abs(row["ts"].replace(tzinfo=UTC).timestamp() - epoch) < 1.5
        assert row["requested_model"] in ("openai/gpt-5.6-luna", "deepseek/deepseek-v4-flash")
