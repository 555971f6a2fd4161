"""huggingface_hub's own clients, sync and async, through every route they take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from factories_practice import (
    CHAT_MODEL,
    Practice,
    calls,
    counted,
    only_call,
    practice_server,
    recorded,
    recording,
)
from huggingface_hub import AsyncInferenceClient, InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError
from huggingface_hub.inference._providers import PROVIDERS, _common
from huggingface_hub.inference._providers import hf_inference as serverless

from hf_ledger.ingest.call import RouteSeen
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.places import Places

MESSAGES = [{"role": "user", "content": "one two three"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    """hub's router and Hub on loopback: the Hub under another name, as its host is another."""
    hub = f"http://localhost:{server.port}"
    template = server.url + "/{provider}"
    monkeypatch.setattr(constants, "INFERENCE_PROXY_TEMPLATE", template)
    for task in PROVIDERS["hf-inference"].values():
        monkeypatch.setattr(task, "base_url", template.format(provider="hf-inference"))
    monkeypatch.setattr(constants, "ENDPOINT", hub)
    monkeypatch.setenv("HF_ENDPOINT", hub)
    _common._fetch_inference_provider_mapping.cache_clear()
    serverless._check_supported_task.cache_clear()
    with recording(server):
        yield server


def test_chat_at_a_base_url(practice: Practice, places: Places) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_marker")
    said = client.chat_completion(MESSAGES, model=CHAT_MODEL, max_tokens=4)
    call = only_call(places)
    assert said.usage.completion_tokens == call.output_tokens == 4
    assert (call.requested_model, call.task, call.provider) == (
        CHAT_MODEL,
        "chat-completion",
        "cerebras",
    )
    assert call.payer == "huggingface"


def test_streamed_chat_stops_at_the_marker_and_is_kept(practice: Practice, places: Places) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_x")
    words = list(client.chat_completion(MESSAGES, model=CHAT_MODEL, stream=True))
    call = only_call(places)
    assert len(words) == 1 + 6 + 1 + 1  # role, words, finish, usage
    assert (call.stream, call.output_tokens, call.outcome) == (True, 6, "ok")


def test_the_openai_spelling(practice: Practice, places: Places) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_x")
    client.chat.completions.create(messages=MESSAGES, model=CHAT_MODEL)
    assert only_call(places).outcome == "ok"


@pytest.mark.parametrize("stream", [False, True])
def test_async_chat(practice: Practice, places: Places, stream: bool) -> None:
    async def ask() -> None:
        async with AsyncInferenceClient(base_url=practice.v1, api_key="hf_x") as client:
            said = await client.chat_completion(MESSAGES, model=CHAT_MODEL, stream=stream)
            if stream:
                assert [piece async for piece in said]

    asyncio.run(ask())
    call = only_call(places)
    assert (call.stream, call.input_tokens, call.output_tokens) == (stream, 3, 6)


def test_a_provider_route_is_understood_by_the_look_up_before_it(
    practice: Practice, places: Places
) -> None:
    client = InferenceClient(provider="novita", api_key="hf_x")
    client.chat_completion(MESSAGES, model=CHAT_MODEL)
    call = only_call(places)
    assert (call.provider, call.provider_model) == ("novita", CHAT_MODEL.lower())
    assert call.requested_model == CHAT_MODEL
    assert call.routing == "explicit"
    routes = {line.provider: line.provider_model for line in seen_routes(places)}
    assert routes == {"novita": CHAT_MODEL.lower(), "cerebras": "llama-3.1-8b-instruct"}
    stop()
    assert counted(places)["mapping"] == 1


def seen_routes(places: Places) -> list[RouteSeen]:
    return [line for line in recorded(places) if isinstance(line, RouteSeen)]


def test_embeddings_on_serverless(practice: Practice, places: Places) -> None:
    client = InferenceClient(provider="hf-inference", api_key="hf_x")
    vectors = client.feature_extraction("a b", model="intfloat/multilingual-e5-large")
    call = only_call(places)
    assert vectors.shape == (1, 8)
    assert (call.task, call.provider) == ("feature-extraction", "hf-inference")
    assert call.requested_model == "intfloat/multilingual-e5-large"
    assert call.compute_seconds is not None
    assert call.output_tokens is None


def test_summaries_on_serverless(practice: Practice, places: Places) -> None:
    client = InferenceClient(provider="hf-inference", api_key="hf_x")
    client.summarization("some long text", model="facebook/bart-large-cnn")
    assert only_call(places).task == "summarization"


@pytest.mark.parametrize("stream", [False, True])
def test_text_generation(practice: Practice, places: Places, stream: bool) -> None:
    client = InferenceClient(base_url=practice.url, api_key="hf_x")
    said = client.text_generation("once upon a", details=True, stream=stream)
    if stream:
        said = list(said)
    call = only_call(places)
    assert said
    assert (call.task, call.stream) == ("text-generation", stream)
    assert (call.input_tokens, call.output_tokens, call.outcome) == (3, 6, "ok")


def test_errors_reach_the_caller_as_before(practice: Practice, places: Places) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_x")
    with pytest.raises(HfHubHTTPError) as raised:
        client.chat_completion(MESSAGES, model="practice/402")
    assert raised.value.response.status_code == 402
    assert "monthly included credits" in str(raised.value)
    assert (only_call(places).error_kind, only_call(places).status) == ("quota", 402)


def test_an_error_in_a_stream_is_kept(practice: Practice, places: Places) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_x")
    with pytest.raises(Exception, match="overloaded"):
        list(client.chat_completion(MESSAGES, model="practice/error-in-stream", stream=True))
    # hub leaves the stream open until the client is closed; the error is its end all the same
    assert (only_call(places).outcome, only_call(places).error_kind) == ("error", "overloaded")


def test_timeouts_of_hub(practice: Practice, places: Places) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_x", timeout=0.2)
    with pytest.raises(InferenceTimeoutError):
        client.chat_completion(MESSAGES, model="practice/hang")
    assert only_call(places).error_kind == "timeout"


def test_billing_is_kept_and_the_trace_id_until_the_servers(
    practice: Practice, places: Places
) -> None:
    client = InferenceClient(base_url=practice.v1, api_key="hf_x", bill_to="acme")
    client.chat_completion(MESSAGES, model=CHAT_MODEL)
    call = calls(places)[0]
    assert call.bill_to == "acme"
    assert (call.request_id or "").startswith("Root=1-")
