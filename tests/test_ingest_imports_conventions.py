"""Spans of other instrumentations: the same call under other names."""

from __future__ import annotations

from typing import Any

import pytest
from factories_imports import MARKER, MIDNIGHT, attribute, export, message, read_all, read_one

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports import conventions
from hf_ledger.ingest.doors.imports.otlp import OTHER, OUTER
from hf_ledger.ingest.doors.imports.protobuf import read_request
from hf_ledger.ingest.doors.imports.rows import NoCall

OPENLLMETRY: dict[str, Any] = {
    "llm.request.type": "chat",
    "gen_ai.system": "Cerebras",
    "gen_ai.request.model": "openai/gpt-oss-120b",
    "gen_ai.response.model": "openai/gpt-oss-120b",
    "gen_ai.usage.prompt_tokens": 1057,
    "gen_ai.usage.completion_tokens": 424,
    "gen_ai.usage.cache_read_input_tokens": 57,
    "llm.usage.total_tokens": 1481,
    "llm.is_streaming": True,
    "traceloop.association.properties.session_id": "sess-00",
    "traceloop.association.properties.user_id": "user-0",
    "gen_ai.prompt.0.content": MARKER,
}
OPENLLMETRY_OLDEST: dict[str, Any] = {
    "llm.request.type": "chat",
    "llm.vendor": "Cerebras",
    "llm.request.model": "openai/gpt-oss-120b",
    "llm.response.model": "openai/gpt-oss-120b",
    "llm.usage.prompt_tokens": 1057,
    "llm.usage.completion_tokens": 424,
    "gen_ai.usage.cache_read_input_tokens": 57,
    "llm.is_streaming": True,
    "session.id": "sess-00",
    "user.id": "user-0",
}
OPENINFERENCE: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.provider": "cerebras",
    "llm.system": "openai",
    "llm.model_name": "openai/gpt-oss-120b",
    "llm.token_count.prompt": 1057,
    "llm.token_count.completion": 424,
    "llm.token_count.total": 1481,
    "llm.token_count.prompt_details.cache_read": 57,
    "llm.is_streaming": True,
    "session.id": "sess-00",
    "user.id": "user-0",
    "input.value": MARKER,
}
AI_SDK: dict[str, Any] = {
    "ai.operationId": "ai.streamText.doStream",
    "ai.model.id": "openai/gpt-oss-120b",
    "ai.model.provider": "cerebras.chat",
    "gen_ai.system": "cerebras.chat",
    "gen_ai.request.model": "openai/gpt-oss-120b",
    "ai.usage.promptTokens": 1057,
    "ai.usage.completionTokens": 424,
    "ai.usage.cachedInputTokens": 57,
    "session.id": "sess-00",
    "user.id": "user-0",
    "ai.prompt.messages": MARKER,
}
PYDANTIC_AI: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "cerebras",
    "gen_ai.request.model": "openai/gpt-oss-120b",
    "gen_ai.usage.input_tokens": 1057,
    "gen_ai.usage.output_tokens": 424,
    "gen_ai.usage.details.cache_read_tokens": 57,
    "gen_ai.request.stream": True,
    "gen_ai.conversation.id": "sess-00",
    "enduser.id": "user-0",
}
STYLES = {
    "openllmetry": OPENLLMETRY,
    "openllmetry, oldest": OPENLLMETRY_OLDEST,
    "openinference": OPENINFERENCE,
    "ai sdk": AI_SDK,
    "pydantic ai": PYDANTIC_AI,
}


def made(said: dict[str, Any], number: int = 1, parent: str = "", **span: Any) -> dict[str, Any]:
    """A span with these attributes and no others."""
    return {
        "traceId": "fc0dd0006604b14b35c47d9eab076d1d",
        "spanId": f"{number:016x}",
        "parentSpanId": parent,
        "name": "call",
        "startTimeUnixNano": str(MIDNIGHT * 1000),
        "endTimeUnixNano": str(MIDNIGHT * 1000 + 5_685_700_000),
        "attributes": [attribute(name, value) for name, value in said.items()],
        "status": {"code": 1},
        **span,
    }


def one(said: dict[str, Any], **span: Any) -> Call:
    return read_one("otlp", export(made(said, **span)))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("binary", [False, True])
def test_every_style_says_the_same(style: str, binary: bool) -> None:
    request = export(made(STYLES[style]))
    call = read_one("otlp", read_request(message(request)) if binary else request)
    assert (call.task, call.provider) == ("chat-completion", "cerebras")
    assert (call.requested_model, call.stream) == ("openai/gpt-oss-120b", True)
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (1000, 57)
    assert (call.output_tokens, call.tokens_source) == (424, "usage")
    assert (call.session_id, call.user_id) == ("sess-00", "user-0")
    assert MARKER not in repr(call)


