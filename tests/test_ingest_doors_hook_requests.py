"""Recording programs on `requests`: however they read a reply, and changing nothing for them."""

from __future__ import annotations

import gc
import gzip
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
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
from factories_replies import Reply, Server, plain, replying, said, streamed
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.response import HTTPResponse

import hf_ledger
from hf_ledger.ingest.doors.hook import requests_client
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.places import Places


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice) -> Iterator[Practice]:
    with recording(server, app="shop", team="search"):
        yield server


@pytest.fixture
def scripted() -> Iterator[Server]:
    """A server with the replies a test gives it, under recording."""
    with replying() as running:
        hf_ledger.record(hosts=[f"{running.host}=router"])
        yield running
        stop()


def failures() -> int:
    assert active.hook is not None
    return active.hook.shield.failures


# -- what we rely on ---------------------------------------------------------------------------


def test_all_that_we_use_of_requests_and_urllib3_is_there() -> None:
    sending = list(inspect.signature(HTTPAdapter.send).parameters)
    assert sending[:2] == ["self", "request"]
    assert "send" in vars(HTTPAdapter)
    for name in ("read", "read1", "read_chunked", "stream", "close", "closed"):
        assert hasattr(HTTPResponse, name), name
    assert list(inspect.signature(HTTPResponse.read).parameters)[1:3] == ["amt", "decode_content"]
    assert list(inspect.signature(HTTPResponse.read_chunked).parameters)[1:] == [
        "amt",
        "decode_content",
    ]


@pytest.mark.parametrize(
    ("body", "sent"),
    [(None, b""), ("é", "é".encode()), (b"x", b"x"), (bytearray(b"y"), b"y"), (iter([b"z"]), None)],
    ids=["none", "text", "bytes", "bytearray", "generator"],
)
def test_bodies(body: object, sent: bytes | None) -> None:
    assert requests_client.body_of(body) == sent


# -- whole replies -------------------------------------------------------------------------------


def test_a_plain_call_is_kept_before_its_reply_is_seen(practice: Practice, places: Places) -> None:
    reply = requests.post(f"{practice.v1}/chat/completions", json=chat("one two three"), timeout=9)
    call = only_call(places)
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (3, 6, "usage")
    assert (call.provider, call.requested_model) == ("cerebras", CHAT_MODEL)
    assert (call.task, call.outcome, call.status) == ("chat-completion", "ok", 200)
    assert (call.app, call.team, call.source, call.origin) == (
        "shop",
        "search",
        "hook",
        "practice",
    )
    assert call.request_id == reply.headers["x-request-id"]
    assert call.input_hash is not None
    assert reply.json()["usage"]["total_tokens"] == 3 + 6


def test_the_same_request_by_httpx_has_the_same_hash(practice: Practice, places: Places) -> None:
    import httpx2

    url = f"{practice.v1}/chat/completions"
    requests.post(url, json=chat("same"), timeout=9)
    httpx2.post(url, json=chat("same"))
    first, second = calls(places)
    assert first.input_hash == second.input_hash


def test_bill_to_and_a_default_port_are_read(places: Places) -> None:
    hf_ledger.record()
    session = requests.Session()
    session.headers["X-HF-Bill-To"] = "acme"
    url = "https://router.huggingface.co:443/v1/chat/completions"
    refused = {"https": "http://127.0.0.1:9"}
    with pytest.raises(requests.exceptions.ConnectionError):
        session.post(url, json=chat(), proxies=refused, timeout=9)
    stop()
    call = only_call(places)
    assert (call.bill_to, call.host_kind, call.outcome) == ("acme", "router", "error")


