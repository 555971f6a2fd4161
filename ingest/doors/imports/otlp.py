"""OpenTelemetry traces with GenAI conventions: export requests, from a file or posted.

Content that conventions put into attributes and events is never read. What each attribute is called
by whom stands in `conventions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.doors.imports import conventions
from hf_ledger.ingest.doors.imports.fields import (
    Unfit,
    between_ms,
    count,
    duration_ms,
    estimate,
    first,
    flag,
    moment,
    text,
)
from hf_ledger.ingest.doors.imports.providers import (
    host_of,
    provider_name,
    set_host,
    set_routed_model,
)
from hf_ledger.ingest.doors.imports.recordings import Rejected
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

SOURCE = "otlp"
OTHER = "spans that call no model"
OUTER = "spans around a call that has a span of its own"
FAILED = 2

Attributes = dict[str, Any]
Fields = Mapping[str, Any]
Found = Call | NoCall | Rejected

#: The conventions' names of an error, where it is no status.
ERRORS: dict[str, ErrorKind] = {
    "timeout": "timeout",
    "ReadTimeout": "timeout",
    "ConnectTimeout": "timeout",
    "APITimeoutError": "timeout",
    "ConnectError": "connection",
    "APIConnectionError": "connection",
    "RateLimitError": "rate_limited",
    "AuthenticationError": "auth",
    "BadRequestError": "bad_request",
    "NotFoundError": "not_found",
    "InternalServerError": "server_error",
}


def reader(settings: WireSettings) -> Reader:
    """Reads one export request (`resourceSpans`)."""

    def read(record: Record) -> Iterable[Found]:
        return read_request_spans(record.fields, record.position, settings)

    return read


def read_request_spans(request: Fields, position: int, settings: WireSettings) -> Iterator[Found]:
    """The calls among the spans of one export request; unfit spans are named by their place."""
    if not isinstance(request.get("resourceSpans"), list):
        raise Unfit("no export request of OTLP: they have resourceSpans")
    spans = list(_spans(request))
    outer = _outer(spans)
    for place, (span, resource) in enumerate(spans, 1):
        try:
            yield _read_span(span, resource, outer, settings)
        except Unfit as error:
            yield Rejected(position, f"span {place}: {error}", "record")


def _spans(request: Fields) -> Iterator[tuple[Fields, Attributes]]:
    for group in _objects(request.get("resourceSpans")):
        resource = attributes(_object(group.get("resource")).get("attributes"))
        scopes = group.get("scopeSpans") or group.get("instrumentationLibrarySpans")
        for scope in _objects(scopes):
            for span in _objects(scope.get("spans")):
                yield span, resource


def _outer(spans: list[tuple[Fields, Attributes]]) -> set[str]:
    """Spans of a call that hold another span of a call: an orchestrator's around its client's."""
    return {
        str(span.get("parentSpanId"))
        for span, _ in spans
        if span.get("parentSpanId") and conventions.task_of(attributes(span.get("attributes")))
    }


def _read_span(
    span: Fields, resource: Attributes, outer: set[str], settings: WireSettings
) -> Call | NoCall:
    said = attributes(span.get("attributes"))
    task = conventions.task_of(said)
    if task is None:
        return NoCall(OTHER)
    if text(span.get("spanId")) in outer:
        return NoCall(OUTER)
    call = imported_call(_time(span, "startTimeUnixNano"), _span_id(span))
    call.task = task
    _set_route(call, said, settings)
    _set_usage(call, said)
    _set_times(call, said, _time(span, "endTimeUnixNano"))
    _set_labels(call, span, said, resource)
    _set_outcome(call, span, said)
    return call


def _span_id(span: Fields) -> str:
    trace, own = text(span.get("traceId")), text(span.get("spanId"))
    if not trace or not own:
        raise Unfit("it has no traceId and spanId")
    return f"{trace}:{own}".lower()


def _time(span: Fields, name: str) -> int | None:
    return moment(span.get(name), name, unit="ns") or None


def _set_route(call: Call, said: Attributes, settings: WireSettings) -> None:
    asked = text(first(said, *conventions.REQUESTED_MODEL))
    answered = text(first(said, *conventions.RESPONSE_MODEL))
    call.requested_model = asked or answered
    call.provider_model = answered or asked
    call.provider = _provider(text(first(said, *conventions.PROVIDER)))
    _set_address(call, said, settings)
    if call.host_kind == "router":
        set_routed_model(call, call.requested_model)


def _provider(named: str | None) -> str | None:
    suffix = next((each for each in conventions.API_SUFFIXES if (named or "").endswith(each)), "")
    return provider_name(named.removesuffix(suffix) if named else None)


def _set_address(call: Call, said: Attributes, settings: WireSettings) -> None:
    """A server of one's own may be known by its port alone."""
    host, port = host_of(text(first(said, *conventions.ADDRESS))), text(said.get("server.port"))
    if host and port and ":" not in host:
        set_host(call, f"{host}:{port}", settings)
    else:
        set_host(call, host, settings)


