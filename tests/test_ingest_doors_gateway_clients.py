"""Real clients through the gateway, with only base URL and key changed: the same bytes, one row."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from factories_clients import cases, driven_at
from factories_gateway import MODEL, SECRET, TOKEN, Running, gateway
from factories_practice import calls
from huggingface_hub import AsyncInferenceClient, InferenceClient

from hf_ledger.ingest.places import Places

MESSAGES: Any = [{"role": "user", "content": "one two three"}]
#: Cases that take no base URL and key: bare requests show no token, calls of a provider by its name
#: go to hub's own address, and generation at a bare URL is an endpoint's path.
NOT_BY_BASE_URL = (
    "bare",
    "langchain",
    "smolagents sync",
    "hub provider",
    "hub summary",
    "hub generation",
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with gateway(tmp_path) as started:
        yield started


def check_bytes(running: Running) -> None:
    """What clients got is what the server sent, and each call is one row of the gateway's."""
    front, back = running.front.seen, running.witness.seen
    assert [each.answered for each in front] == [each.answered for each in back]
    assert [each.asked for each in front] == [each.asked for each in back]
    assert {each.headers["authorization"] for each in back} == {f"Bearer {TOKEN}"}
    rows = calls(running.places)
    assert len(rows) == len(back)
    assert {row.source for row in rows} == {"gateway"}


def test_openai(running: Running) -> None:
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key=SECRET)
    said = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert said.usage
    assert said.usage.completion_tokens == 6
    pieces = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    assert pieces[-1].choices or pieces[-1].usage
    assert client.embeddings.create(model="intfloat/e5", input="one two").data
    assert client.responses.create(model=MODEL, input="one two").output_text
    check_bytes(running)


def test_openai_async(running: Running) -> None:
    async def asked() -> int:
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=SECRET) as client:
            said = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
            stream = await client.chat.completions.create(
                model=MODEL, messages=MESSAGES, stream=True
            )
            assert said.choices[0].message.content
            return len([piece async for piece in stream])

    assert asyncio.run(asked()) > 3
    check_bytes(running)


def test_hub(running: Running) -> None:
    client = InferenceClient(base_url=f"{running.url}/v1", api_key=SECRET)
    assert client.chat_completion(MESSAGES, model=MODEL).usage.completion_tokens == 6
    assert len(list(client.chat_completion(MESSAGES, model=MODEL, stream=True))) > 3
    check_bytes(running)


def test_hub_async(running: Running) -> None:
    async def asked() -> int:
        async with AsyncInferenceClient(base_url=f"{running.url}/v1", api_key=SECRET) as client:
            said = await client.chat_completion(MESSAGES, model=MODEL)
            assert said.usage.completion_tokens == 6
            stream = await client.chat_completion(MESSAGES, model=MODEL, stream=True)
            return len([piece async for piece in stream])

    assert asyncio.run(asked()) > 3
    check_bytes(running)


def test_hub_on_a_model_of_hf_inference(running: Running) -> None:
    url = f"{running.url}/hf-inference/models/facebook/bart-large-cnn"
    said = InferenceClient(base_url=url, api_key=SECRET).summarization("one two three")
    assert said.summary_text
    check_bytes(running)
    (row,) = calls(running.places)
    assert (row.task, row.requested_model) == ("summarization", "facebook/bart-large-cnn")


def test_curl(running: Running) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    body = json.dumps({"model": MODEL, "messages": MESSAGES})
    url, key = f"{running.url}/v1/chat/completions", f"Authorization: Bearer {SECRET}"
    asked = ["curl", "-s", url, "-H", key, "-H", "Content-Type: application/json", "-d", body]
    done = subprocess.run(asked, capture_output=True, check=True, timeout=20)
    assert done.stdout == running.witness.seen[-1].answered
    check_bytes(running)


def test_its_own_errors_reach_a_clients_user(running: Running) -> None:
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="hfl_wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="This key is not known here"):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


@pytest.mark.parametrize("number", [1, 2])
def test_clients_of_the_other_environments(running: Running, number: int) -> None:
    names = [
        name
        for name in cases(*(("litellm", "langchain", "smolagents") if number == 2 else ()))
        if not name.startswith(NOT_BY_BASE_URL)
    ]
    recorded_there = Places(running.places.root.parent / "there")
    said = driven_at(number, recorded_there, running.url, names, SECRET)
    front, back = running.front.seen, running.witness.seen
    assert [each.answered for each in front] == [each.answered for each in back]
    failing = [name for name in names if name.endswith("failing")]
    for name in names:
        assert ("error" in said[name]) is (name in (*failing, "hub timeout")), said[name]
    # Where the gateway has the call, a recorder in the client's program stands back.
    assert calls(recorded_there) == []
    assert len(calls(running.places)) == len(back) >= len(names)
