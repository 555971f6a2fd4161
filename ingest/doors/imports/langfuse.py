"""Langfuse observations: pages of its public API, exports of its pages and to buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports.fields import (
    Unfit,
    between_ms,
    count,
    duration_ms,
    estimate,
    first,
    mapping,
    millisecond,
    moment,
    text,
)
from hf_ledger.ingest.doors.imports.naming import Names
from hf_ledger.ingest.doors.imports.providers import provider_name
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import (
    NoCall,
    http_status,
    imported_call,
    set_failed,
    set_tokens,
    with_cached,
)

SOURCE = "langfuse"
CALLS = ("GENERATION", "EMBEDDING")
OTHER = "observations that call no model"

#: Parts of the input that stand beside `input`, under the names that SDKs and instrumentations use.
CACHE_READ = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens")
CACHE_WRITE = ("input_cache_creation", "input_cache_write", "cache_creation_input_tokens")
#: Details of an input that already counts them.
READ_WITHIN = ("prompt_details.cache_read", "prompt_tokens_details.cached_tokens")
REASONING_BESIDE = ("output_reasoning", "output_reasoning_tokens")
REASONING_WITHIN = (
    "completion_details.reasoning",
    "completion_tokens_details.reasoning_tokens",
    "reasoning_tokens",
)
#: Other parts of the input and output that stand beside the text's own count.
INPUT_BESIDE = ("input_audio", "input_audio_tokens", "input_image", "input_image_tokens")
OUTPUT_BESIDE = ("output_audio", "output_audio_tokens")

#: As the API names them; exports to buckets write `start_time`, databases what they like.
NAMES = Names(
    """
    id traceId type name startTime endTime completionStartTime model providedModelName metadata
    level statusMessage environment userId sessionId usageDetails usage promptTokens
    completionTokens costDetails calculatedTotalCost totalCost
    """,
    {"input_usage": "promptTokens", "output_usage": "completionTokens"},
)

Fields = Mapping[str, Any]


def read(record: Record) -> Iterable[Call | NoCall]:
    """One observation; only generations and embeddings call a model."""
    row = NAMES.of(record.fields)
    kind = (text(row.get("type")) or _kind(row)).upper()
    if not kind or "startTime" not in row:
        raise Unfit("no observation of Langfuse: they have type and startTime")
    if "startTime" in record.fields:  # elsewhere it is stated in milliseconds
        row["latency"] = record.fields.get("latency")
    if kind not in CALLS:
        return (NoCall(OTHER),)
    return (read_generation(row, kind),)


def _kind(row: Fields) -> str:
    """The page of generations exported them without their type."""
    return "GENERATION" if "traceId" in row and first(row, "model", "providedModelName") else ""


def read_generation(row: Fields, kind: str) -> Call:
    call = imported_call(millisecond(row["startTime"], "startTime"), text(row.get("id")))
    call.task = "feature-extraction" if kind == "EMBEDDING" else "chat-completion"
    call.operation = text(row.get("name"))
    call.session_id = text(row.get("sessionId")) or text(row.get("traceId"))
    call.user_id = text(row.get("userId"))
    call.environment = text(row.get("environment"))
    _set_model(call, row)
    set_usage(call, row)
    _set_times(call, row)
    if text(row.get("level")) == "ERROR":
        set_failed(call, http_status(text(row.get("statusMessage"))))
    else:
        call.stated_cost = _estimate(row)
    return call


def _set_model(call: Call, row: Fields) -> None:
    """A full resource path is kept as the provider's id; its last part names the model."""
    named = text(row.get("model")) or text(row.get("providedModelName"))
    call.provider_model = named
    if named and (named.count("/") > 1 or named.startswith("models/")):
        call.requested_model = named.rpartition("/")[2]
    else:
        call.requested_model = named
    metadata = mapping(row.get("metadata"))
    said = metadata.get("inference_provider") or metadata.get("ls_provider")
    call.provider = provider_name(text(said) or text(metadata.get("provider")))


def set_usage(call: Call, row: Fields) -> None:
    """Tokens of `usageDetails`; `usage`, whose input counts cached tokens, where that is empty."""
    details = mapping(row.get("usageDetails"))
    if not any(name in details for name in ("input", "output")):
        usage = mapping(row.get("usage"))
        given = count(first(usage, "input", "promptTokens"), "input")
        made = count(first(usage, "output", "completionTokens"), "output")
        set_tokens(call, *((given, made) if usage else _flat_usage(row)))
        return
    usage_of = _Usage(details)
    call.reasoning_tokens = usage_of.reasoning
    set_tokens(
        call, usage_of.input, usage_of.output, read=usage_of.cache_read, write=usage_of.cache_write
    )


def _flat_usage(row: Fields) -> tuple[int | None, int | None]:
    """Counts in columns of their own, which hold zero where nothing is known."""
    given = count(row.get("promptTokens"), "promptTokens")
    made = count(row.get("completionTokens"), "completionTokens")
    return given or None, made or None


class _Usage:
    """The counts of one `usageDetails`; its `total` tells whether parts stand beside or within."""

    def __init__(self, details: Fields) -> None:
        self._details = details
        beside = self._first(REASONING_BESIDE)
        self.reasoning = self._first(REASONING_WITHIN) if beside is None else beside
        self.output = self._output(beside or 0)
        beside_read = self._first(CACHE_READ)
        self.cache_read = self._first(READ_WITHIN) if beside_read is None else beside_read
        self.cache_write = self._first(CACHE_WRITE)
        self.input = self._input(beside_read or 0)

    def _first(self, names: tuple[str, ...]) -> int | None:
        said = (count(self._details.get(name), name) for name in names)
        return next((each for each in said if each is not None), None)

    def _sum(self, names: tuple[str, ...]) -> int:
        return sum(count(self._details.get(name), name) or 0 for name in names)

    def _output(self, reasoning: int) -> int | None:
        stated = count(self._details.get("output"), "output")
        if stated is None:
            return None
        return stated + reasoning + self._sum(OUTPUT_BESIDE)

    def _input(self, read_beside: int) -> int | None:
        stated = count(self._details.get("input"), "input")
        if stated is None:
            return None
        cached = read_beside + (self.cache_write or 0)
        own = stated + self._sum(INPUT_BESIDE)
        total = count(self._details.get("total"), "total")
        if total is None:
            return own + cached  # Langfuse's own convention: parts stand beside each other
        return with_cached(own, self.output, cached, total)


def _set_times(call: Call, row: Fields) -> None:
    began = moment(row.get("completionStartTime"), "completionStartTime")
    measured = between_ms(call.ts, moment(row.get("endTime"), "endTime"))
    stated = duration_ms(row.get("latency"), "latency", unit="s")
    call.latency_ms = stated if measured is None else measured
    call.ttft_ms = between_ms(call.ts, began)
    call.stream = began is not None


def _estimate(row: Fields) -> str | None:
    """Langfuse's own estimate, from its price list or the program's."""
    said = mapping(row.get("costDetails")).get("total")
    for value in (row.get("calculatedTotalCost"), row.get("totalCost"), said):
        found = estimate(value, "cost")
        if found:
            return found
    return None
