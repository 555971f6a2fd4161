"""From a recorder's line to a priced row: spool, collector and catalogue together."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from factories_calls import ledger_with, make_call

from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
COLUMNS = (
    "model",
    "size_class",
    "params_total_b",
    "list_cost",
    "cost",
    "cost_basis",
    "price_id",
    "payer",
)


@pytest.fixture
def collected(places: Places) -> Iterator[Any]:
    """Collect calls given by what they differ in; gives their rows by call_id."""
    ledgers: list[Ledger] = []

    def collect(*calls: dict[str, Any]) -> list[dict[str, Any]]:
        lines = [make_call(**call) for call in calls]
        ledger = ledger_with(places, lines)
        ledgers.append(ledger)
        found = ledger.cursor().execute(f"select call_id::varchar, {', '.join(COLUMNS)} from calls")
        rows = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in found.fetchall()}
        return [rows[line.call_id] for line in lines]

    yield collect
    for ledger in ledgers:
        ledger.close()


def test_a_line_becomes_a_priced_row(collected: Any) -> None:
    (row,) = collected({"uncached_input_tokens": 1_000, "output_tokens": 500})
    assert row["cost"] == row["list_cost"] == Decimal("0.00156")  # 1,500 at $1.04 a million
    assert row["model"] == LLAMA and row["size_class"] == "large"
    assert row["params_total_b"] == pytest.approx(70.55, rel=0.01)
    assert (row["cost_basis"], row["payer"]) == ("list_price_tokens", "huggingface")
    assert row["price_id"] == f"together/{LLAMA}@2026-07-27T0000"


def test_rows_of_one_batch_are_priced_each_by_itself(collected: Any) -> None:
    rows = collected(
        {"provider": "groq", "uncached_input_tokens": 100, "output_tokens": 100},
        {"provider": "novita", "uncached_input_tokens": 100, "output_tokens": 100},
        {"provider": "nobody-yet", "uncached_input_tokens": 100, "output_tokens": 100},
        {"outcome": "error", "status": 429, "error_kind": "rate_limited"},
        {"host_kind": "endpoint", "provider": None},
        {"reported_cost": "0.000123456"},
        {"ts": 1_700_000_000_000_000},
    )
    assert [row["cost"] for row in rows] == [
        Decimal("0.000138"),  # 100 × 0.59 + 100 × 0.79 = 138 millionths
        Decimal("0.0000535"),  # 100 × 0.135 + 100 × 0.4
        None,
        Decimal(0),
        None,
        Decimal("0.000123456"),
        None,
    ]
    assert [row["cost_basis"] for row in rows] == [
        "list_price_tokens",
        "list_price_tokens",
        "unknown",
        "free",
        "endpoint_hours",
        "provider_reported",
        "unknown",
    ]


def test_a_providers_id_alone_is_enough(collected: Any) -> None:
    (row,) = collected({"requested_model": None})
    assert (row["model"], row["cost_basis"]) == (LLAMA, "list_price_tokens")


def test_a_reported_cost_that_is_no_number_is_no_cost(collected: Any) -> None:
    (row,) = collected({"reported_cost": "about a cent", "provider": "nobody-yet"})
    assert (row["cost"], row["cost_basis"]) == (None, "unknown")


def test_images_without_a_price_are_unknown(collected: Any) -> None:
    (row,) = collected(
        {
            "provider": "fal-ai",
            "task": "text-to-image",
            "requested_model": "black-forest-labs/FLUX.1-dev",
            "uncached_input_tokens": None,
            "output_tokens": None,
            "images": 1,
        }
    )
    assert (row["cost"], row["size_class"]) == (None, "xl")


def test_compute_time_on_a_gpu(collected: Any) -> None:
    (row,) = collected(
        {
            "provider": "hf-inference",
            "requested_model": "facebook/bart-large-cnn",
            "task": "summarization",
            "uncached_input_tokens": None,
            "output_tokens": None,
            "compute_type": "gpu",
            "compute_seconds": 4.1,
        }
    )
    assert row["cost"] == Decimal("0.000492")  # 4.1 s × $0.00012
    assert row["cost_basis"] == "compute_time_estimate"
