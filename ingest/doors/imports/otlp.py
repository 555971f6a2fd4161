"""OpenTelemetry traces with GenAI conventions: export requests as JSON, from a file or posted.

Content that conventions put into attributes and events is never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.doors.imports.fields import (
    Unfit,
    between_ms,
    count,
    duration_ms,
    estimate,
    flag,
    moment,
    text,
)
from hf_ledger.ingest.doors.imports.providers import provider_name, set_host, task_name
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import (
    NoCall,
    Reader,
    http_status,
    imported_call,
    set_failed,
    set_tokens,
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
        if span.get("parentSpanId") and _operation(attributes(span.get("attributes")))
    }


def _read_span(
    span: Fields, resource: Attributes, outer: set[str], settings: WireSettings
) -> Call | NoCall:
    said = attributes(span.get("attributes"))
    task = _operation(said)
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


def _operation(said: Attributes) -> str | None:
    """The task of a span that calls a model; agents, tools and retrievals have none."""
    named = text(said.get("gen_ai.operation.name"))
    if named is None and "gen_ai.request.model" in said:
        named = text(said.get("llm.request.type")) or "chat"
    return task_name(named)


def _span_id(span: Fields) -> str:
    trace, own = text(span.get("traceId")), text(span.get("spanId"))
    if not trace or not own:
        raise Unfit("it has no traceId and spanId")
    return f"{trace}:{own}".lower()


def _time(span: Fields, name: str) -> int | None:
    return moment(span.get(name), name, unit="ns") or None


def _set_route(call: Call, said: Attributes, settings: WireSettings) -> None:
    asked, answered = said.get("gen_ai.request.model"), said.get("gen_ai.response.model")
    call.requested_model = text(asked) or text(answered)
    call.provider_model = text(answered) or text(asked)
    named = text(said.get("gen_ai.provider.name")) or text(said.get("gen_ai.system"))
    call.provider = provider_name(named)
    set_host(call, text(said.get("server.address")), settings)


def _set_usage(call: Call, said: Attributes) -> None:
    """Input counts include what the cache gave or took."""
    given = _either(said, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    made = _either(said, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    set_tokens(
        call,
        given,
        made,
        read=_either(
            said, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"
        ),
        write=_either(
            said,
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
    )
    call.reasoning_tokens = _either(
        said, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"
    )


def _either(said: Attributes, *names: str) -> int | None:
    return next((count(said[name], name) for name in names if name in said), None)


def _set_times(call: Call, said: Attributes, end: int | None) -> None:
    first = said.get("gen_ai.response.time_to_first_chunk")
    first = said.get("gen_ai.server.time_to_first_token") if first is None else first
    call.latency_ms = between_ms(call.ts, end)
    call.ttft_ms = duration_ms(first, "gen_ai.response.time_to_first_chunk", unit="s")
    call.stream = flag(said.get("gen_ai.request.stream")) or call.ttft_ms is not None


def _set_labels(call: Call, span: Fields, said: Attributes, resource: Attributes) -> None:
    environment = resource.get("deployment.environment.name")
    call.app = text(resource.get("service.name"))
    call.environment = text(environment or resource.get("deployment.environment"))
    call.session_id = text(said.get("gen_ai.conversation.id")) or text(said.get("session.id"))
    call.user_id = text(said.get("enduser.id")) or text(said.get("user.id"))
    call.operation_id = text(span.get("traceId"))
    call.provider_request_id = text(said.get("gen_ai.response.id"))
    call.team = text(said.get("team") or resource.get("team"))


def _set_outcome(call: Call, span: Fields, said: Attributes) -> None:
    error = text(said.get("error.type"))
    code = text(said.get("http.response.status_code"))
    if error or _object(span.get("status")).get("code") in (FAILED, "STATUS_CODE_ERROR"):
        set_failed(call, http_status(error) or http_status(code), ERRORS.get(error or ""))
        return
    call.status = http_status(code)
    call.stated_cost = estimate(said.get("gen_ai.usage.cost"), "gen_ai.usage.cost")


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
