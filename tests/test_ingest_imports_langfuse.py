"""Langfuse observations: four styles of usage keys, parts beside or within, and what is a call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories_imports import LANGFUSE, MARKER, MIDNIGHT, langfuse, read_all, read_one
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.langfuse import CACHE_READ, OTHER
from hf_ledger.ingest.doors.imports.rows import NoCall


def one(**changes: Any) -> Any:
    return read_one("langfuse", langfuse(**changes))


def usage(**details: int) -> Any:
    return one(usageDetails={name.replace("__", "."): n for name, n in details.items()})


def test_an_observation_becomes_a_call() -> None:
    call = one()
    assert (call.ts, call.external_id) == (MIDNIGHT, "observation-1")
    assert (call.provider, call.requested_model) == ("cerebras", "openai/gpt-oss-120b")
    assert (call.task, call.operation, call.session_id) == ("chat-completion", "answer", "trace-1")
    assert (call.latency_ms, call.ttft_ms, call.stream) == (5685.0, 663.0, True)
    assert (call.stated_cost, call.reported_cost) == ("0.000400000", None)
    assert MARKER not in repr(call)


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "TOOL", "AGENT", "CHAIN", "RETRIEVER"])
def test_only_generations_are_calls(kind: str) -> None:
    assert read_all("langfuse", langfuse(type=kind)) == [NoCall(OTHER)]


def test_an_embedding_is_a_call_without_output() -> None:
    call = one(type="EMBEDDING", usageDetails={"input": 12, "total": 12})
    assert (call.task, call.input_tokens, call.output_tokens) == ("feature-extraction", 12, None)


@pytest.mark.parametrize("name", CACHE_READ)
def test_cached_input_beside_the_input(name: str) -> None:
    call = usage(input=448, output=377, total=1465, **{name: 640})
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (448, 640)
    assert call.input_tokens == 448 + 640


@pytest.mark.parametrize("name", CACHE_READ)
def test_the_total_tells_that_it_stands_within(name: str) -> None:
    call = usage(input=1088, output=377, total=1465, **{name: 640})
    assert (call.uncached_input_tokens, call.input_tokens) == (448, 1088)


def test_without_a_total_parts_stand_beside_each_other() -> None:
    assert usage(input=448, output=377, input_cache_read=640).input_tokens == 1088


def test_dotted_details_are_within() -> None:
    call = usage(
        input=190, prompt_details__cache_read=90, output=164, total=354,
        completion_details__reasoning=60,
    )  # fmt: skip
    assert (call.uncached_input_tokens, call.cache_read_tokens, call.input_tokens) == (100, 90, 190)
    assert (call.output_tokens, call.reasoning_tokens) == (164, 60)


def test_reasoning_beside_the_output_is_added_to_it() -> None:
    call = usage(input=179, output=35, total=278, input_cache_read=0, output_reasoning=64)
    assert (call.input_tokens, call.output_tokens, call.reasoning_tokens) == (179, 99, 64)


def test_audio_beside_the_text_is_counted() -> None:
    call = usage(input=100, input_audio=20, output=10, output_audio=5, total=135)
    assert (call.input_tokens, call.output_tokens) == (120, 15)


def test_what_a_total_holds_beyond_its_parts_is_not_guessed() -> None:
    call = usage(input=5, output=845, total=2023)
    assert (call.input_tokens, call.output_tokens) == (5, 845)


def test_an_output_that_is_not_stated_is_unknown() -> None:
    call = usage(input=1988, total=1988)
    assert (call.input_tokens, call.output_tokens) == (1988, None)


def test_no_usage_is_unknown_and_not_zero() -> None:
    call = one(usageDetails={}, usage=None)
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (None, None, "none")


def test_the_older_usage_counts_where_details_are_missing() -> None:
    call = one(usageDetails={}, usage={"input": 1088, "output": 377, "total": 1465})
    assert (call.input_tokens, call.output_tokens) == (1088, 377)


@pytest.mark.parametrize("metadata", [None, "text", [], {}, {"inference_provider": None}])
def test_without_a_named_provider_it_is_unknown(metadata: Any) -> None:
    assert one(metadata=metadata).provider is None


def test_metadata_may_stand_as_text() -> None:
    assert one(metadata='{"inference_provider": "Groq"}').provider == "groq"


def test_a_resource_path_names_its_model_last() -> None:
    path = "projects/p/locations/l/publishers/google/models/gemini-2.5-flash"
    call = one(model=path)
    assert (call.requested_model, call.provider_model) == ("gemini-2.5-flash", path)


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [("503", 503, "server_error"), ("429", 429, "rate_limited"), (MARKER, None, "other")],
)
def test_an_error_keeps_a_status_and_no_message(
    message: str, status: int | None, kind: str
) -> None:
    call = one(level="ERROR", statusMessage=message)
    assert (call.outcome, call.status, call.error_kind) == ("error", status, kind)
    assert call.stated_cost is None
    assert MARKER not in repr(call)


@pytest.mark.parametrize("level", ["DEFAULT", "DEBUG", "WARNING", None])
def test_other_levels_are_no_failure(level: str | None) -> None:
    assert one(level=level).outcome == "ok"


@pytest.mark.parametrize(
    ("costs", "estimate"),
    [
        ({"calculatedTotalCost": None, "totalCost": 0.25}, "0.250000000"),
        ({"calculatedTotalCost": None, "costDetails": {"total": "0.5"}}, "0.500000000"),
        ({"calculatedTotalCost": 0, "totalCost": 0}, None),
        ({"calculatedTotalCost": None}, None),
    ],
)
def test_the_estimate_under_any_of_its_names(costs: dict[str, Any], estimate: str | None) -> None:
    assert one(**costs).stated_cost == estimate


def test_latency_in_seconds_where_there_is_no_end() -> None:
    assert one(endTime=None, latency=5.686).latency_ms == 5686.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "x"}, "no observation of Langfuse"),
        (langfuse(startTime="soon"), "startTime is not a time"),
        (langfuse(startTime=None), "it states no time"),
        (langfuse(usageDetails={"input": -5, "output": 1}), "input is negative"),
        (langfuse(usageDetails={"input": "NaN", "output": 1}), "no finite number"),
    ],
)
def test_what_makes_no_sense_is_named(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        read_one("langfuse", row)


counts = st.integers(0, 10**6)


@given(uncached=counts, read=counts, output=counts)
def test_beside_and_within_give_the_same_call(uncached: int, read: int, output: int) -> None:
    """Whichever way an instrumentation writes the same usage, it is the same tokens."""
    total = uncached + read + output
    beside = usage(input=uncached, input_cached_tokens=read, output=output, total=total)
    within = usage(input=uncached + read, input_cached_tokens=read, output=output, total=total)
    dotted = usage(input=uncached + read, prompt_details__cache_read=read, output=output)
    for call in (beside, within, dotted):
        assert (call.uncached_input_tokens, call.cache_read_tokens) == (uncached, read)
        assert call.output_tokens == output


# -- other versions and forms ------------------------------------------------------------------


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def test_exports_to_buckets_say_the_same_in_other_letters() -> None:
    row = {snake(name): value for name, value in LANGFUSE.items() if name != "model"}
    row |= {
        "provided_model_name": LANGFUSE["model"],
        "start_time": "2026-07-27 00:00:00.000000",
        "end_time": "2026-07-27 00:00:05.685000",
        "completion_start_time": "2026-07-27 00:00:00.663000",
        "usage_details": json.dumps(LANGFUSE["usageDetails"]),
        "metadata": json.dumps(LANGFUSE["metadata"]),
        "latency": 5685,
    }
    del row["calculated_total_cost"]
    assert read_one("langfuse", {**row, "total_cost": "0.0004"}) == one()


def test_a_latency_without_an_end_is_in_seconds_only_in_the_api() -> None:
    assert one(endTime=None, latency=5.685).latency_ms == 5685.0
    row = {"id": "1", "type": "GENERATION", "start_time": "2026-07-27 00:00:00", "latency": 5685}
    assert read_one("langfuse", row).latency_ms is None


def test_the_page_of_generations_names_no_type() -> None:
    row = {name: value for name, value in LANGFUSE.items() if name not in ("type", "usageDetails")}
    call = read_one("langfuse", {**row, "promptTokens": "1057", "completionTokens": "424"})
    assert (call.uncached_input_tokens, call.output_tokens) == (1057, 424)
    assert call.task == "chat-completion"


def test_counts_in_columns_of_their_own_are_zero_where_unknown() -> None:
    call = one(usageDetails={}, usage=None, promptTokens=0, completionTokens=0)
    assert (call.uncached_input_tokens, call.output_tokens) == (None, None)
    assert call.tokens_source == "none"


def test_the_oldest_usage_has_the_names_of_openai() -> None:
    call = one(usageDetails=None, usage={"promptTokens": 1057, "completionTokens": 0})
    assert (call.uncached_input_tokens, call.output_tokens) == (1057, 0)