READINGS: dict[str, Callable[[requests.Response], Any]] = {
    "content": lambda reply: reply.content,
    "text": lambda reply: reply.text,
    "iter_content": lambda reply: list(reply.iter_content(7)),
    "iter_content as it comes": lambda reply: list(reply.iter_content(None)),
    "iter_lines": lambda reply: list(reply.iter_lines()),
    "raw.read": lambda reply: reply.raw.read(),
    "raw.read by pieces": lambda reply: list(iter(lambda: reply.raw.read(16), b"")),
    "raw.read1": lambda reply: list(iter(lambda: reply.raw.read1(16), b"")),
    "raw.stream": lambda reply: list(reply.raw.stream(16)),
    "raw.readline": lambda reply: list(iter(reply.raw.readline, b"")),
    "raw by lines": lambda reply: list(reply.raw),
    "raw.data": lambda reply: reply.raw.data,
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("reading", READINGS)
def test_every_way_of_reading_a_stream(
    scripted: Server, places: Places, reading: str, chunked: bool
) -> None:
    url = scripted.answer(streamed(chunked=chunked))
    reply = requests.post(url, json=chat(stream=True), stream=True, timeout=9)
    assert calls(places) == []
    READINGS[reading](reply)
    call = only_call(places)
    assert (call.stream, call.outcome) == (True, "ok")
    assert (call.input_tokens, call.output_tokens) == (11, 4)
    assert call.ttft_ms is not None
    assert call.latency_ms is not None
    assert 0 < call.ttft_ms <= call.latency_ms
    reply.close()
    assert only_call(places) == call
    assert failures() == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("reading", READINGS)
def test_every_way_gives_the_bytes_it_gave_before(reading: str, chunked: bool) -> None:
    def told(url: str) -> Any:
        with requests.post(url, json=chat(stream=True), stream=True, timeout=9) as reply:
            return READINGS[reading](reply), dict(reply.headers).keys(), type(reply.raw).__name__

    with replying() as server:
        url = server.answer(streamed(chunked=chunked))
        bare = told(url)
        hf_ledger.record(hosts=[f"{server.host}=router"])
        recorded = told(url)
        stop()
    assert recorded == bare
    assert len(set(server.bodies)) == 1


def test_reading_to_the_announced_length_is_the_end(scripted: Server, places: Places) -> None:
    """Without asking for more than the reply has."""
    url = scripted.answer(plain())
    reply = requests.post(url, json=chat(), stream=True, timeout=9)
    assert reply.raw.read(len(said())).startswith(b'{"choices":')
    assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 4)
    reply.close()


def packed(reply: Reply) -> Reply:
    headers = {**reply.headers, "content-encoding": "gzip"}
    return Reply([gzip.compress(b"".join(reply.pieces))], headers=headers, chunked=reply.chunked)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "reading", ["content", "iter_lines", "iter_content", "raw.read", "raw.stream"]
)
def test_compressed_replies(
    scripted: Server, places: Places, reading: str, stream: bool, chunked: bool
) -> None:
    whole = streamed(chunked=chunked) if stream else plain(chunked=chunked)
    url = scripted.answer(packed(whole))
    reply = requests.post(url, json=chat(stream=stream), stream=True, timeout=9)
    READINGS[reading](reply)
    call = only_call(places)
    assert (call.outcome, call.output_tokens) == ("ok", 4)
    assert failures() == 0


def test_a_decoder_that_gives_nothing_yet_is_no_end(scripted: Server, places: Places) -> None:
    """Before urllib3 2 a read may come back empty while the head of a gzip stream is read."""
    url = scripted.answer(packed(streamed()))
    reply = requests.post(url, json=chat(stream=True), stream=True, timeout=9)
    reply.raw._hf_seen(b"", 7, True)
    assert calls(places) == []
    assert reply.content.endswith(b"[DONE]\n\n")
    assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 4)


def test_a_compressed_reply_read_at_once_is_whole_when_it_is_closed(
    scripted: Server, places: Places
) -> None:
    url = scripted.answer(packed(plain()))
    with requests.post(url, json=chat(), stream=True, timeout=9) as reply:
        assert b"usage" in reply.raw.read(1 << 20, decode_content=True)
    assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 4)


