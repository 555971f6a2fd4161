"""What has no public recording is played by the practice server, driven and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from factories_practice import (
    CHAT_MODEL,
    Practice,
    calls,
    chat,
    counted,
    only_call,
    practice_server,
    recording,
)

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.places import Places


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def client(practice: Practice) -> Iterator[httpx2.Client]:
    with recording(practice), httpx2.Client(base_url=practice.url, timeout=20) as made:
        yield made


@pytest.fixture
def responses(practice: Practice) -> Iterator[Any]:
    with (
        recording(practice),
        openai.OpenAI(base_url=practice.v1, api_key="hf_x", max_retries=0) as made,
    ):
        yield made.responses


def counts(call: Call) -> tuple[int | None, ...]:
    return (
        call.input_tokens,
        call.cache_read_tokens,
        call.output_tokens,
        call.reasoning_tokens,
    )


FAILING = {
    "402": "quota",
    "403": "auth",
    "410": "not_found",
    "424": "server_error",
    "504": "timeout",
    "502": "server_error",
    "loading": "model_loading",
    "overloaded": "overloaded",
    "plain-text": "bad_request",
}


@pytest.mark.parametrize(("wish", "kind"), FAILING.items())
def test_a_refusal_has_its_kind_and_no_tokens(
    client: httpx2.Client, places: Places, wish: str, kind: str
) -> None:
    client.post("/v1/chat/completions", json=chat(), headers={"x-practice": wish})
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("error", kind)
    assert counts(call) == (None, None, None, None)


def test_who_pays_and_who_serves_stand_in_header_and_suffix(
    client: httpx2.Client, places: Places
) -> None:
    body = chat(model=f"{CHAT_MODEL}:cheapest")
    client.post("/v1/chat/completions", json=body, headers={"x-hf-bill-to": "acme"})
    call = only_call(places)
    assert (call.bill_to, call.routing, call.provider) == ("acme", "cheapest", "novita")
    assert call.requested_model == CHAT_MODEL


def test_cached_and_reasoning_tokens_are_parts_of_the_totals(
    client: httpx2.Client, places: Places
) -> None:
    wish = {"x-practice": "cached=2,reasoning=5,words=7"}
    client.post("/v1/chat/completions", json=chat("one two three four"), headers=wish)
    assert counts(only_call(places)) == (4, 2, 12, 5)


def test_responses_of_openais_client(responses: Any, places: Places) -> None:
    said = responses.create(model=CHAT_MODEL, input="one two three", instructions="be brief")
    call = only_call(places)
    assert call.output_tokens == said.usage.output_tokens
    assert (call.task, call.input_tokens, call.provider) == ("chat-completion", 5, "cerebras")


def test_streamed_responses_of_openais_client(responses: Any, places: Places) -> None:
    wish = {"x-practice": "words=4,cached=1,reasoning=2"}
    with responses.create(
        model=CHAT_MODEL, input="one two", stream=True, extra_headers=wish
    ) as events:
        kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    call = only_call(places)
    assert counts(call) == (2, 1, 6, 2)
    assert (call.outcome, call.stream, call.ttft_ms is not None) == ("ok", True, True)


def test_a_response_that_fails_in_its_stream(responses: Any, places: Places) -> None:
    wish = {"x-practice": "error-in-stream"}
    with responses.create(model=CHAT_MODEL, input="x", stream=True, extra_headers=wish) as events:
        assert [event.type for event in events][-1] == "response.failed"
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.status) == ("error", "server_error", 200)


MESSAGE = {**chat("one two three"), "system": "be brief", "max_tokens": 50}


def test_messages_count_cached_tokens_beside_the_input(
    client: httpx2.Client, places: Places
) -> None:
    client.post("/v1/messages", json=MESSAGE, headers={"x-practice": "cached=2,words=3"})
    call = only_call(places)
    assert counts(call) == (5, 2, 3, None)
    assert (call.uncached_input_tokens, call.task) == (3, "chat-completion")


def test_streamed_messages_split_their_usage(client: httpx2.Client, places: Places) -> None:
    body = {**MESSAGE, "stream": True}
    client.post("/v1/messages", json=body, headers={"x-practice": "cached=2,words=3"})
    call = only_call(places)
    assert counts(call) == (5, 2, 3, None)
    assert (call.outcome, call.stream) == ("ok", True)


def test_an_error_event_among_messages(client: httpx2.Client, places: Places) -> None:
    body = {**MESSAGE, "stream": True}
    client.post("/v1/messages", json=body, headers={"x-practice": "error-in-stream"})
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("error", "overloaded")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_a_stream_cut_off_is_interrupted(client: httpx2.Client, places: Places, path: str) -> None:
    body = {**chat(stream=True), "input": "x"}
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post(path, json=body, headers={"x-practice": "cut,words=20"})
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted", "connection")


def test_a_stream_without_usage_is_estimated(client: httpx2.Client, places: Places) -> None:
    wish = {"x-practice": "no-usage,words=40"}
    client.post("/v1/chat/completions", json=chat(stream=True), headers=wish)
    call = only_call(places)
    written = " ".join(f"word{number}" for number in range(40))
    assert call.output_tokens == round(len(written) * 0.24)
    assert (call.outcome, call.tokens_source) == ("ok", "estimated")


def test_a_stream_cut_off_is_costed_on_what_came(client: httpx2.Client, places: Places) -> None:
    wish = {"x-practice": "cut,no-usage,words=40"}
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post("/v1/chat/completions", json=chat(stream=True), headers=wish)
    call = only_call(places)
    written = " ".join(f"word{number}" for number in range(40))
    assert 0 < (call.output_tokens or 0) < len(written) * 0.24 * 0.6
    assert (call.outcome, call.tokens_source) == ("interrupted", "estimated")


TEI = {
    "/embed": ({"inputs": ["one two", "three"]}, "feature-extraction", 3),
    "/rerank": ({"query": "one", "texts": ["two three", "four"]}, "text-ranking", 4),
    "/predict": ({"inputs": "one two"}, "text-classification", 2),
    "/similarity": (
        {"inputs": {"source_sentence": "one", "sentences": ["two", "three"]}},
        "sentence-similarity",
        3,
    ),
}


@pytest.fixture
def endpoint(practice: Practice) -> Iterator[httpx2.Client]:
    with (
        recording(practice),
        httpx2.Client(base_url=practice.url, timeout=20) as made,
    ):
        import hf_ledger

        hf_ledger.record(hosts=[f"{practice.host}=endpoint"])
        yield made


@pytest.mark.parametrize("path", TEI)
def test_tei_states_milliseconds_and_tokens_in_headers(
    endpoint: httpx2.Client, places: Places, path: str
) -> None:
    body, task, tokens = TEI[path]
    said = endpoint.post(path, json=body)
    call = only_call(places)
    assert (call.task, call.input_tokens, call.output_tokens) == (task, tokens, None)
    assert call.tokens_source == "header"
    assert call.compute_seconds == int(said.headers["x-compute-time"]) / 1000


def test_vllm_states_usage_alone(endpoint: httpx2.Client, places: Places) -> None:
    body = chat("one two", model="a/b")
    said = endpoint.post("/v1/chat/completions", json=body, headers={"x-practice": "endpoint"})
    assert not [name for name in said.headers if name.startswith(("x-compute", "x-inference"))]
    call = only_call(places)
    assert (call.host_kind, call.provider, call.requested_model) == ("endpoint", None, "a/b")
    assert (call.input_tokens, call.compute_seconds) == (2, None)


@pytest.mark.parametrize(
    ("path", "body", "task", "tokens"),
    [
        ("/score", {"model": "a/b", "text_1": "x", "text_2": "y z"}, "text-ranking", 3),
        ("/pooling", {"model": "a/b", "input": "x y"}, "feature-extraction", 2),
    ],
)
def test_vllms_readers(  # noqa: PLR0917 - one row of the table
    endpoint: httpx2.Client, places: Places, path: str, body: Any, task: str, tokens: int
) -> None:
    endpoint.post(path, json=body)
    call = only_call(places)
    assert (call.task, call.input_tokens, call.tokens_source) == (task, tokens, "usage")


def test_tgi_streams_tokens_without_an_end_marker(endpoint: httpx2.Client, places: Places) -> None:
    body = {"inputs": "one two three", "parameters": {"max_new_tokens": 4}}
    endpoint.post("/generate_stream", json=body)
    call = only_call(places)
    assert (call.task, call.stream, call.outcome) == ("text-generation", True, "ok")
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (3, 4, "details")


def poll(client: httpx2.Client, *paths: str, times: int = 3) -> httpx2.Response:
    """Ask for the job's state, `times` times, then for each further address once."""
    for _ in range(times):
        said = client.get(paths[0])
    for path in paths[1:]:
        said = client.get(path)
    return said


