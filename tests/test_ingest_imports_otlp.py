"""OTLP spans with GenAI conventions, old and new; one span a call; content is never read."""

from __future__ import annotations

from typing import Any

import pytest
from factories_imports import MARKER, MIDNIGHT, attribute, export, read_all, read_one, span, taken

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports import otlp
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.otlp import OTHER, OUTER, attributes
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import NoCall
from hf_ledger.ingest.wire.exchange import WireSettings


def one(code: int = 1, **said: Any) -> Call:
    return read_one("otlp", export(span(code=code, **said)))


def test_a_span_becomes_a_call() -> None:
    call = one()
    assert call.ts == MIDNIGHT
    assert call.external_id == "fc0dd0006604b14b35c47d9eab076d1d:0000000000000001"
    assert (call.provider, call.requested_model) == ("cerebras", "openai/gpt-oss-120b")
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (1000, 57)
    assert (call.output_tokens, call.tokens_source) == (424, "usage")
    assert (call.latency_ms, call.ttft_ms, call.stream) == (5685.7, 663.0, True)
    assert (call.app, call.environment, call.session_id) == ("shop", "test", "sess-00")
    assert call.provider_request_id == "chatcmpl-1"
    assert (call.reported_cost, call.stated_cost) == (None, None)


def test_content_is_not_read() -> None:
    assert MARKER not in repr(one())


def test_the_old_names_mean_the_same() -> None:
    old = one(
        gen_ai__provider__name=None,
        gen_ai__system="cerebras",
        gen_ai__usage__input_tokens=None,
        gen_ai__usage__output_tokens=None,
        gen_ai__usage__prompt_tokens=1057,
        gen_ai__usage__completion_tokens=424,
    )
    assert old == one()


def test_reasoning_and_cache_writes() -> None:
    call = one(
        gen_ai__usage__cache_creation__input_tokens=100,
        gen_ai__usage__reasoning__output_tokens=300,
    )
    assert (call.uncached_input_tokens, call.cache_write_tokens) == (900, 100)
    assert (call.input_tokens, call.reasoning_tokens) == (1057, 300)


@pytest.mark.parametrize(
    ("operation", "task"),
    [
        ("chat", "chat-completion"),
        ("generate_content", "chat-completion"),
        ("text_completion", "text-generation"),
        ("embeddings", "feature-extraction"),
        ("Chat", "chat-completion"),
    ],
)
def test_operations_that_call_a_model(operation: str, task: str) -> None:
    assert one(gen_ai__operation__name=operation).task == task


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "create_agent", "retrieval"])
def test_other_operations_are_no_calls(operation: str) -> None:
    found = read_all("otlp", export(span(gen_ai__operation__name=operation)))
    assert found == [NoCall(OTHER)]


def test_a_span_of_something_else_is_no_call() -> None:
    plain = {**span(), "attributes": [attribute("http.request.method", "GET")]}
    assert read_all("otlp", export(plain)) == [NoCall(OTHER)]


def test_the_oldest_spans_name_no_operation_but_a_model() -> None:
    assert one(gen_ai__operation__name=None).task == "chat-completion"


def test_a_call_inside_a_call_is_one_call() -> None:
    outer, inner = span(1), span(2, parent=f"{1:016x}")
    found = read_all("otlp", export(outer, inner))
    assert found[0] == NoCall(OUTER)
    assert isinstance(found[1], Call)


def test_a_call_inside_an_agent_is_a_call() -> None:
    agent = span(1, gen_ai__operation__name="invoke_agent")
    found = read_all("otlp", export(agent, span(2, parent=f"{1:016x}"), span(3)))
    assert [type(each) for each in found] == [NoCall, Call, Call]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ("429", 429, "rate_limited"),
        ("503", 503, "server_error"),
        ("timeout", None, "timeout"),
        ("APIConnectionError", None, "connection"),
        ("_OTHER", None, "other"),
        (MARKER, None, "other"),
    ],
)
def test_errors_by_status_or_by_name(error: str, status: int | None, kind: str) -> None:
    call = one(code=2, error__type=error)
    assert (call.outcome, call.status, call.error_kind) == ("error", status, kind)
    assert MARKER not in repr(call)


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_a_spans_own_status_is_enough(code: Any) -> None:
    call = one(code=code, http__response__status_code=500)
    assert (call.outcome, call.status, call.error_kind) == ("error", 500, "server_error")


