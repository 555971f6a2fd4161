"""The practice server with bodies and wishes that make no sense: it answers, and never breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from factories_practice import Practice, chat, practice_server
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.practice import TITLE, answers, mishaps, models, pipelines

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture(scope="module")
def client(practice: Practice) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=practice.url, timeout=20) as made:
        yield made


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", "abc"),
        ("max_tokens", -1),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("max_tokens", []),
        ("max_completion_tokens", {"a": 1}),
        ("stream_options", [1]),
        ("stream_options", "include_usage"),
        ("messages", "hi"),
        ("messages", 5),
        ("messages", None),
        ("messages", {"a": 1}),
        ("messages", [1, None, {"content": 5}]),
        ("model", 5),
        ("model", ["a"]),
        ("model", None),
    ],
)
def test_a_chat_of_nonsense_is_answered_whole(
    client: httpx2.Client, name: str, value: Any, stream: bool
) -> None:
    said = client.post(CHAT, json={**chat(stream=stream), name: value})
    assert said.status_code == 200
    assert TITLE.split()[0] in said.text
    if stream:
        assert said.text.endswith("data: [DONE]\n\n")
    else:
        (choice,) = said.json()["choices"]
        assert choice["finish_reason"] == "stop"
        assert choice["message"]["content"].startswith(f"{TITLE}.")


@pytest.mark.parametrize(
    "raw",
    [b"", b"not json", b"[1]", b"null", b"\xff\xfe", b'{"a":' * 20_000, b'{"a": ' + b"9" * 5000],
    ids=["empty", "text", "list", "null", "bytes", "deep", "digits"],
)
def test_a_body_that_is_no_object_counts_no_tokens(client: httpx2.Client, raw: bytes) -> None:
    said = client.post(CHAT, content=raw)
    assert said.status_code == 200
    assert said.json()["usage"]["prompt_tokens"] == 0


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("/", {"inputs": 5, "parameters": [1]}, "generated_text"),
        ("/", {"inputs": None, "parameters": "x"}, "generated_text"),
        ("/", {"inputs": "a", "parameters": {"max_new_tokens": "x"}}, "generated_text"),
        ("/v1/completions", {"prompt": "a", "max_tokens": "x"}, "text_completion"),
        ("/v1/completions", {"prompt": {"a": 1}}, "text_completion"),
        ("/v1/embeddings", {"input": 5}, "embedding"),
        ("/v1/embeddings", {}, "embedding"),
        ("/models/facebook/bart-large-mnli", {"parameters": [5]}, "practice"),
        (
            "/models/facebook/bart-large-mnli",
            {"parameters": {"candidate_labels": 5}},
            "practice",
        ),
        ("/pipeline/sentence-similarity/a/b", {"inputs": {"sentences": 5}}, "[]"),
        ("/pipeline/sentence-similarity/a/b", {"inputs": {"sentences": None}}, "[]"),
        ("/pipeline/sentence-similarity/a/b", {"inputs": 5}, "[]"),
        ("/pipeline/no-such-task/a/b", {"inputs": "x"}, "is not played here"),
    ],
)
def test_a_task_of_nonsense_is_answered(
    client: httpx2.Client, path: str, body: dict[str, Any], found: str
) -> None:
    said = client.post(path, json=body)
    assert (said.status_code, found in said.text) == (200, True)


@pytest.mark.parametrize(
    "wish",
    ["slow=nan", "slow=-inf", "words=-1", "cached=x", "words=" + "9" * 5000, "=", ",,", "1e3"],
)
def test_a_wish_nobody_knows_does_nothing(client: httpx2.Client, wish: str) -> None:
    begun = time.perf_counter()
    said = client.post(CHAT, json=chat("good morning"), headers={"x-practice": wish})
    assert said.status_code == 200
    assert said.json()["choices"][0]["message"]["content"] == f"{TITLE}. You wrote: good morning"
    assert time.perf_counter() - begun < 5


def test_the_first_failure_wished_for_is_the_one(client: httpx2.Client) -> None:
    for wish, status in (("402,500", 402), ("500,402", 500), ("gzip,429", 429)):
        assert client.post(CHAT, json=chat(), headers={"x-practice": wish}).status_code == status


def test_the_server_still_answers_after_all_that(client: httpx2.Client) -> None:
    assert client.post(CHAT, json=chat()).json()["usage"]["prompt_tokens"] == 2


# Without a network ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seconds"), [("nan", 0.0), ("inf", 60.0), ("-inf", 0.0), ("1e-3", 0.001), ("", 0.0)]
)
def test_no_wish_sleeps_for_ever(said: str, seconds: float) -> None:
    assert mishaps.seconds_of({"slow": said}) == seconds


@pytest.mark.parametrize(
    ("said", "number"),
    [("7", 7), ("0", 0), ("-1", 0), ("³", 0), ("x", 0), ("100001", 100_000), ("9" * 5000, 0)],
)
def test_numbers_wished_for_are_bounded(said: str, number: int) -> None:
    assert mishaps.number_of({"words": said}, "words") == number


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
names = ("messages", "max_tokens", "inputs", "parameters", "input", "prompt", "stream_options")
bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(names, anything))


@given(bodies, st.sampled_from(sorted(pipelines.PIPELINES)))
def test_any_body_has_an_answer_to_every_task(body: dict[str, Any], task: str) -> None:
    said = pipelines.pipeline_reply(task, body)
    assert isinstance(said, bytes) or json.dumps(said)


@given(bodies, st.sampled_from(["together", "cerebras", "hyperbolic", "hf-inference"]))
def test_any_chat_streams_what_it_answers(body: dict[str, Any], provider: str) -> None:
    answered = answers.chat_answer(body, {})
    pieces = list(answers.chat_events(body, "a/b", answered, provider, {}))
    read = [json.loads(piece.removeprefix(b"data: ")) for piece in pieces[:-1]]
    contents = [c["delta"].get("content", "") for each in read for c in each["choices"]]
    assert "".join(contents) == answered.text
    whole = answers.chat_reply("a/b", answered, provider)
    assert whole["choices"][0]["message"]["content"] == answered.text
    assert whole["usage"]["completion_tokens"] == answered.output_tokens


@given(bodies, st.integers(1, 10))
def test_a_generation_is_as_long_as_its_limit(body: dict[str, Any], limit: int) -> None:
    limited = {**body, "parameters": {"max_new_tokens": limit}}
    answered = answers.generation_answer(limited, {})
    assert answered.output_tokens <= limit
    assert (answered.finish_reason == "length") == (
        answers.generation_answer({**body, "parameters": {}}, {}).output_tokens > limit
    )


@given(st.text(max_size=40), st.sampled_from([None, "fastest", "cheapest", "preferred"]))
def test_some_provider_serves_any_model(model: str, suffix: str | None) -> None:
    provider = models.choose_provider(model, suffix)
    assert provider in {lane.provider for lane in models.lanes_of(model)}
    assert isinstance(models.provider_id(provider, model), str)