def test_fals_queue_is_one_call_with_the_results_units(
    client: httpx2.Client, places: Places
) -> None:
    place = "/fal-ai/fal-ai/ltx-video"
    said = client.post(f"{place}?_subdomain=queue", json={"prompt": "a film"}).json()
    job = f"{place}/requests/{said['request_id']}"
    assert calls(places) == []
    poll(client, f"{job}/status?_subdomain=queue", f"{job}?_subdomain=queue")
    call = only_call(places)
    assert (call.outcome, call.units, call.unit_kind) == ("ok", "3", "fal_billable_unit")
    assert (call.task, call.provider_model) == ("text-to-video", "fal-ai/ltx-video")
    assert call.provider_request_id == said["request_id"]


def test_polls_lengthen_the_call_and_are_counted_beside_it(
    client: httpx2.Client, places: Places
) -> None:
    place = "/together/v2/videos"
    body = {"model": "minimax/hailuo", "prompt": "a film"}
    said = client.post(place, json=body, headers={"x-practice": "polls=1"}).json()
    between = client.get("/v1/models")
    poll(client, f"{place}/{said['id']}", times=1)
    call = only_call(places)
    assert call.latency_ms is not None
    assert call.latency_ms > between.elapsed.total_seconds() * 1000
    assert (call.outcome, call.task) == ("ok", "text-to-video")
    import hf_ledger.ingest.doors.hook.recording as door

    door.stop()
    assert counted(places)["poll"] == 1