def _set_usage(call: Call, said: Attributes) -> None:
    """Input counts include what the cache gave or took, unless the span's own total shows else."""
    given = _count(said, conventions.INPUT_TOKENS)
    made = _count(said, conventions.OUTPUT_TOKENS)
    read = _count(said, conventions.CACHE_READ)
    write = _count(said, conventions.CACHE_WRITE)
    total = _count(said, conventions.TOTAL_TOKENS)
    whole = with_cached(given, made, (read or 0) + (write or 0), total)
    set_tokens(call, whole, made, read=read, write=write)
    call.reasoning_tokens = _count(said, conventions.REASONING)


def _count(said: Attributes, names: tuple[str, ...]) -> int | None:
    return next((count(said[name], name) for name in names if name in said), None)


def _set_times(call: Call, said: Attributes, end: int | None) -> None:
    """A first chunk after the end is one in another unit, and not known."""
    began = first(said, *conventions.FIRST_CHUNK_SECONDS)
    call.latency_ms = between_ms(call.ts, end)
    ttft = duration_ms(began, "gen_ai.response.time_to_first_chunk", unit="s")
    if ttft is None:
        ttft = duration_ms(first(said, *conventions.FIRST_CHUNK_MS), "ai.response.msToFirstChunk")
    possible = ttft is not None and (call.latency_ms is None or ttft <= call.latency_ms)
    call.ttft_ms = ttft if possible else None
    streamed = str(said.get("ai.operationId")).endswith("doStream")
    call.stream = flag(first(said, *conventions.STREAM)) or ttft is not None or streamed


def _set_labels(call: Call, span: Fields, said: Attributes, resource: Attributes) -> None:
    environment = resource.get("deployment.environment.name")
    call.app = text(resource.get("service.name"))
    call.environment = text(environment or resource.get("deployment.environment"))
    call.session_id = text(first(said, *conventions.SESSION))
    call.user_id = text(first(said, *conventions.USER))
    call.operation_id = text(span.get("traceId"))
    call.provider_request_id = text(first(said, *conventions.RESPONSE_ID))
    call.team = text(said.get("team") or resource.get("team"))


def _set_outcome(call: Call, span: Fields, said: Attributes) -> None:
    error = text(said.get("error.type")) or _raised(span)
    code = text(first(said, *conventions.STATUS))
    if text(said.get("error.type")) or _object(span.get("status")).get("code") in (
        FAILED,
        "STATUS_CODE_ERROR",
    ):
        set_failed(call, http_status(error) or http_status(code), ERRORS.get(error or ""))
        return
    call.status = http_status(code)
    call.stated_cost = estimate(first(said, *conventions.COST), "gen_ai.usage.cost")


def _raised(span: Fields) -> str | None:
    """The class of an exception that the span recorded; never its message."""
    for event in _objects(span.get("events")):
        if event.get("name") == "exception":
            kind = text(attributes(event.get("attributes")).get("exception.type"))
            return kind.rpartition(".")[2] if kind else None
    return None


def attributes(listed: Any) -> Attributes:
    """Names and single values; arrays, objects and bytes are left out (content stands there)."""
    found: Attributes = {}
    for each in _objects(listed):
        value = _object(each.get("value"))
        for kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
            if kind in value:
                found[str(each.get("key"))] = value[kind]
    return found


def _objects(value: Any) -> Iterator[Fields]:
    return (
        (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())
    )


def _object(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}
