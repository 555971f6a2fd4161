"""OpenRouter's activity: what was billed, own keys, free variants, dated slugs."""

from __future__ import annotations

from typing import Any

import pytest
from factories_imports import MIDNIGHT, OPENROUTER, openrouter, read_all, read_one

from hf_ledger.ingest.call import Call
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


# -- other forms -------------------------------------------------------------------------------

GENERATION: dict[str, Any] = {
    "id": OPENROUTER["generation_id"],
    "created_at": "2026-07-27T00:00:00.000Z",
    "model": "openai/gpt-oss-120b",
    "total_cost": 0.000557,
    "usage": 0.000557,
    "cache_discount": None,
    "upstream_inference_cost": 0.0004,
    "is_byok": False,
    "streamed": True,
    "cancelled": False,
    "provider_name": "Cerebras",
    "latency": 627,
    "generation_time": 5685,
    "tokens_prompt": 990,
    "tokens_completion": 400,
    "native_tokens_prompt": 1057,
    "native_tokens_completion": 424,
    "native_tokens_reasoning": 60,
    "native_tokens_cached": 57,
    "external_user": "user-0",
    "finish_reason": "stop",
}


def generation(**changes: Any) -> Call:
    return read_one("openrouter", {"data": {**GENERATION, **changes}})


def test_a_generation_of_the_api_is_the_call_of_the_export() -> None:
    exported, asked = read_one("openrouter", OPENROUTER), generation()
    names = (
        "external_id ts provider requested_model uncached_input_tokens cache_read_tokens "
        "output_tokens reasoning_tokens reported_cost latency_ms ttft_ms stream user_id outcome"
    )
    for name in names.split():
        assert getattr(asked, name) == getattr(exported, name), name


def test_with_an_own_key_what_the_provider_charged_counts_too() -> None:
    assert generation(is_byok=True).reported_cost == "0.000957000"
    assert generation(is_byok=True, upstream_inference_cost=None).reported_cost == "0.000557000"


def test_a_free_model_of_the_api_has_no_known_price() -> None:
    call = generation(model="deepseek/deepseek-r1:free", total_cost=0, usage=0)
    assert (call.requested_model, call.reported_cost) == ("deepseek/deepseek-r1", None)
    assert call.tags is not None
    assert call.tags["variant"] == "free"


def test_a_generation_that_failed_on_the_way() -> None:
    call = generation(finish_reason="error")
    assert (call.outcome, call.error_kind, call.reported_cost) == ("error", "other", "0.000557000")


def test_totals_of_a_day_are_no_calls() -> None:
    row = {"date": "2026-07-27", "model": "a/b", "usage": 0.015, "requests": 5}
    with pytest.raises(Unfit, match="a day's totals"):
        read_all("openrouter", row)


def test_more_digits_in_one_form_do_not_make_another_call() -> None:
    asked = generation(created_at="2026-07-27T00:00:00.000433+00:00")
    assert asked.ts == read_one("openrouter", OPENROUTER).ts
