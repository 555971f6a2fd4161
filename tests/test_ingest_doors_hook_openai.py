"""openai's clients with Hugging Face's base URL, over httpx2 and over a legacy httpx client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from factories_practice import CHAT_MODEL, Practice, calls, only_call, practice_server, recording

from hf_ledger import operation
from hf_ledger.ingest.places import Places

MESSAGES: Any = [{"role": "user", "content": "one two three"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice) -> Iterator[Practice]:
    with recording(server):
        yield server


@pytest.fixture(params=["own", "httpx"])
def client(request: pytest.FixtureRequest, practice: Practice) -> Iterator[openai.OpenAI]:
    given: Any = {"http_client": httpx.Client()} if request.param == "httpx" else {}
    with openai.OpenAI(base_url=practice.v1, api_key="hf_x", **given) as made:
        yield made


def test_plain_chat(client: openai.OpenAI, places: Places) -> None:
    said = client.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES)
    call = only_call(places)
    assert said.usage is not None
    assert (call.input_tokens, call.output_tokens) == (3, said.usage.completion_tokens)
    assert call.requested_model == CHAT_MODEL


@pytest.mark.parametrize("usage", [False, True])
def test_streamed_chat(client: openai.OpenAI, places: Places, usage: bool) -> None:
    more: Any = {"stream_options": {"include_usage": True}} if usage else {}
    stream = client.chat.completions.create(
        model="HuggingFaceTB/SmolLM3-3B", messages=MESSAGES, stream=True, **more
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    call = only_call(places)
    assert "".join(pieces).endswith("one two three")
    assert (call.provider, call.stream, call.outcome) == ("hf-inference", True, "ok")
    assert call.tokens_source == ("usage" if usage else "estimated")
    estimated = round(len("".join(pieces)) * 0.24)
    assert call.output_tokens == (6 if usage else estimated)


def test_embeddings(client: openai.OpenAI, places: Places) -> None:
    client.embeddings.create(model="intfloat/multilingual-e5-large", input=["a b", "c"])
    call = only_call(places)
    assert (call.task, call.input_tokens) == ("feature-extraction", 3)


def test_retries_of_the_client_are_attempts(client: openai.OpenAI, places: Places) -> None:
    text: Any = [{"role": "user", "content": f"retry {type(client._client).__module__}"}]
    with operation("with a retry"):
        client.chat.completions.create(model="practice/flaky", messages=text)
    first, second = calls(places)
    assert [(c.attempt, c.outcome) for c in (first, second)] == [(1, "error"), (2, "ok")]
    assert first.operation_id == second.operation_id is not None


def test_errors_reach_the_caller(client: openai.OpenAI, places: Places) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="practice/401", messages=MESSAGES)
    assert only_call(places).error_kind == "auth"


@pytest.mark.parametrize("stream", [False, True])
def test_async_chat(practice: Practice, places: Places, stream: bool) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=practice.v1, api_key="hf_x") as client:
            said: Any = await client.chat.completions.create(
                model=CHAT_MODEL, messages=MESSAGES, stream=stream
            )
            if stream:
                assert [chunk async for chunk in said]

    asyncio.run(ask())
    call = only_call(places)
    assert (call.stream, call.output_tokens, call.outcome) == (stream, 6, "ok")


def test_leaving_a_stream_half_way(client: openai.OpenAI, places: Places) -> None:
    stream = client.chat.completions.create(
        model="practice/slow=3,words=40", messages=MESSAGES, stream=True
    )
    next(iter(stream))
    stream.close()
    assert only_call(places).outcome == "interrupted"
