"""OpenRouter's activity: what was billed, own keys, free variants, dated slugs."""

from __future__ import annotations

from typing import Any

import pytest
from factories_imports import MIDNIGHT, openrouter, read_one

from hf_ledger.ingest.doors.imports.fields import Unfit


def one(**changes: Any) -> Any:
    return read_one("openrouter", openrouter(**changes))


def test_a_row_becomes_a_call() -> None:
    call = one()
    assert (call.ts, call.external_id) == (MIDNIGHT, "gen-1785110400-301b43bdbb034257b526")
    assert call.provider_request_id == call.external_id
    assert (call.provider, call.host_kind, call.payer) == ("cerebras", "provider", "provider")
    assert (call.latency_ms, call.ttft_ms, call.stream) == (5685.0, 627.0, True)
    assert (call.app, call.user_id, call.outcome) == ("shop", "user-0", "ok")
    assert call.tags == {
        "through": "openrouter", "api_key_name": "search-key", "variant": "standard",
    }  # fmt: skip


def test_prompt_tokens_include_the_cached_ones() -> None:
    call = one()
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (1000, 57)
    assert (call.input_tokens, call.output_tokens, call.reasoning_tokens) == (1057, 424, 60)


def test_what_it_charged_is_what_a_biller_reported() -> None:
    call = one()
    assert (call.reported_cost, call.stated_cost) == ("0.000557000", None)


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"cost_total": "0", "byok_usage_inference": "0.25"}, "0.250000000"),
        ({"cost_total": "0.01", "byok_usage_inference": "0.25"}, "0.260000000"),
        ({"cost_total": "0.000000", "variant": "free"}, None),
        ({"cost_total": "0.000000"}, "0.000000000"),
        ({"cost_total": "0.5", "variant": "free"}, "0.500000000"),
        ({"cost_total": "", "byok_usage_inference": ""}, None),
        ({"cost_total": "1e-6"}, "0.000001000"),
    ],
)
def test_own_keys_and_free_variants(changes: dict[str, str], cost: str | None) -> None:
    assert one(**changes).reported_cost == cost


@pytest.mark.parametrize("cost_cache", ["-0.006331", "0.001", ""])
def test_the_caches_part_is_in_the_total_already(cost_cache: str) -> None:
    assert one(cost_cache=cost_cache).reported_cost == "0.000557000"


@pytest.mark.parametrize(
    ("slug", "model"),
    [
        ("openai/gpt-5.6-luna-20260709", "openai/gpt-5.6-luna"),
        ("qwen/qwen3-4b-instruct-2507", "qwen/qwen3-4b-instruct-2507"),
        ("meta-llama/llama-3.1-8b-instruct", "meta-llama/llama-3.1-8b-instruct"),
        ("a/model-19991231", "a/model-19991231"),
        ("", None),
    ],
)
def test_a_slugs_date_is_no_part_of_the_model(slug: str, model: str | None) -> None:
    call = one(model_permaslug=slug)
    assert (call.requested_model, call.provider_model) == (model, slug or None)


def test_a_cancelled_call_was_billed_all_the_same() -> None:
    call = one(cancelled="true")
    assert (call.outcome, call.reported_cost) == ("cancelled", "0.000557000")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"created_at": "22:00"}, "created_at is not a time"),
        ({"created_at": ""}, "it states no time"),
        ({"tokens_cached": "2000"}, "more input tokens came from the cache"),
        ({"cost_total": "gratis"}, "cost_total is no number"),
        ({"cost_total": "-1"}, "cost_total is negative"),
        ({"cost_total": "Infinity"}, "no finite number"),
        ({"cost_total": "1e12"}, "cost_total is too large"),
        ({"tokens_prompt": "1.5"}, "tokens_prompt is no count"),
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        one(**changes)


def test_another_table_is_not_taken_for_it() -> None:
    with pytest.raises(Unfit, match="no row of OpenRouter's activity"):
        read_one("openrouter", {"request_id": "x"})