@pytest.mark.parametrize("code", [0, 1, "STATUS_CODE_OK"])
def test_other_statuses_are_no_failure(code: Any) -> None:
    assert one(code=code).outcome == "ok"


@pytest.mark.parametrize(
    ("address", "kind"),
    [("router.huggingface.co", "router"), ("router.example", None), ("api.groq.com", "provider")],
)
def test_the_servers_address(address: str, kind: str | None) -> None:
    assert one(server__address=address).host_kind == kind


@pytest.mark.parametrize(("named", "provider"), [("huggingface", None), ("hugging_face", None)])
def test_the_router_is_not_who_served_it(named: str, provider: str | None) -> None:
    assert one(gen_ai__provider__name=named).provider == provider


@pytest.mark.parametrize(("cost", "kept"), [(0.0, None), (0.25, "0.250000000")])
def test_a_cost_some_instrumentations_add_is_an_estimate(cost: float, kept: str | None) -> None:
    call = one(gen_ai__usage__cost=cost)
    assert (call.stated_cost, call.reported_cost) == (kept, None)


def test_whole_numbers_may_be_strings_or_numbers() -> None:
    listed = [{"key": "a", "value": {"intValue": "12"}}, {"key": "b", "value": {"intValue": 12}}]
    assert attributes(listed) == {"a": "12", "b": 12}


@pytest.mark.parametrize(
    "listed",
    [None, "text", {}, [None], [{"key": "a"}], [{"key": "a", "value": {"arrayValue": {}}}]],
)
def test_attributes_of_any_shape_are_no_surprise(listed: Any) -> None:
    assert attributes(listed) == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano is not a time"),
        ({"startTimeUnixNano": "0"}, "it states no time"),
        ({"startTimeUnixNano": None}, "it states no time"),
        ({"traceId": ""}, "it has no traceId and spanId"),
    ],
)
def test_an_unfit_span_is_named_and_the_rest_kept(changes: dict[str, Any], reason: str) -> None:
    found = read_all("otlp", export(span(1), {**span(2), **changes}, span(3)))
    assert isinstance(found[0], Call)
    assert isinstance(found[2], Call)
    assert isinstance(found[1], Rejected)
    assert found[1].reason.startswith(f"span 2: {reason}")


def test_a_negative_count_is_unfit() -> None:
    (found,) = read_all("otlp", export(span(gen_ai__usage__input_tokens=-1)))
    assert isinstance(found, Rejected)
    assert "gen_ai.usage.input_tokens is negative" in found.reason


@pytest.mark.parametrize("request_", [{}, {"resourceSpans": None}, {"data": []}])
def test_what_is_no_export_request(request_: dict[str, Any]) -> None:
    with pytest.raises(Unfit, match="no export request of OTLP"):
        read_all("otlp", request_)


@pytest.mark.parametrize(
    "group",
    [None, {}, {"scopeSpans": None}, {"scopeSpans": [{"spans": [None, "x"]}]}, {"resource": 1}],
)
def test_empty_and_odd_groups_hold_no_spans(group: Any) -> None:
    assert read_all("otlp", {"resourceSpans": [group]}) == []


def test_the_older_name_of_scopes() -> None:
    request = export(span())
    (group,) = request["resourceSpans"]
    group["instrumentationLibrarySpans"] = group.pop("scopeSpans")
    assert read_one("otlp", request).app == "shop"


def test_the_same_span_has_the_same_id_in_any_request() -> None:
    reader = otlp.reader(WireSettings())
    records = [Record(1, export(span(1), span(2))), Record(2, export(span(1)))]
    calls, done = taken(reader, records)
    assert (done.calls, done.first, done.last) == (3, MIDNIGHT, MIDNIGHT)
    assert calls[0].call_id == calls[2].call_id != calls[1].call_id
