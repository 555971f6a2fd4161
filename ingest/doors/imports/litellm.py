"""LiteLLM's spend logs: the table as CSV, JSON lines or Parquet, and the replies of its API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports.fields import (
    Unfit,
    between_ms,
    count,
    duration_ms,
    estimate,
    flag,
    mapping,
    moment,
    sequence,
    text,
)
from hf_ledger.ingest.doors.imports.providers import host_of, provider_name, set_host, task_name
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import (
    NoCall,
    Reader,
    http_status,
    imported_call,
    set_failed,
    set_tokens,
    with_cached,
)
from hf_ledger.ingest.wire.exchange import WireSettings

SOURCE = "litellm"
CACHE_HIT = "answers from LiteLLM's own cache, which called no provider"

#: `org/model:fastest`: how the router shall choose is no part of the model's name.
_SUFFIX = re.compile(r":[\w.-]+$")

Fields = Mapping[str, Any]


def reader(settings: WireSettings) -> Reader:
    """Reads one row of `LiteLLM_SpendLogs`."""

    def read(record: Record) -> Iterable[Call | NoCall]:
        yield read_row(record.fields, settings)

    return read


def read_row(row: Fields, settings: WireSettings) -> Call | NoCall:
    """One call; times without a zone are UTC, a spend of zero on success is an unknown price."""
    if "request_id" not in row or "startTime" not in row:
        raise Unfit("no row of LiteLLM's spend logs: they have request_id and startTime")
    if flag(row.get("cache_hit")):
        return NoCall(CACHE_HIT)
    request_id = text(row["request_id"])
    call = imported_call(moment(row["startTime"], "startTime"), request_id)
    call.provider_request_id = request_id
    call.task = task_name(text(row.get("call_type")))
    metadata = mapping(row.get("metadata"))
    _set_route(call, row, settings)
    _set_usage(call, row, mapping(metadata.get("usage_object")))
    _set_times(call, row)
    _set_labels(call, row, metadata)
    _set_outcome(call, row, metadata)
    return call


def _set_route(call: Call, row: Fields, settings: WireSettings) -> None:
    """`huggingface/<provider>/<org>/<model>` went by the router, others to their own host."""
    named = text(row.get("model")) or ""
    provider = (text(row.get("custom_llm_provider")) or "").lower()
    if not provider and named.startswith("huggingface/"):
        provider = "huggingface"
    model = named.removeprefix(f"{provider}/") if provider else named
    if provider == "huggingface":
        call.host_kind = "router"
        if model.count("/") >= 2:
            served_by, _, model = model.partition("/")
            call.provider = provider_name(served_by)
            call.routing = "explicit"
    elif provider:
        call.host_kind = "provider"
        call.provider = provider_name(provider)
    call.provider_model = model or None
    call.requested_model = (_SUFFIX.sub("", model) if call.host_kind == "router" else model) or None
    set_host(call, host_of(text(row.get("api_base"))), settings)


def _set_usage(call: Call, row: Fields, usage: Fields) -> None:
    given = count(row.get("prompt_tokens"), "prompt_tokens")
    made = count(row.get("completion_tokens"), "completion_tokens")
    details = mapping(usage.get("prompt_tokens_details"))
    read = count(
        details.get("cached_tokens", usage.get("cache_read_input_tokens")), "cached_tokens"
    )
    written = count(
        usage.get("cache_creation_input_tokens", details.get("cache_creation_tokens")),
        "cache_creation_input_tokens",
    )
    total = count(row.get("total_tokens"), "total_tokens")
    whole = with_cached(given, made, (read or 0) + (written or 0), total)
    set_tokens(call, whole, made, read=read, write=written)
    made_details = mapping(usage.get("completion_tokens_details"))
    call.reasoning_tokens = count(made_details.get("reasoning_tokens"), "reasoning_tokens")


def _set_times(call: Call, row: Fields) -> None:
    """A completion start before the end means that the answer was streamed."""
    end = moment(row.get("endTime"), "endTime")
    first = moment(row.get("completionStartTime"), "completionStartTime")
    stated = duration_ms(row.get("request_duration_ms"), "request_duration_ms")
    measured = between_ms(call.ts, end)
    call.latency_ms = stated if measured is None else measured
    if first is not None and end is not None and call.ts < first < end:
        call.stream = True
        call.ttft_ms = between_ms(call.ts, first)


def _set_labels(call: Call, row: Fields, metadata: Fields) -> None:
    call.user_id = text(row.get("end_user")) or text(row.get("user"))
    call.team = text(metadata.get("user_api_key_team_alias")) or text(row.get("team_id"))
    call.session_id = text(row.get("session_id"))
    tags = {
        "api_key_alias": text(metadata.get("user_api_key_alias")),
        "request_tags": ",".join(map(str, sequence(row.get("request_tags"))))[:300],
        "model_group": text(row.get("model_group")),
    }
    call.tags = {name: said for name, said in tags.items() if said} or None


def _set_outcome(call: Call, row: Fields, metadata: Fields) -> None:
    said = text(row.get("status")) or text(metadata.get("status"))
    if said == "failure":
        information = mapping(metadata.get("error_information"))
        set_failed(call, http_status(text(information.get("error_code"))))
        return
    call.stated_cost = estimate(row.get("spend"), "spend")
