"""LiteLLM's spend logs: routes out of model names, unpriced is not free, caches, failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from factories_imports import (
    LITELLM,
    MARKER,
    MIDNIGHT,
    csv_table,
    litellm,
    read,
    read_all,
    read_one,
)

from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.litellm import CACHE_HIT, NO_MODEL
from hf_ledger.ingest.doors.imports.rows import NoCall


def one(**changes: Any) -> Any:
    return read_one("litellm", litellm(**changes))


def test_a_row_becomes_a_call() -> None:
    call = one()
    assert (call.ts, call.external_id) == (MIDNIGHT, "chatcmpl-1")
    assert (call.source, call.origin, call.task) == ("import", "import", "chat-completion")
    assert (call.host_kind, call.provider, call.routing) == ("router", "cerebras", "explicit")
    assert call.requested_model == call.provider_model == "openai/gpt-oss-120b"
    assert (call.uncached_input_tokens, call.output_tokens) == (1057, 424)
    assert call.tokens_source == "usage"
    assert (call.latency_ms, call.ttft_ms, call.stream) == (5685.0, 500.0, True)
    assert (call.team, call.user_id, call.session_id) == ("search", "user-0", "sess-00")
    assert call.tags == {"api_key_alias": "search-key", "request_tags": "night,batch"}


def test_no_text_and_no_key_is_kept() -> None:
    assert MARKER not in repr(one())
    assert "0" * 64 not in repr(one())


@pytest.mark.parametrize(
    ("model", "through", "kind", "provider", "asked"),
    [
        ("huggingface/groq/org/m", "huggingface", "router", "groq", "org/m"),
        ("huggingface/fireworks_ai/org/m", "huggingface", "router", "fireworks-ai", "org/m"),
        ("huggingface/org/m", "huggingface", "router", None, "org/m"),
        ("huggingface/org/m:fastest", "huggingface", "router", None, "org/m"),
        ("huggingface/groq/org/m", "", "router", "groq", "org/m"),
        ("together_ai/org/m", "together_ai", "provider", "together", "org/m"),
        ("gpt-4o", "openai", "provider", "openai", "gpt-4o"),
        ("ollama/llama3:8b", "ollama", "provider", "ollama", "llama3:8b"),
        ("mystery", "", None, None, "mystery"),
    ],
)
def test_the_route_stands_in_the_models_name(
    model: str, through: str, kind: str | None, provider: str | None, asked: str
) -> None:
    call = one(model=model, custom_llm_provider=through)
    assert (call.host_kind, call.provider, call.requested_model) == (kind, provider, asked)


def test_a_base_address_tells_a_dedicated_endpoint() -> None:
    host = "abc.us-east-1.aws.endpoints.huggingface.cloud"
    call = one(model="huggingface/org/m", api_base=f"https://{host}/v1")
    assert (call.host_kind, call.endpoint) == ("endpoint", host)


@pytest.mark.parametrize("spend", [0, 0.0, "0", "0.0", None, ""])
def test_a_spend_of_zero_is_an_unknown_price(spend: Any) -> None:
    assert one(spend=spend).stated_cost is None


@pytest.mark.parametrize("spend", [0.00022500000000000002, "0.000225", "2.25E-4"])
def test_a_spend_is_an_estimate_and_never_what_a_provider_reported(spend: Any) -> None:
    call = one(spend=spend)
    assert (call.stated_cost, call.reported_cost) == ("0.000225000", None)


def test_cached_input_stands_apart() -> None:
    usage = {"usage_object": {"prompt_tokens_details": {"cached_tokens": 640}}}
    call = one(prompt_tokens=1088, completion_tokens=377, total_tokens=1465, metadata=usage)
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (448, 640)
    assert call.input_tokens == 1088


def test_input_that_leaves_the_cached_part_out_is_told_by_the_total() -> None:
    usage = {"cache_read_input_tokens": 600, "cache_creation_input_tokens": 40}
    call = one(
        prompt_tokens=10, completion_tokens=5, total_tokens=655, metadata={"usage_object": usage}
    )
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (10, 600)
    assert (call.cache_write_tokens, call.input_tokens) == (40, 650)


def test_reasoning_is_part_of_the_output() -> None:
    usage = {"completion_tokens_details": {"reasoning_tokens": 100}}
    call = one(metadata={"usage_object": usage})
    assert (call.output_tokens, call.reasoning_tokens) == (424, 100)


@pytest.mark.parametrize(("code", "kind"), [("503", "server_error"), ("429", "rate_limited")])
def test_a_failure_has_its_status_and_costs_nothing_of_its_own(code: str, kind: str) -> None:
    information = {"error_code": code, "error_message": MARKER}
    call = one(status="failure", metadata={"error_information": information})
    assert (call.outcome, call.status, call.error_kind) == ("error", int(code), kind)
    assert call.stated_cost is None
    assert MARKER not in repr(call)


def test_an_old_version_says_the_outcome_in_its_metadata() -> None:
    call = one(status=None, metadata={"status": "failure"})
    assert (call.outcome, call.status, call.error_kind) == ("error", None, "other")


@pytest.mark.parametrize("hit", ["True", True, "true"])
def test_answers_from_its_own_cache_called_no_provider(hit: Any) -> None:
    assert read_all("litellm", litellm(cache_hit=hit)) == [NoCall(CACHE_HIT)]


@pytest.mark.parametrize("hit", ["False", False, "None", "", None])
def test_what_was_no_hit_is_a_call(hit: Any) -> None:
    assert one(cache_hit=hit).outcome == "ok"


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("completion", "chat-completion"),
        ("aembedding", "feature-extraction"),
        ("aimage_generation", "text-to-image"),
        ("atranscription", "automatic-speech-recognition"),
        ("arerank", "text-ranking"),
        ("atext_completion", "text-generation"),
        ("anthropic_messages", "chat-completion"),
        ("_abatch", None),
    ],
)
def test_operations_have_hugging_faces_names(kind: str, task: str | None) -> None:
    assert one(call_type=kind).task == task


def test_an_answer_in_one_piece_has_no_first_token() -> None:
    call = one(completionStartTime="2026-07-27 00:00:05.685")
    assert (call.stream, call.ttft_ms) == (False, None)


def test_times_with_a_zone_are_believed() -> None:
    assert one(startTime="2026-07-27T02:00:00+02:00").ts == MIDNIGHT


def test_without_an_end_the_stated_duration_counts() -> None:
    call = one(endTime=None, completionStartTime=None)
    assert (call.latency_ms, call.stream) == (5685.0, False)


def test_the_end_user_comes_before_the_keys_owner() -> None:
    assert one(end_user="customer-7").user_id == "customer-7"


def test_the_table_as_csv_reads_the_same_as_json(tmp_path: Path) -> None:
    row = litellm()
    (found,), rejected = read(csv_table(tmp_path / "a.csv", [row]))
    assert rejected == []
    assert read_one("litellm", found) == read_one("litellm", json.loads(json.dumps(row)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"startTime": "yesterday"}, "startTime is not a time"),
        ({"startTime": ""}, "it states no time"),
        ({"prompt_tokens": -1}, "prompt_tokens is negative"),
        ({"prompt_tokens": 1.5}, "prompt_tokens is no count"),
        ({"completion_tokens": "many"}, "completion_tokens is no number"),
        ({"spend": "free"}, "spend is no number"),
        ({"spend": -1}, "spend is negative"),
    ],
)
def test_what_makes_no_sense_is_said_without_its_value(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unfit, match=reason) as said:
        one(**changes)
    value = str(next(iter(changes.values())))
    assert not value or value not in str(said.value) or value in ("-1",)


def test_another_table_is_not_taken_for_it() -> None:
    with pytest.raises(Unfit, match="no row of LiteLLM's spend logs"):
        read_one("litellm", {"generation_id": "x"})


# -- other versions and forms ------------------------------------------------------------------


def test_rows_of_before_the_usage_object() -> None:
    usage = {
        "additional_usage_values": {
            "prompt_tokens_details": {"cached_tokens": 57, "audio_tokens": None},
            "completion_tokens_details": {"reasoning_tokens": 40},
            "cache_creation_input_tokens": 100,
        },
        "usage_object": None,
    }
    call = one(metadata=usage)
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (900, 57)
    assert (call.cache_write_tokens, call.reasoning_tokens) == (100, 40)


def test_a_details_object_without_cached_tokens_hides_nothing() -> None:
    usage = {"prompt_tokens_details": {"cached_tokens": None}, "cache_read_input_tokens": 57}
    assert one(metadata={"usage_object": usage}).cache_read_tokens == 57


def test_the_payload_of_its_loggers_is_the_same_call() -> None:
    row = {**LITELLM, "metadata": {"user_api_key_team_alias": "search"}}
    renamed = {"request_id": "id", "spend": "response_cost", "session_id": "trace_id"}
    payload = {renamed.get(name, name): value for name, value in row.items()}
    epochs = {"startTime": 1785110400.0, "endTime": 1785110405.685}
    first = {"completionStartTime": 1785110400.5, "messages": MARKER, "response": MARKER}
    call = read_one("litellm", {**payload, **epochs, **first})
    assert call == read_one("litellm", row)


def test_a_failure_of_the_payload() -> None:
    said = {"error_information": {"error_code": "429", "error_message": MARKER}}
    payload = {"id": "x", "response_cost": 0, "startTime": 1785110400.0, "status": "failure"}
    call = read_one("litellm", {**payload, **said})
    assert (call.outcome, call.status, call.error_kind) == ("error", 429, "rate_limited")


@pytest.mark.parametrize(
    "named", ["call_mcp_tool", "alist_mcp_tools", "acreate_file", "afile_content"]
)
def test_what_the_proxy_logs_beside_inference(named: str) -> None:
    assert read_all("litellm", litellm(call_type=named)) == [NoCall(NO_MODEL)]


def test_columns_as_a_warehouse_spells_them() -> None:
    row = {name.upper(): value for name, value in LITELLM.items()}
    assert read_one("litellm", row) == read_one("litellm", LITELLM)


def test_a_suffix_names_who_shall_serve_it() -> None:
    call = one(model="huggingface/openai/gpt-oss-120b:cerebras")
    assert (call.requested_model, call.provider) == ("openai/gpt-oss-120b", "cerebras")
    assert call.routing == "explicit"
