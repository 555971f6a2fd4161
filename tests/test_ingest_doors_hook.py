"""Recording bare httpx and httpx2 clients, and changing nothing for them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from factories_practice import (
    CHAT_MODEL,
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
from hf_ledger.ingest.call import Recorder
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.errors import Usage
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


def test_a_plain_call_is_kept_before_its_reply_is_seen(
    library: Any, practice: Practice, places: Places
) -> None:
    reply = library.post(f"{practice.v1}/chat/completions", json=chat("one two three"))
    call = only_call(places)
    assert (call.input_tokens, call.output_tokens) == (3, 6)
    assert call.tokens_source == "usage"
    assert (call.provider, call.requested_model) == ("cerebras", CHAT_MODEL)
    assert (call.task, call.outcome, call.status) == ("chat-completion", "ok", 200)
    assert (call.app, call.team, call.source) == ("shop", "search", "hook")
    assert call.origin == "practice"
    assert call.request_id == reply.headers["x-request-id"]
    assert reply.json()["usage"]["total_tokens"] == 3 + 6


def test_the_first_line_names_the_process(practice: Practice, places: Places) -> None:
    httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    first = recorded(places)[0]
    assert isinstance(first, Recorder)
    assert (first.pid, first.app) == (os.getpid(), "shop")
    assert {"httpx", "httpx2"} <= set(first.clients)


def test_a_stream_is_kept_at_its_end_marker(
    library: Any, practice: Practice, places: Places
) -> None:
    body = chat("a b", stream=True)
    with library.stream("POST", f"{practice.v1}/chat/completions", json=body) as reply:
        for line in reply.iter_lines():
            if line == "data: [DONE]":
                break
            assert not calls(places) or line == ""
        call = only_call(places)
    assert call.stream
    assert (call.input_tokens, call.output_tokens, call.outcome) == (2, 5, "ok")
    assert call.ttft_ms is not None
    assert call.latency_ms is not None
    assert 0 < call.ttft_ms <= call.latency_ms
    assert only_call(places) == call


async def test_async_calls_plain_and_streamed(
    library: Any, practice: Practice, places: Places
) -> None:
    url = f"{practice.v1}/chat/completions"
    async with library.AsyncClient() as client:
        plain = await client.post(url, json=chat("x y"))
        async with client.stream("POST", url, json=chat("x y", stream=True)) as reply:
            text = "".join([piece async for piece in reply.aiter_text()])
    assert plain.json()["usage"]["prompt_tokens"] == 2
    assert text.endswith("data: [DONE]\n\n")
    assert [(c.stream, c.input_tokens, c.outcome) for c in calls(places)] == [
        (False, 2, "ok"),
        (True, 2, "ok"),
    ]


def test_what_the_caller_gets_is_unchanged(library: Any, server: Practice) -> None:
    def told(stream: bool) -> tuple[Any, ...]:
        body = chat("same", stream=stream, model="practice/402" if not stream else CHAT_MODEL)
        with library.stream("POST", f"{server.v1}/chat/completions", json=body) as reply:
            kept = {k: v for k, v in reply.headers.items() if k not in ("date", "x-request-id")}
            raw = b"".join(reply.iter_raw())
        cut = [line.partition(b'"object"')[2] for line in raw.splitlines()]
        return reply.status_code, kept, cut, type(reply), reply.num_bytes_downloaded

    bare = [told(False), told(True)]
    with recording(server):
        assert [told(False), told(True)] == bare


def test_elapsed_and_closing_work_as_before(library: Any, practice: Practice) -> None:
    with library.Client() as client:
        reply = client.post(f"{practice.v1}/chat/completions", json=chat())
        assert 0 < reply.elapsed.total_seconds() < 10
        with client.stream("POST", f"{practice.v1}/chat/completions", json=chat()) as reply:
            with pytest.raises(RuntimeError):
                _ = reply.elapsed
            reply.read()
        assert reply.is_closed
        assert reply.elapsed.total_seconds() > 0


@pytest.mark.parametrize("stream", [False, True])
def test_compressed_replies_are_read_from_a_copy(
    library: Any, practice: Practice, places: Places, stream: bool
) -> None:
    body = chat("one two", model="practice/gzip", stream=stream)
    reply = library.post(f"{practice.v1}/chat/completions", json=body)
    call = only_call(places)
    assert (call.input_tokens, call.output_tokens, call.outcome) == (2, 5, "ok")
    assert "Practice server" in reply.text


def test_a_reply_that_came_whole_is_kept_too(places: Places) -> None:
    """Transports in tests and caches hand over replies that are read already."""
    usage = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}
    said = {"choices": [{"message": {"content": "x"}}], "usage": usage}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=said))
    hf_ledger.record()
    with httpx2.Client(transport=transport) as client:
        reply = client.post("https://router.huggingface.co/v1/chat/completions", json=chat())
    stop()
    call = only_call(places)
    assert reply.json() == said
    assert (call.input_tokens, call.output_tokens, call.origin) == (11, 4, "live")


def test_traffic_that_is_no_call_is_counted(practice: Practice, places: Places) -> None:
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200, json={}))
    with httpx2.Client(transport=answer) as client:
        client.get("https://huggingface.co/api/models/a/b?expand=inferenceProviderMapping")
        client.get("https://huggingface.co/a/b/resolve/main/config.json")
        client.get("https://huggingface.co/api/agent-harnesses")
        client.get("https://example.org/anything")
    stop()
    assert calls(places) == []
    assert counted(places) == {"mapping": 1, "download": 1, "telemetry": 1}


def test_streamed_uploads_are_calls_without_a_hash(practice: Practice, places: Places) -> None:
    path = f"{practice.url}/hf-inference/models/openai/whisper-large-v3"
    httpx2.post(path, content=iter([b"\0" * 1000, b"\0" * 1000]))
    call = only_call(places)
    assert (call.requested_model, call.input_hash) == ("openai/whisper-large-v3", None)
    assert call.audio_seconds == pytest.approx(2000 / 16000, abs=0.01)


def test_recording_again_changes_labels_and_adds_nothing(
    practice: Practice, places: Places
) -> None:
    before = httpx2.Client._send_single_request
    hf_ledger.record(app="other", hosts=[f"{practice.host}=router"])
    assert httpx2.Client._send_single_request is before
    httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    assert only_call(places).app == "other"


def test_recording_may_move_to_another_folder(
    practice: Practice, places: Places, tmp_path: Any
) -> None:
    httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    elsewhere = Places(tmp_path / "elsewhere")
    hf_ledger.record(hosts=[f"{practice.host}=router"], places=elsewhere)
    httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    assert only_call(places).call_id < only_call(elsewhere).call_id


def test_stopping_puts_everything_back(server: Practice, places: Places) -> None:
    before = (httpx.Client._send_single_request, httpx2.AsyncClient._send_single_request)
    with recording(server):
        assert httpx.Client._send_single_request is not before[0]
    assert before == (
        httpx.Client._send_single_request,
        httpx2.AsyncClient._send_single_request,
    )
    httpx2.post(f"{server.v1}/chat/completions", json=chat())
    assert not places.root.exists()
    assert active.hook is None


def test_the_folder_is_for_its_user_only(practice: Practice, places: Places) -> None:
    httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in places.root.rglob("*")}
    assert {mode for name, mode in modes.items() if "." not in name} == {0o700}
    assert {mode for name, mode in modes.items() if "." in name} == {0o600}


def test_an_unknown_kind_of_host_is_said_at_once() -> None:
    with pytest.raises(Usage, match="'routr' is no kind of host; choose one of self_hosted"):
        hf_ledger.record(hosts=["127.0.0.1:1=routr"])
    assert active.hook is None


def test_calls_of_many_threads_are_all_there(practice: Practice, places: Places) -> None:
    import threading

    def work(number: int) -> None:
        for turn in range(5):
            httpx2.post(f"{practice.v1}/chat/completions", json=chat(f"{number} {turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = calls(places)
    assert len(found) == len({call.call_id for call in found}) == 8 * 5


def test_a_forked_child_records_its_own_and_not_its_parents(
    practice: Practice, places: Places
) -> None:
    with httpx2.stream("POST", f"{practice.v1}/chat/completions", json=chat(stream=True)) as reply:
        child = os.fork()
        if child == 0:
            httpx2.post(f"{practice.v1}/chat/completions", json=chat("child"))
            os._exit(0)
        os.waitpid(child, 0)
        reply.read()
    by_stream = sorted((call.stream, call.outcome) for call in calls(places))
    assert by_stream == [(False, "ok"), (True, "ok")]
    pids = [line.pid for line in recorded(places) if isinstance(line, Recorder)]
    assert sorted(pids) == sorted([child, os.getpid()])