def test_an_empty_reply(scripted: Server, places: Places) -> None:
    url = scripted.answer(Reply())
    assert requests.post(url, json=chat(), timeout=9).content == b""
    assert (only_call(places).outcome, only_call(places).tokens_source) == ("ok", "none")


# -- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_cut_reply(scripted: Server, places: Places, chunked: bool, stream: bool) -> None:
    whole = streamed(chunked=chunked, end=b"", cut=True)
    url = scripted.answer(whole)
    errors = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
    with pytest.raises(errors):
        requests.post(url, json=chat(stream=True), stream=stream, timeout=9).content  # noqa: B018
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted", "connection")


def test_no_reply_in_time(practice: Practice, places: Places) -> None:
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(
            f"{practice.v1}/chat/completions", json=chat(model="practice/hang"), timeout=0.2
        )
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.status) == ("error", "timeout", None)


def test_a_stream_that_stalls(practice: Practice, places: Places) -> None:
    body = chat(model="practice/slow=30,words=10", stream=True)
    with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
        requests.post(f"{practice.v1}/chat/completions", json=body, timeout=0.3)
    assert (only_call(places).outcome, only_call(places).error_kind) == ("interrupted", "timeout")


def test_nobody_listening(practice: Practice, places: Places) -> None:
    hf_ledger.record(hosts=["127.0.0.1:9=router"])
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post("http://127.0.0.1:9/v1/chat/completions", json=chat(), timeout=9)
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.origin) == ("error", "connection", "live")


def test_leaving_early(practice: Practice, places: Places) -> None:
    body = chat(model="practice/slow=2,words=50", stream=True)
    url = f"{practice.v1}/chat/completions"
    with requests.post(url, json=body, stream=True, timeout=9) as reply:
        lines = reply.iter_lines(chunk_size=1)
        next(lines)
    assert (only_call(places).outcome, only_call(places).error_kind) == ("interrupted", None)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_reply_nobody_reads_is_kept_when_it_is_collected(
    scripted: Server, places: Places, chunked: bool
) -> None:
    url = scripted.answer(streamed(chunked=chunked))
    reply = requests.post(url, json=chat(stream=True), stream=True, timeout=9)
    assert calls(places) == []
    gc.disable()
    try:
        del reply
        assert only_call(places).outcome == "interrupted", "without waiting for the collector"
    finally:
        gc.enable()


def test_errors_and_errors_inside_a_stream(practice: Practice, places: Places) -> None:
    url = f"{practice.v1}/chat/completions"
    requests.post(url, json=chat(model="practice/402"), timeout=9)
    requests.post(url, json=chat(model="practice/error-in-stream", stream=True), timeout=9)
    assert [(call.outcome, call.error_kind, call.status) for call in calls(places)] == [
        ("error", "quota", 402),
        ("error", "overloaded", 200),
    ]


def test_the_same_request_after_a_failure_is_its_next_attempt(
    scripted: Server, places: Places
) -> None:
    url = scripted.answer(plain(status=503))
    requests.post(url, json=chat(), timeout=9)
    scripted.answer(plain())
    requests.post(url, json=chat(), timeout=9)
    first, second = calls(places)
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.operation_id == first.call_id


def test_redirects_are_no_calls(scripted: Server, places: Places) -> None:
    there = scripted.answer(plain(), "/v1/chat/completions")
    here = scripted.answer(
        Reply([b"moved"], status=307, headers={"location": there}), "/old/v1/chat/completions"
    )
    reply = requests.post(here, json=chat(), timeout=9)
    assert [each.status_code for each in reply.history] == [307]
    stop()
    assert only_call(places).output_tokens == 4
    assert counted(places) == {"other": 1}


