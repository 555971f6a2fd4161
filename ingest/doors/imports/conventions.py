"""What instrumentations call the same thing: OpenTelemetry's GenAI conventions old and new,
OpenLLMetry (Traceloop), OpenInference (Phoenix), Vercel's AI SDK, OpenLIT, Pydantic AI.

Of each list the first attribute that says something counts; the conventions' own name comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_ledger.ingest.doors.imports.providers import task_name

Attributes = Mapping[str, Any]

REQUESTED_MODEL = (
    "gen_ai.request.model",
    "llm.request.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "ai.model.id",
)
RESPONSE_MODEL = ("gen_ai.response.model", "llm.response.model", "ai.response.model")
PROVIDER = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "llm.vendor",
    "ai.model.provider",
)
#: Vercel's AI SDK writes `openai.chat`: the provider, and which of its APIs.
API_SUFFIXES = (".chat", ".responses", ".completion", ".embedding", ".image")

INPUT_TOKENS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
OUTPUT_TOKENS = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cached_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.details.cache_read_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens",
)
CACHE_WRITE = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
    "gen_ai.usage.input_tokens.cache_write",
    "gen_ai.usage.details.cache_write_tokens",
    "llm.token_count.prompt_details.cache_write",
)
REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.reasoning_output_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
)
TOTAL_TOKENS = (
    "gen_ai.usage.total_tokens",
    "llm.token_count.total",
    "llm.usage.total_tokens",
    "ai.usage.totalTokens",
)
COST = ("gen_ai.usage.cost", "llm.cost.total", "operation.cost")

FIRST_CHUNK_SECONDS = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.server.time_to_first_token",
)
FIRST_CHUNK_MS = ("ai.response.msToFirstChunk",)
STREAM = ("gen_ai.request.stream", "llm.is_streaming", "gen_ai.request.is_stream")

RESPONSE_ID = ("gen_ai.response.id", "ai.response.id", "llm.response.id")
SESSION = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
)
USER = (
    "enduser.id",
    "user.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
)
STATUS = ("http.response.status_code", "http.status_code")
ADDRESS = (
    "server.address",
    "gen_ai.openai.api_base",
    "llm.openai.api_base",
    "url.full",
    "http.url",
    "net.peer.name",
)

#: OpenInference says what kind a span is; all others of its kinds call no model.
_OPENINFERENCE = {
    "LLM": "chat-completion",
    "EMBEDDING": "feature-extraction",
    "RERANKER": "text-ranking",
}
#: OpenLLMetry's: "completion" is the old API there, which continues a text.
_REQUEST_TYPES = {"completion": "text-generation"}
#: Vercel's: the outer `ai.generateText` holds one or more of these.
_AI_SDK = {"doGenerate": "chat", "doStream": "chat", "doEmbed": "embeddings"}


def task_of(said: Attributes) -> str | None:
    """The task of a span that calls a model; agents, tools and retrievals have none."""
    operation = _word(said, "gen_ai.operation.name")
    if operation is not None:
        return task_name(operation)
    kind = _word(said, "openinference.span.kind")
    if kind is not None:
        return _OPENINFERENCE.get(kind.upper())
    if "traceloop.span.kind" in said:
        return None
    request = _word(said, "llm.request.type")
    if request is not None:
        return _REQUEST_TYPES.get(request.lower()) or task_name(request)
    sdk = _word(said, "ai.operationId")
    if sdk is not None:
        return task_name(_AI_SDK.get(sdk.rpartition(".")[2]))
    asked = any(name in said for name in REQUESTED_MODEL)
    return "chat-completion" if asked else None


def _word(said: Attributes, name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and value else None
