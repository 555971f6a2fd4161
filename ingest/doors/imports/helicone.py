"""Helicone's requests, as its request-query endpoints answer, or as its own SQL does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
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
    millisecond,
    moment,
    number,
    text,
)
from hf_ledger.ingest.doors.imports.naming import Names
from hf_ledger.ingest.doors.imports.providers import host_of, provider_name, set_host
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import (
    NoCall,
    Reader,
    imported_call,
    set_failed,
    set_tokens,
    with_cached,
)
from hf_ledger.ingest.wire.exchange import WireSettings

SOURCE = "helicone"
CACHE_HIT = "answers from Helicone's own cache, which called no provider"
UNDER_WAY = "requests that Helicone had no answer to yet"
PENDING, CANCELLED = -2, -3

#: Paths of an OpenAI-style server, by their end.
TASKS = (
    ("/chat/completions", "chat-completion"),
    ("/responses", "chat-completion"),
    ("/messages", "chat-completion"),
    ("/completions", "text-generation"),
    ("/embeddings", "feature-extraction"),
    ("/images/generations", "text-to-image"),
    ("/audio/transcriptions", "automatic-speech-recognition"),
    ("/audio/speech", "text-to-speech"),
)

#: As the endpoints name them; the table behind them has other names for some.
NAMES = Names(
    """
    request_id request_created_at response_created_at response_status request_path request_user_id
    helicone_user properties request_properties request_model response_model model_override model
    provider target_url delay_ms time_to_first_token total_tokens prompt_tokens completion_tokens
    prompt_cache_read_tokens prompt_cache_write_tokens cache_enabled cache_reference_id costUSD
    """,
    {
        "status": "response_status",
        "latency": "delay_ms",
        "user_id": "request_user_id",
        "cost": "costUSD",
    },
)
#: The table keeps whole billionths of a dollar.
BILLIONTHS = Decimal(1_000_000_000)

Fields = Mapping[str, Any]


def reader(settings: WireSettings) -> Reader:
    """Reads one row of `HeliconeRequest`."""

    def read(record: Record) -> Iterable[Call | NoCall]:
        yield read_request_row(named(record.fields), settings)

    return read


def named(fields: Fields) -> dict[str, Any]:
    """A row of either source as the endpoints have it, its cost in dollars."""
    row = NAMES.of(fields)
    if "response_status" not in fields and "costUSD" not in fields:
        cost = number(row.get("costUSD"), "cost")
        if cost is not None and cost == cost.to_integral_value():
            row["costUSD"] = cost / BILLIONTHS
    return row


def read_request_row(row: Fields, settings: WireSettings) -> Call | NoCall:
    """One call. Provider `CUSTOM` says nothing: the target's host tells what it can."""
    if "request_id" not in row or "request_created_at" not in row:
        raise Unfit("no request of Helicone: they have request_id and request_created_at")
    status = number(row.get("response_status"), "response_status")
    if flag(row.get("cache_enabled")) and text(row.get("cache_reference_id")) not in (None, _NO_ID):
        return NoCall(CACHE_HIT)
    if status == PENDING:
        return NoCall(UNDER_WAY)
    started = millisecond(row["request_created_at"], "request_created_at")
    call = imported_call(started, text(row["request_id"]))
    _set_route(call, row, settings)
    _set_usage(call, row)
    _set_times(call, row)
    _set_labels(call, row)
    _set_outcome(call, row, None if status is None else int(status))
    return call


_NO_ID = "00000000-0000-0000-0000-000000000000"


def _set_route(call: Call, row: Fields, settings: WireSettings) -> None:
    asked = text(row.get("model_override")) or text(row.get("request_model"))
    call.requested_model = asked or text(row.get("model"))
    call.provider_model = text(row.get("response_model")) or call.requested_model
    call.provider = provider_name(text(row.get("provider")))
    set_host(call, host_of(text(row.get("target_url"))), settings)
    address = text(row.get("request_path")) or text(row.get("target_url")) or ""
    path = address.partition("?")[0].rstrip("/")
    call.task = next((task for ending, task in TASKS if path.endswith(ending)), None)


def _set_usage(call: Call, row: Fields) -> None:
    given = count(row.get("prompt_tokens"), "prompt_tokens")
    made = count(row.get("completion_tokens"), "completion_tokens")
    read = count(row.get("prompt_cache_read_tokens"), "prompt_cache_read_tokens")
    written = count(row.get("prompt_cache_write_tokens"), "prompt_cache_write_tokens")
    total = count(row.get("total_tokens"), "total_tokens")
    whole = with_cached(given, made, (read or 0) + (written or 0), total)
    set_tokens(call, whole, made, read=read, write=written)


def _set_times(call: Call, row: Fields) -> None:
    end = moment(row.get("response_created_at"), "response_created_at")
    stated = duration_ms(row.get("delay_ms"), "delay_ms")
    call.latency_ms = between_ms(call.ts, end) if stated is None else stated
    call.ttft_ms = duration_ms(row.get("time_to_first_token"), "time_to_first_token")
    call.stream = call.ttft_ms is not None


def _set_labels(call: Call, row: Fields) -> None:
    """Properties named as labels of ours are these; others become tags, sixteen at most."""
    said = dict(mapping(row.get("properties") or row.get("request_properties")))
    call.user_id = text(row.get("request_user_id")) or text(row.get("helicone_user"))
    call.session_id = text(said.pop("Helicone-Session-Id", None))
    call.operation = text(said.pop("Helicone-Session-Name", None))
    call.team, call.app = text(said.pop("team", None)), text(said.pop("app", None))
    call.project = text(said.pop("project", None))
    call.environment = text(said.pop("environment", None))
    kept = ((name, text(value)) for name, value in said.items())
    call.tags = dict([(name[:100], value) for name, value in kept if value][:16]) or None


def _set_outcome(call: Call, row: Fields, status: int | None) -> None:
    """Statuses below zero are Helicone's own."""
    if status == CANCELLED:
        call.outcome = "cancelled"
    elif status is not None and not 200 <= status < 300:
        set_failed(call, status if status > 0 else None, "timeout" if status == -1 else None)
        return
    else:
        call.status = status
    call.stated_cost = estimate(row.get("costUSD"), "costUSD")
