"""Every end a call can find: errors, cuts, time, leaving, cancelling, and what is no call."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from factories_practice import (
    Practice,
    calls,
    chat,
    counted,
    only_call,
    practice_server,
    recorded,
    recording,
)

import hf_ledger
from hf_ledger.ingest.call import OpenCall, Recorder
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.places import Places

LIBRARIES = [httpx, httpx2]


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice) -> Iterator[Practice]:
    with recording(server, app="shop", team="search"):
        yield server


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize(
    ("wish", "kind", "status"),
    [
        ("400", "bad_request", 400),
        ("401", "auth", 401),
        ("402", "quota", 402),
        ("404", "not_found", 404),
        ("429", "rate_limited", 429),
        ("overloaded", "overloaded", 429),
        ("loading", "model_loading", 503),
        ("500", "server_error", 500),
        ("504", "timeout", 504),
    ],
)
def test_errors_by_kind(
    practice: Practice, places: Places, wish: str, kind: str, status: int
) -> None:
    httpx2.post(f"{practice.v1}/chat/completions", json=chat(model=f"practice/{wish}"))
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.status) == ("error", kind, status)
    assert call.output_tokens is None


def test_an_error_inside_a_stream_is_an_error(practice: Practice, places: Places) -> None:
    body = chat(model="practice/error-in-stream", stream=True)
    reply = httpx2.post(f"{practice.v1}/chat/completions", json=body)
    call = only_call(places)
    assert reply.status_code == 200
    assert (call.outcome, call.error_kind) == ("error", "overloaded")


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_reply_raises_for_the_caller_and_is_interrupted(
    library: Any, practice: Practice, places: Places, stream: bool
) -> None:
    with pytest.raises(library.RemoteProtocolError):
        library.post(
            f"{practice.v1}/chat/completions", json=chat(model="practice/cut", stream=stream)
        )
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted", "connection")


def test_no_reply_in_time(library: Any, practice: Practice, places: Places) -> None:
    with pytest.raises(library.ReadTimeout):
        library.post(
            f"{practice.v1}/chat/completions", json=chat(model="practice/hang"), timeout=0.2
        )
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.status) == ("error", "timeout", None)
    assert call.latency_ms is not None
    assert call.latency_ms >= 190


def test_a_stream_that_stalls_is_interrupted_by_time(practice: Practice, places: Places) -> None:
    body = chat(model="practice/slow=30,words=10", stream=True)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{practice.v1}/chat/completions", json=body, timeout=0.3)
    assert (only_call(places).outcome, only_call(places).error_kind) == ("interrupted", "timeout")


def test_nobody_listening(practice: Practice, places: Places) -> None:
    hf_ledger.record(hosts=["127.0.0.1:9=router"])
    with pytest.raises(httpx2.ConnectError):
        httpx2.post("http://127.0.0.1:9/v1/chat/completions", json=chat())
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.origin) == ("error", "connection", "live")


def test_leaving_a_stream_early(library: Any, practice: Practice, places: Places) -> None:
    body = chat(model="practice/slow=2,words=50", stream=True)
    with library.stream("POST", f"{practice.v1}/chat/completions", json=body) as reply:
        next(reply.iter_lines())
    assert only_call(places).outcome == "interrupted"


def test_a_stream_nobody_reads_on_is_kept_when_it_is_collected(
    practice: Practice, places: Places
) -> None:
    client = httpx2.Client()
    request = client.build_request(
        "POST", f"{practice.v1}/chat/completions", json=chat(stream=True)
    )
    reply = client.send(request, stream=True)
    assert calls(places) == []
    del reply
    gc.collect()
    assert only_call(places).outcome == "interrupted"
    client.close()


async def test_cancelling_is_told_from_failing(
    library: Any, practice: Practice, places: Places
) -> None:
    async def ask(model: str, stream: bool) -> None:
        async with library.AsyncClient() as client:
            await client.post(
                f"{practice.v1}/chat/completions", json=chat(model=model, stream=stream)
            )

    for model, stream in (("practice/hang", False), ("practice/slow=30,words=10", True)):
        task = asyncio.create_task(ask(model, stream))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [call.outcome for call in calls(places)] == ["cancelled", "cancelled"]


def test_gateways_of_ours_are_left_the_record(places: Places) -> None:
    headers = {"x-hf-ledger-call-id": "01"}
    transport = httpx2.MockTransport(lambda r: httpx2.Response(200, json={}, headers=headers))
    hf_ledger.record()
    with httpx2.Client(transport=transport) as client:
        client.post("https://router.huggingface.co/v1/chat/completions", json=chat())
    stop()
    assert calls(places) == []


def test_redirects_are_no_calls(places: Places) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/old/v1/chat/completions":
            return httpx2.Response(307, headers={"location": "/v1/chat/completions"})
        return httpx2.Response(200, json={"usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    hf_ledger.record()
    transport = httpx2.MockTransport(answer)
    with httpx2.Client(transport=transport, follow_redirects=True) as client:
        client.post("https://router.huggingface.co/old/v1/chat/completions", json=chat())
    stop()
    assert only_call(places).status == 200
    assert counted(places) == {"other": 1}


def test_long_calls_leave_a_start_mark(practice: Practice, places: Places) -> None:
    body = chat(model="practice/slow=1.8")
    httpx2.post(f"{practice.v1}/chat/completions", json=body)
    stop()
    lines = [line for line in recorded(places) if not isinstance(line, Recorder)]
    marks = [line.call.call_id for line in lines if isinstance(line, OpenCall)]
    assert marks == [only_call(places).call_id]
    assert isinstance(lines[0], OpenCall), "the mark stands before the end"


def test_time_to_first_token_is_content_not_the_first_byte(
    practice: Practice, places: Places
) -> None:
    began = time.perf_counter()
    httpx2.post(
        f"{practice.v1}/chat/completions", json=chat(model="practice/slow=0.6,words=4", stream=True)
    )
    took = (time.perf_counter() - began) * 1000
    call = only_call(places)
    assert call.ttft_ms is not None
    assert call.latency_ms is not None
    # role and first word: two of seven events; all events are evenly spread
    assert call.latency_ms / 7 < call.ttft_ms < call.latency_ms * 4 / 7
    assert call.latency_ms < took