@pytest.mark.parametrize(
    ("said", "task"),
    [
        ({"openinference.span.kind": "EMBEDDING"}, "feature-extraction"),
        ({"openinference.span.kind": "RERANKER"}, "text-ranking"),
        ({"openinference.span.kind": "CHAIN", "llm.model_name": "m"}, None),
        ({"openinference.span.kind": "TOOL"}, None),
        ({"traceloop.span.kind": "workflow", "gen_ai.request.model": "m"}, None),
        ({"llm.request.type": "completion"}, "text-generation"),
        ({"llm.request.type": "embedding"}, "feature-extraction"),
        ({"llm.request.type": "rerank"}, "text-ranking"),
        ({"ai.operationId": "ai.generateText", "ai.model.id": "m"}, None),
        ({"ai.operationId": "ai.embedMany.doEmbed"}, "feature-extraction"),
        ({"ai.operationId": "ai.toolCall"}, None),
        ({"llm.model_name": "m"}, "chat-completion"),
        ({"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"}, None),
        ({"gen_ai.operation.name": 7, "llm.model_name": "m"}, "chat-completion"),
    ],
)
def test_which_spans_call_a_model(said: dict[str, Any], task: str | None) -> None:
    assert conventions.task_of(said) == task


def test_an_outer_span_of_the_ai_sdk_is_no_call() -> None:
    outer = made({"ai.operationId": "ai.streamText", "ai.model.id": "m"}, 1)
    found = read_all("otlp", export(outer, made(AI_SDK, 2, parent=f"{1:016x}")))
    assert [each for each in found if isinstance(each, NoCall)] == [NoCall(OTHER)]
    assert OUTER not in str(found)


@pytest.mark.parametrize(
    ("given", "total", "uncached"),
    [(1000, 1481, 1000), (1057, 1481, 1000), (1000, None, 943), (20, None, 20)],
    ids=["beside", "within", "within without a total", "beside, as it can't be within"],
)
def test_cached_tokens_beside_or_within(given: int, total: int | None, uncached: int) -> None:
    said = {**OPENINFERENCE, "llm.token_count.prompt": given}
    if total is None:
        del said["llm.token_count.total"]
    call = one({**said, **({"llm.token_count.total": total} if total else {})})
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (uncached, 57)


def test_writes_and_reasoning_of_openinference() -> None:
    more = {
        "llm.token_count.prompt_details.cache_write": 100,
        "llm.token_count.completion_details.reasoning": 300,
        "llm.cost.total": 0.25,
    }
    call = one({**OPENINFERENCE, **more})
    assert (call.uncached_input_tokens, call.cache_write_tokens) == (900, 100)
    assert (call.reasoning_tokens, call.stated_cost) == (300, "0.250000000")


@pytest.mark.parametrize(
    ("said", "kind", "endpoint"),
    [
        ({"gen_ai.openai.api_base": "https://router.huggingface.co/v1"}, "router", None),
        ({"url.full": "https://router.huggingface.co/v1/chat/completions"}, "router", None),
        ({"server.address": "router.huggingface.co", "server.port": 443}, "router", None),
        ({"server.address": "elsewhere.example", "server.port": 443}, None, None),
    ],
)
def test_where_it_went(said: dict[str, Any], kind: str | None, endpoint: str | None) -> None:
    call = one({**PYDANTIC_AI, **said})
    assert (call.host_kind, call.endpoint) == (kind, endpoint)


@pytest.mark.parametrize(
    ("model", "plain", "routing", "provider"),
    [
        ("a/b:fastest", "a/b", "fastest", None),
        ("a/b:groq", "a/b", "explicit", "groq"),
        ("a/b", "a/b", None, None),
    ],
)
def test_a_suffix_of_the_router(
    model: str, plain: str, routing: str | None, provider: str | None
) -> None:
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    call = one({**said, "server.address": "router.huggingface.co"})
    assert (call.requested_model, call.routing, call.provider) == (plain, routing, provider)
    assert one(said).requested_model == model, "elsewhere it may be part of the name"


@pytest.mark.parametrize(
    ("said", "ttft"),
    [
        ({"ai.response.msToFirstChunk": 663}, 663.0),
        ({"gen_ai.server.time_to_first_token": 0.663}, 663.0),
        ({"gen_ai.server.time_to_first_token": 663}, None),
    ],
    ids=["ms", "s", "longer than the call"],
)
def test_the_first_chunk(said: dict[str, Any], ttft: float | None) -> None:
    call = one({**PYDANTIC_AI, **said})
    assert (call.ttft_ms, call.stream) == (ttft, True)


@pytest.mark.parametrize("binary", [False, True])
def test_the_class_of_an_exception_tells_the_kind(binary: bool) -> None:
    kinds = [attribute("exception.type", "openai.RateLimitError")]
    event = {"name": "exception", "attributes": [*kinds, attribute("exception.message", MARKER)]}
    request = export(made(PYDANTIC_AI, status={"code": 2}, events=[{"name": "x"}, event]))
    if binary:
        request = read_request(message(request))
        assert MARKER not in repr(request)
    call = read_one("otlp", request)
    assert (call.outcome, call.error_kind) == ("error", "rate_limited")
    assert MARKER not in repr(call)


def test_an_exception_that_was_handled_is_no_failure() -> None:
    event = {"name": "exception", "attributes": [attribute("exception.type", "TimeoutError")]}
    assert one(PYDANTIC_AI, events=[event]).outcome == "ok"
