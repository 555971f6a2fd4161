"""The practice server over loopback: the shapes Hugging Face's own would have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpx2
import pytest
from factories_practice import CHAT_MODEL, Practice, chat, practice_server

from hf_ledger.practice import TITLE


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture(scope="module")
def client(practice: Practice) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=practice.url, timeout=20) as made:
        yield made


def test_every_reply_is_titled(client: httpx2.Client) -> None:
    for path in ("/", "/v1/models", "/info", f"/api/models/{CHAT_MODEL}"):
        headers = client.get(path).headers
        assert headers["x-hf-ledger-practice"] == "1"
        assert headers["x-practice-server"] == TITLE
    assert f"<h1>{TITLE}</h1>" in client.get("/").text


def test_the_router_names_who_served(client: httpx2.Client) -> None:
    said = client.post("/v1/chat/completions", json=chat())
    assert said.headers["x-inference-provider"] == "cerebras"
    assert said.json()["usage"]["prompt_tokens"] == 2
    cheap = client.post("/v1/chat/completions", json=chat(model=f"{CHAT_MODEL}:cheapest"))
    assert cheap.headers["x-inference-provider"] == "novita"
    assert cheap.json()["model"] == CHAT_MODEL.lower()


def test_request_ids_differ_and_end_with_the_clients_own(client: httpx2.Client) -> None:
    headers = {"x-amzn-trace-id": "mine"}
    replies = [client.post("/v1/chat/completions", json=chat(), headers=headers) for _ in "ab"]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert ids[0] != ids[1]
    assert all(each.startswith("Root=1-") and each.endswith(";mine") for each in ids)


@pytest.mark.parametrize(
    "path", ["novita/v3/openai", "groq/openai/v1", "fireworks-ai/inference/v1"]
)
def test_providers_deeper_paths(client: httpx2.Client, path: str) -> None:
    assert client.post(f"/{path}/chat/completions", json=chat()).json()["model"] == CHAT_MODEL


def test_a_providers_own_route_names_nobody(client: httpx2.Client) -> None:
    said = client.post("/together/v1/chat/completions", json=chat())
    assert "x-inference-provider" not in said.headers
    assert said.headers["retry-after"] == "2"
    assert said.json()["usage"]["cached_tokens"] == 0


def test_streams_are_events(client: httpx2.Client) -> None:
    with client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as said:
        lines = [line for line in said.iter_lines() if line]
    assert said.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("/hf-inference/models/facebook/bart-large-cnn", {"inputs": "x"}, "summary_text"),
        ("/hf-inference/models/google-t5/t5-small", {"inputs": "x"}, "translation_text"),
        ("/hf-inference/models/a/b/pipeline/feature-extraction", {"inputs": "x"}, "[["),
        ("/hf-inference/pipeline/fill-mask/a/b", {"inputs": "a [MASK]"}, "token_str"),
        ("/models/deepset/roberta-base-squad2", {"inputs": {"question": "?"}}, "answer"),
        ("/", {"inputs": "once"}, "generated_text"),
        ("/generate", {"inputs": "once"}, "generated_text"),
        ("/together/v1/completions", {"prompt": "once"}, "text_completion"),
        ("/v1/embeddings", {"input": "x", "model": "a/b"}, "embedding"),
    ],
)
def test_tasks_by_path(
    client: httpx2.Client, path: str, body: dict[str, object], found: str
) -> None:
    assert found in client.post(path, json=body).text


def test_pipelines_say_what_they_computed(client: httpx2.Client) -> None:
    said = client.post("/hf-inference/models/facebook/bart-large-cnn", json={"inputs": "four"})
    assert said.headers["x-compute-characters"] == str(len("four"))
    assert said.headers["x-compute-type"] == "cpu"
    assert float(said.headers["x-compute-time"]) > 0


def test_speech_states_its_length(client: httpx2.Client) -> None:
    said = client.post("/hf-inference/models/openai/whisper-large-v3", content=b"\0" * 32000)
    assert said.headers["x-compute-audio-length"] == "2.00"
    assert said.headers["x-compute-characters"] == "-1"


def test_pictures_are_pictures(client: httpx2.Client) -> None:
    path = "/hf-inference/models/black-forest-labs/FLUX.1-schnell"
    assert client.post(path, json={"inputs": "sea"}).headers["content-type"] == "image/png"


def test_generation_counts_in_headers(client: httpx2.Client) -> None:
    headers = client.post("/hf-inference/models/x/y", json={"inputs": "a b c"}).headers
    assert (headers["x-prompt-tokens"], headers["x-generated-tokens"]) == ("3", "6")


def test_mapping_with_and_without_expand(client: httpx2.Client) -> None:
    path = f"/api/models/{CHAT_MODEL}"
    expanded = client.get(path, params={"expand": "inferenceProviderMapping"}).json()
    assert set(expanded) == {"_id", "id", "inferenceProviderMapping"}
    assert client.get(path).json()["pipeline_tag"] == "text-generation"


def test_one_model_or_none(client: httpx2.Client) -> None:
    assert client.get(f"/v1/models/{CHAT_MODEL}").json()["id"] == CHAT_MODEL
    assert client.get("/v1/models/nobody/nothing").status_code == 404


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ("400", 400),
        ("401", 401),
        ("402", 402),
        ("403", 403),
        ("404", 404),
        ("410", 410),
        ("422", 422),
        ("424", 424),
        ("429", 429),
        ("500", 500),
        ("502", 502),
        ("503", 503),
        ("504", 504),
        ("loading", 503),
        ("overloaded", 429),
        ("plain-text", 422),
    ],
)
def test_every_error_on_request(client: httpx2.Client, wish: str, status: int) -> None:
    by_header = client.post("/v1/chat/completions", json=chat(), headers={"x-practice": wish})
    by_model = client.post("/v1/chat/completions", json=chat(model=f"practice/{wish}"))
    assert (by_header.status_code, by_model.status_code) == (status, status)


def test_loading_tells_when(client: httpx2.Client) -> None:
    said = client.post("/v1/chat/completions", json=chat(model="practice/loading"))
    assert said.json()["estimated_time"] == 20.0


def test_rate_limits_say_when_to_come_back(client: httpx2.Client) -> None:
    said = client.post("/v1/chat/completions", json=chat(model="practice/429"))
    assert said.headers["retry-after"] == "1"


def test_flaky_refuses_each_request_once(client: httpx2.Client) -> None:
    bodies = [chat(text, model="practice/flaky") for text in ("a", "a", "b", "b")]
    statuses = [client.post("/v1/chat/completions", json=body).status_code for body in bodies]
    assert statuses == [503, 200, 503, 200]


@pytest.mark.parametrize("stream", [False, True])
def test_cut_replies_are_incomplete(client: httpx2.Client, stream: bool) -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match="incomplete"):
        client.post("/v1/chat/completions", json=chat(model="practice/cut", stream=stream))


@pytest.mark.parametrize("stream", [False, True])
def test_slow_replies_take_the_time_wished(client: httpx2.Client, stream: bool) -> None:
    began = time.perf_counter()
    client.post("/v1/chat/completions", json=chat(model="practice/slow=0.3", stream=stream))
    assert 0.25 < time.perf_counter() - began < 3


def test_hanging_calls_end_when_the_caller_gives_up(client: httpx2.Client) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        client.post("/v1/chat/completions", json=chat(model="practice/hang"), timeout=0.2)


@pytest.mark.parametrize("stream", [False, True])
def test_compressed_replies_read_the_same(client: httpx2.Client, stream: bool) -> None:
    said = client.post("/v1/chat/completions", json=chat(model="practice/gzip", stream=stream))
    assert said.headers["content-encoding"] == "gzip"
    assert TITLE in said.text


async def test_two_hundred_at_once(practice: Practice) -> None:
    limits = httpx2.Limits(max_connections=200)
    async with httpx2.AsyncClient(base_url=practice.url, timeout=60, limits=limits) as client:
        posts = [
            client.post("/v1/chat/completions", json=chat(f"n{i}", stream=i % 2 == 0))
            for i in range(200)
        ]
        replies = await asyncio.gather(*posts)
    assert all(reply.status_code == 200 for reply in replies)
    assert all(f"n{i}" in reply.text for i, reply in enumerate(replies))
