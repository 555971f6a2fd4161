"""LiteLLM's spend logs: the table as CSV, JSON lines or Parquet, the replies of its API, and the
payloads that its loggers write to buckets."""

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
    first,
    flag,
    mapping,
    millisecond,
    moment,
    sequence,
    text,
)
from hf_ledger.ingest.doors.imports.naming import Names
from hf_ledger.ingest.doors.imports.providers import (
    host_of,
    provider_name,
    set_host,
    set_routed_model,
    task_name,
)
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
NO_MODEL = "requests that call no model"

#: What the proxy logs beside inference.
_NO_MODEL = re.compile(
    r"a?(call_mcp_tool|list_mcp_tools|(create|retrieve|delete|list)_file|file_\w+)"
)

_COLUMNS = """
    request_id call_type spend total_tokens prompt_tokens completion_tokens startTime endTime
    completionStartTime request_duration_ms model model_group custom_llm_provider api_base user
    metadata cache_hit request_tags team_id end_user session_id status error_information
    """
TABLE = Names(_COLUMNS)
#: What loggers are given has other names for some.
PAYLOAD = Names(_COLUMNS, {"id": "request_id", "response_cost": "spend", "trace_id": "session_id"})

Fields = Mapping[str, Any]


def reader(settings: WireSettings) -> Reader:
    """Reads one row of `LiteLLM_SpendLogs`."""

    def read(record: Record) -> Iterable[Call | NoCall]:
        yield read_row(named(record.fields), settings)

    return read


def named(fields: Fields) -> dict[str, Any]:
    """The row under the table's names."""
    return (PAYLOAD if "response_cost" in fields else TABLE).of(fields)


def read_row(row: Fields, settings: WireSettings) -> Call | NoCall:
    """One call; times without a zone are UTC, a spend of zero on success is an unknown price."""
    if "request_id" not in row or "startTime" not in row:
        raise Unfit("no row of LiteLLM's spend logs: they have request_id and startTime")
    if flag(row.get("cache_hit")):
        return NoCall(CACHE_HIT)
    if _NO_MODEL.fullmatch(text(row.get("call_type")) or ""):
        return NoCall(NO_MODEL)
    request_id = text(row["request_id"])
    call = imported_call(millisecond(row["startTime"], "startTime"), request_id)
    call.provider_request_id = request_id
    call.task = task_name(text(row.get("call_type")))
    metadata = mapping(row.get("metadata"))
    _set_route(call, row, settings)
    _set_usage(call, row, _usage(metadata))
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
    call.requested_model = model or None
    if call.host_kind == "router":
        set_routed_model(call, model)
    set_host(call, host_of(text(row.get("api_base"))), settings)


def _usage(metadata: Fields) -> dict[str, Any]:
    """What the provider said beside the three counts, in old and in new rows."""
    older, newer = metadata.get("additional_usage_values"), metadata.get("usage_object")
    said = [*mapping(older).items(), *mapping(newer).items()]
    return {name: value for name, value in said if value is not None}


def _set_usage(call: Call, row: Fields, usage: Fields) -> None:
    given = count(row.get("prompt_tokens"), "prompt_tokens")
    made = count(row.get("completion_tokens"), "completion_tokens")
    details = mapping(usage.get("prompt_tokens_details"))
    cached = first(details, "cached_tokens") or first(usage, "cache_read_input_tokens")
    created = first(usage, "cache_creation_input_tokens") or first(details, "cache_creation_tokens")
    read, written = count(cached, "cached_tokens"), count(created, "cache_creation_input_tokens")
    total = count(row.get("total_tokens"), "total_tokens")
    whole = with_cached(given, made, (read or 0) + (written or 0), total)
    set_tokens(call, whole, made, read=read, write=written)
    made_details = mapping(usage.get("completion_tokens_details"))
    call.reasoning_tokens = count(made_details.get("reasoning_tokens"), "reasoning_tokens")


def _set_times(call: Call, row: Fields) -> None:
    """A completion start before the end means that the answer was streamed."""
    end = moment(row.get("endTime"), "endTime")
    began = moment(row.get("completionStartTime"), "completionStartTime")
    stated = duration_ms(row.get("request_duration_ms"), "request_duration_ms")
    measured = between_ms(call.ts, end)
    call.latency_ms = stated if measured is None else measured
    if began is not None and end is not None and call.ts < began < end:
        call.stream = True
        call.ttft_ms = between_ms(call.ts, began)


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
        stated = first(metadata, "error_information") or row.get("error_information")
        information = mapping(stated)
        set_failed(call, http_status(text(information.get("error_code"))))
        return
    call.stated_cost = estimate(row.get("spend"), "spend")