def test_a_queues_polls_are_part_of_their_call(practice: Practice, places: Places) -> None:
    place = f"{practice.url}/fal-ai/fal-ai/ltx-video"
    with requests.Session() as session:
        job = session.post(f"{place}?_subdomain=queue", json={"prompt": "the sea"}, timeout=9)
        path = f"{place}/requests/{job.json()['request_id']}"
        while session.get(f"{path}/status?_subdomain=queue", timeout=9).status_code == 202:
            assert calls(places) == []
        assert session.get(f"{path}?_subdomain=queue", timeout=9).json()["video"]
    call = only_call(places)
    assert (call.outcome, call.units, call.unit_kind) == ("ok", "3", "fal_billable_unit")


def test_a_gateway_of_ours_is_left_the_record(scripted: Server, places: Places) -> None:
    url = scripted.answer(plain(headers={"x-hf-ledger-call-id": "01"}))
    requests.post(url, json=chat(), timeout=9)
    stop()
    assert calls(places) == []


def test_other_hosts_are_none_of_ours(places: Places) -> None:
    with replying() as server:
        hf_ledger.record()
        reply = requests.post(server.answer(plain()), json=chat(), stream=True, timeout=9)
        assert type(reply.raw) is HTTPResponse
        assert reply.json()["usage"]
        stop()
    assert not places.root.exists()


# -- adapters, and coming and going ----------------------------------------------------------------


class Own(HTTPAdapter):
    """A program's adapter, as hub 0.x has one: it adds a header and sends as ever."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        request.headers["X-Amzn-Trace-Id"] = "own-trace"
        return super().send(request, *args, **kwargs)


def test_adapters_of_ones_own_stay_and_are_seen_once(practice: Practice, places: Places) -> None:
    session, adapter = requests.Session(), Own()
    session.mount("http://", adapter)
    session.post(f"{practice.v1}/chat/completions", json=chat(), timeout=9)
    assert session.get_adapter(practice.url) is adapter
    assert only_call(places).outcome == "ok"


class Canned(BaseAdapter):
    """Answers by itself: no request leaves."""

    def send(self, request: Any, *_: Any, **__: Any) -> requests.Response:
        reply = requests.Response()
        reply.status_code, reply.request, reply._content = 200, request, said()
        return reply

    def close(self) -> None:
        """Nothing to close."""


def test_an_adapter_that_sends_nothing_makes_no_call(places: Places) -> None:
    hf_ledger.record()
    session = requests.Session()
    session.mount("https://", Canned())
    url = "https://router.huggingface.co/v1/chat/completions"
    assert session.post(url, json=chat(), timeout=9).content == said()
    stop()
    assert calls(places) == []


def test_streamed_uploads_are_calls_without_a_hash(practice: Practice, places: Places) -> None:
    path = f"{practice.url}/hf-inference/models/openai/whisper-large-v3"
    requests.post(path, data=iter([b"\0" * 1000, b"\0" * 1000]), timeout=9)
    call = only_call(places)
    assert (call.requested_model, call.input_hash) == ("openai/whisper-large-v3", None)


def test_recording_twice_wraps_once_and_stopping_puts_it_back(server: Practice) -> None:
    before = HTTPAdapter.send
    with recording(server):
        wrapper = HTTPAdapter.send
        assert wrapper is not before
        hf_ledger.record()
        assert HTTPAdapter.send is wrapper
    assert HTTPAdapter.send is before


def test_a_mistake_of_ours_never_reaches_the_caller(
    practice: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    url = f"{practice.v1}/chat/completions"
    for name in ("_begin", "_answered"):
        with monkeypatch.context() as patch:
            patch.setattr(requests_client, name, broken)
            assert requests.post(url, json=chat(), timeout=9).json()["usage"]
    assert failures() == 2
    assert calls(places) == []


def test_imported_later_it_is_hooked_when_it_comes(server: Practice, places: Places) -> None:
    code = f"""
import sys, hf_ledger
hf_ledger.record(hosts=["{server.host}=router"])
assert not {{"requests", "urllib3", "aiohttp"}} & sys.modules.keys()
import requests
requests.post("{server.v1}/chat/completions", json={{"model": "a/b", "messages": []}}, timeout=9)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert only_call(places).outcome == "ok"