FAILED = {
    "replicate": ("/replicate/v1/predictions", "/replicate/v1/predictions/{}", "other"),
    "wavespeed": (
        "/wavespeed/api/v3/wan/t2v",
        "/wavespeed/api/v3/predictions/{}/result",
        "other",
    ),
    "together": ("/together/v2/videos", "/together/v2/videos/{}", "server_error"),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_job_that_fails_is_a_call_that_failed(
    client: httpx2.Client, places: Places, name: str
) -> None:
    start, ask, kind = FAILED[name]
    body = {"input": {"prompt": "x"}, "prompt": "x"}
    said = client.post(start, json=body, headers={"x-practice": "fail"}).json()
    poll(client, ask.format(said.get("id") or said["data"]["id"]))
    call = only_call(places)
    assert (call.provider, call.outcome, call.error_kind) == (name, "error", kind)


def test_a_result_that_fal_could_not_make(client: httpx2.Client, places: Places) -> None:
    place = "/fal-ai/fal-ai/flux?_subdomain=queue"
    said = client.post(place, json={"prompt": "x"}, headers={"x-practice": "fail"}).json()
    job = f"/fal-ai/fal-ai/flux/requests/{said['request_id']}"
    poll(client, f"{job}/status", job)
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.units) == ("error", "bad_request", None)


def test_a_prediction_that_succeeds_has_its_pictures(client: httpx2.Client, places: Places) -> None:
    body = {"input": {"prompt": "a cat"}}
    said = client.post("/replicate/v1/models/a/b/predictions", json=body).json()
    poll(client, f"/replicate/v1/predictions/{said['id']}")
    call = only_call(places)
    assert (call.task, call.images, call.provider_model) == ("text-to-image", 1, "a/b")


def test_polls_of_an_async_client_belong_to_their_call(practice: Practice, places: Places) -> None:
    async def film() -> None:
        async with httpx2.AsyncClient(base_url=practice.url) as client:
            start = await client.post("/wavespeed/api/v3/wan/t2v", json={"prompt": "x"})
            job = start.json()["data"]["id"]
            for _ in range(3):
                await client.get(f"/wavespeed/api/v3/predictions/{job}/result")

    with recording(practice):
        asyncio.run(film())
        call = only_call(places)
    assert (call.task, call.outcome) == ("text-to-video", "ok")


def test_two_jobs_at_once_keep_their_own_results(client: httpx2.Client, places: Places) -> None:
    wishes = ({}, {"x-practice": "fail"})
    start = "/together/v2/videos"
    jobs = [client.post(start, json={"prompt": "x"}, headers=wish).json()["id"] for wish in wishes]
    for job in reversed(jobs):
        poll(client, f"{start}/{job}")
    assert [call.outcome for call in calls(places)] == ["ok", "error"]


def test_a_job_nobody_asks_for_again_ends_with_the_process(
    practice: Practice, places: Places
) -> None:
    with recording(practice), httpx2.Client(base_url=practice.url) as client:
        said = client.post("/wavespeed/api/v3/wan/t2v", json={"prompt": "x"}).json()
        client.get(f"/wavespeed/api/v3/predictions/{said['data']['id']}/result")
        assert calls(places) == []
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted", None)
