"""Recording programs on `aiohttp`: however they read a reply, and changing nothing for them."""

from __future__ import annotations

import asyncio
import gc
import gzip
import inspect
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, ClientTimeout, StreamReader
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

import hf_ledger
from hf_ledger.ingest.doors.hook import aiohttp_client
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


def test_all_that_we_use_of_aiohttp_is_there() -> None:
    assert inspect.iscoroutinefunction(ClientSession._request)
    assert "middlewares" in inspect.signature(ClientSession._request).parameters
    assert hasattr(aiohttp, "ClientMiddlewareType")
    assert type(aiohttp.ClientConnectionError()).__name__ == aiohttp_client.CLOSED_BY_CALLER
    assert aiohttp.ServerDisconnectedError.__name__ != aiohttp_client.CLOSED_BY_CALLER
    for name in ("feed_data", "feed_eof", "set_exception", "is_eof", "exception", "_buffer"):
        assert hasattr(StreamReader, name), name
    assert aiohttp_client.body_of(aiohttp.BytesPayload(b"x")) == b"x"
    assert aiohttp_client.body_of(aiohttp.JsonPayload({"a": 1})) == b'{"a": 1}'


async def test_bodies() -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"x", filename="x.bin")
    assert aiohttp_client.body_of(b"") == b""
    assert aiohttp_client.body_of(form()) is None


def test_an_aiohttp_without_middlewares_is_said_and_left_alone() -> None:
    older = type(sys)("aiohttp")
    older.ClientSession = type("ClientSession", (), {"_request": None})  # type: ignore[attr-defined]
    assert aiohttp_client.hook(older, None) is None  # type: ignore[arg-type]


# -- whole replies -------------------------------------------------------------------------------


async def test_a_plain_call_is_kept_before_its_reply_is_seen(
    practice: Practice, places: Places
) -> None:
    async with ClientSession() as session:
        url = f"{practice.v1}/chat/completions"
        async with session.post(url, json=chat("one two three")) as reply:
            body = await reply.json()
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
    assert body["usage"]["total_tokens"] == 3 + 6


async def test_the_same_request_by_httpx_has_the_same_hash(
    practice: Practice, places: Places
) -> None:
    import httpx2

    async with ClientSession(base_url=practice.url) as session:
        await (await session.post("/v1/chat/completions", json=chat("same"))).read()
    httpx2.post(f"{practice.v1}/chat/completions", json=chat("same"))
    first, second = calls(places)
    assert first.input_hash == second.input_hash
    assert first.input_hash is not None


async def test_a_sessions_own_headers_are_read(practice: Practice, places: Places) -> None:
    async with ClientSession(headers={"X-HF-Bill-To": "acme"}) as session:
        await (await session.post(f"{practice.v1}/chat/completions", json=chat())).read()
    assert only_call(places).bill_to == "acme"


async def all_of(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


async def until_empty(read: Callable[[], Awaitable[Any]]) -> list[Any]:
    found = []
    while piece := await read():
        if piece == (b"", False):
            break
        found.append(piece)
    return found


READINGS: dict[str, Callable[[aiohttp.ClientResponse], Awaitable[Any]]] = {
    "read": lambda reply: reply.read(),
    "text": lambda reply: reply.text(),
    "content.read": lambda reply: reply.content.read(),
    "content.read by pieces": lambda reply: until_empty(lambda: reply.content.read(16)),
    "content by lines": lambda reply: all_of(reply.content),
    "readline": lambda reply: until_empty(reply.content.readline),
    "readuntil": lambda reply: until_empty(lambda: reply.content.readuntil(b"\n\n")),
    "readany": lambda reply: until_empty(reply.content.readany),
    "readchunk": lambda reply: until_empty(reply.content.readchunk),
    "iter_any": lambda reply: all_of(reply.content.iter_any()),
    "iter_chunked": lambda reply: all_of(reply.content.iter_chunked(16)),
    "iter_chunks": lambda reply: all_of(reply.content.iter_chunks()),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("reading", READINGS)
async def test_every_way_of_reading_a_stream(
    scripted: Server, places: Places, reading: str, chunked: bool
) -> None:
    url = scripted.answer(streamed(chunked=chunked))
    async with ClientSession() as session, session.post(url, json=chat(stream=True)) as reply:
        await READINGS[reading](reply)
        call = only_call(places)
    assert (call.stream, call.outcome) == (True, "ok")
    assert (call.input_tokens, call.output_tokens) == (11, 4)
    assert call.ttft_ms is not None
    assert call.latency_ms is not None
    assert 0 < call.ttft_ms <= call.latency_ms
    assert only_call(places) == call
    assert failures() == 0
    assert aiohttp_client._trips == {}


WHOLE = ("read", "text", "content.read", "content by lines", "readline", "readuntil")


@pytest.mark.parametrize("reading", WHOLE)
async def test_every_way_gives_what_it_gave_before(reading: str) -> None:
    async def told(url: str) -> Any:
        async with ClientSession() as session, session.post(url, json=chat(stream=True)) as reply:
            told = await READINGS[reading](reply)
            kind = type(reply.content)
            assert isinstance(reply.content, StreamReader)
            return told, list(reply.headers), kind.__name__, reply.content.total_bytes

    with replying() as server:
        url = server.answer(streamed(chunked=True))
        bare = await told(url)
        hf_ledger.record(hosts=[f"{server.host}=router"])
        recorded = await told(url)
        stop()
    assert recorded == bare
    assert len(set(server.bodies)) == 1


@pytest.mark.parametrize("decompress", [True, False], ids=["decompressed", "as it came"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_compressed_replies(
    scripted: Server, places: Places, stream: bool, decompress: bool
) -> None:
    whole = streamed() if stream else plain()
    packed = gzip.compress(b"".join(whole.pieces))
    url = scripted.answer(Reply([packed], headers={**whole.headers, "content-encoding": "gzip"}))
    async with ClientSession(auto_decompress=decompress) as session:
        body = await (await session.post(url, json=chat(stream=stream))).read()
    assert body == (b"".join(whole.pieces) if decompress else packed)
    assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 4)
    assert failures() == 0


async def test_an_empty_reply(scripted: Server, places: Places) -> None:
    url = scripted.answer(Reply(status=204))
    async with ClientSession() as session, session.post(url, json=chat()) as reply:
        assert await reply.read() == b""
    assert (only_call(places).status, only_call(places).tokens_source) == (204, "none")
    assert failures() == 0


# -- ends ----------------------------------------------------------------------------------------


async def test_an_error_whose_body_nobody_reads(practice: Practice, places: Places) -> None:
    url = f"{practice.v1}/chat/completions"
    async with ClientSession(raise_for_status=True) as session:
        with pytest.raises(aiohttp.ClientResponseError):
            await session.post(url, json=chat(model="practice/402"))
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.status) == ("error", "quota", 402)


async def test_an_error_inside_a_stream(practice: Practice, places: Places) -> None:
    body = chat(model="practice/error-in-stream", stream=True)
    async with ClientSession() as session:
        await (await session.post(f"{practice.v1}/chat/completions", json=body)).read()
    assert (only_call(places).outcome, only_call(places).error_kind) == ("error", "overloaded")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_cut_reply(scripted: Server, places: Places, chunked: bool) -> None:
    url = scripted.answer(streamed(chunked=chunked, end=b"", cut=True))
    async with ClientSession() as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            await (await session.post(url, json=chat(stream=True))).read()
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted", "connection")
    assert call.input_tokens == 11, "what came is counted"


@pytest.mark.parametrize(
    "limit", [ClientTimeout(total=0.3), ClientTimeout(sock_read=0.3)], ids=["total", "read"]
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_no_reply_in_time(
    practice: Practice, places: Places, limit: ClientTimeout, stream: bool
) -> None:
    wish = "practice/slow=30,words=10" if stream else "practice/hang"
    body = chat(model=wish, stream=stream)
    async with ClientSession(timeout=limit) as session:
        with pytest.raises(asyncio.TimeoutError):
            async with session.post(f"{practice.v1}/chat/completions", json=body) as reply:
                async for _ in reply.content:
                    pass
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted" if stream else "error", "timeout")


class Slow(aiohttp.abc.AbstractResolver):
    """Names take long here."""

    async def resolve(self, *_: Any, **__: Any) -> Any:
        await asyncio.sleep(9)

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("cancelled", [False, True], ids=["timeout", "cancelled"])
async def test_the_sessions_own_timeout_while_connecting_is_no_cancellation(
    places: Places, cancelled: bool
) -> None:
    """Below the session both look alike."""
    hf_ledger.record(hosts=["slow.test=router"])
    connector = aiohttp.TCPConnector(resolver=Slow())
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=0.2)) as session:
        asking = session.post("http://slow.test/v1/chat/completions", json=chat())
        task = asyncio.ensure_future(asking)
        await asyncio.sleep(0.05)
        if cancelled:
            task.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else TimeoutError):
            await task
    stop()
    call = only_call(places)
    expected = ("cancelled", None) if cancelled else ("error", "timeout")
    assert (call.outcome, call.error_kind) == expected


async def test_nobody_listening(practice: Practice, places: Places) -> None:
    hf_ledger.record(hosts=["127.0.0.1:9=router"])
    async with ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post("http://127.0.0.1:9/v1/chat/completions", json=chat())
    call = only_call(places)
    assert (call.outcome, call.error_kind, call.origin) == ("error", "connection", "live")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("reading", ["read", "iter_any"])
async def test_cancelling(practice: Practice, places: Places, reading: str, stream: bool) -> None:
    wish = "practice/slow=30,words=10" if stream else "practice/hang"

    async def ask() -> None:
        async with ClientSession() as session:
            url = f"{practice.v1}/chat/completions"
            async with session.post(url, json=chat(model=wish, stream=stream)) as reply:
                await READINGS[reading](reply)

    task = asyncio.create_task(ask())
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert only_call(places).outcome == "cancelled"


async def test_a_wait_that_is_given_up_is_no_end(practice: Practice, places: Places) -> None:
    """Polling a stream with a deadline cancels a read, and the stream goes on."""
    body = chat("x", model="practice/slow=1,words=4", stream=True)
    waits = 0
    async with ClientSession() as session:
        reply = await session.post(f"{practice.v1}/chat/completions", json=body)
        while not reply.content.at_eof():
            try:
                await asyncio.wait_for(reply.content.readany(), 0.02)
            except TimeoutError:
                waits += 1
    assert waits
    assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 4)


async def test_leaving_early(practice: Practice, places: Places) -> None:
    body = chat(model="practice/slow=2,words=50", stream=True)
    async with ClientSession() as session:
        async with session.post(f"{practice.v1}/chat/completions", json=body) as reply:
            await reply.content.readline()
        assert only_call(places).outcome == "interrupted"
    assert aiohttp_client._trips == {}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_reply_left_behind_with_its_loop_is_interrupted(
    practice: Practice, places: Places
) -> None:
    async def ask() -> None:
        body = chat(model="practice/slow=2,words=50", stream=True)
        session = ClientSession()
        await session.post(f"{practice.v1}/chat/completions", json=body)
        assert calls(places) == []

    with pytest.warns(ResourceWarning):
        asyncio.run(ask())
        gc.collect()
    assert only_call(places).outcome == "interrupted"
    assert aiohttp_client._trips == {}


async def test_a_reply_nobody_reads_arrives_all_the_same(
    practice: Practice, places: Places
) -> None:
    async with ClientSession() as session:
        await session.post(f"{practice.v1}/chat/completions", json=chat("a b", stream=True))
        while not calls(places):
            await asyncio.sleep(0.01)
    assert (only_call(places).outcome, only_call(places).output_tokens) == ("ok", 5)


async def test_redirects_are_no_calls(scripted: Server, places: Places) -> None:
    there = scripted.answer(plain(), "/v1/chat/completions")
    moved = Reply([b"moved"], status=307, headers={"location": there})
    async with ClientSession() as session:
        url = scripted.answer(moved, "/old/v1/chat/completions")
        async with session.post(url, json=chat()) as reply:
            assert [each.status for each in reply.history] == [307]
            await reply.read()
    stop()
    assert only_call(places).output_tokens == 4
    assert counted(places) == {"other": 1}


async def test_a_queues_polls_are_part_of_their_call(practice: Practice, places: Places) -> None:
    place = f"{practice.url}/fal-ai/fal-ai/ltx-video"
    async with ClientSession() as session:
        asked = await session.post(f"{place}?_subdomain=queue", json={"prompt": "the sea"})
        path = f"{place}/requests/{(await asked.json())['request_id']}"
        waiting = True
        while waiting:
            async with session.get(f"{path}/status?_subdomain=queue") as poll:
                waiting = poll.status == 202
                await poll.read()
            assert calls(places) == []
        async with session.get(f"{path}?_subdomain=queue") as result:
            assert (await result.json())["video"]
    call = only_call(places)
    assert (call.outcome, call.units, call.unit_kind) == ("ok", "3", "fal_billable_unit")


async def test_a_gateway_of_ours_is_left_the_record(scripted: Server, places: Places) -> None:
    url = scripted.answer(plain(headers={"x-hf-ledger-call-id": "01"}))
    async with ClientSession() as session:
        await (await session.post(url, json=chat())).read()
    stop()
    assert calls(places) == []


async def test_other_hosts_are_none_of_ours(places: Places) -> None:
    with replying() as server:
        hf_ledger.record()
        async with ClientSession() as session:
            reply = await session.post(server.answer(plain()), json=chat())
            assert type(reply.content) is StreamReader
            assert await reply.read() == said().replace(b"%ID%", b"r001")
        stop()
    assert not places.root.exists()


# -- middlewares of one's own, and coming and going ------------------------------------------------


async def test_middlewares_of_ones_own_run_and_their_retries_are_attempts(
    scripted: Server, places: Places
) -> None:
    async def persistent(request: Any, handler: Any) -> Any:
        reply = await handler(request)
        if reply.status == 503:
            await reply.read()
            scripted.answer(plain())
            reply = await handler(request)
        return reply

    url = scripted.answer(plain(status=503))
    async with ClientSession(middlewares=[persistent]) as session:
        await (await session.post(url, json=chat())).read()
        await (await session.post(url, json=chat("more"), middlewares=())).read()
    assert [(call.status, call.attempt) for call in calls(places)] == [(503, 1), (200, 2), (200, 1)]


async def test_a_middleware_that_answers_by_itself_makes_no_call(
    scripted: Server, places: Places
) -> None:
    url = scripted.answer(plain())
    async with ClientSession() as session:
        first = await session.post(url, json=chat())
        await first.read()

        async def canned(request: Any, handler: Any) -> Any:
            return first

        again = await session.post(url, json=chat(), middlewares=[canned])
        assert again is first
    assert len(calls(places)) == 1


async def test_recording_twice_wraps_once_and_stopping_puts_it_back(server: Practice) -> None:
    before = ClientSession._request
    with recording(server):
        wrapper = ClientSession._request
        assert wrapper is not before
        assert inspect.iscoroutinefunction(wrapper)
        hf_ledger.record()
        assert ClientSession._request is wrapper
    assert ClientSession._request is before


async def test_a_mistake_of_ours_never_reaches_the_caller(
    practice: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    for owner, name in ((aiohttp_client, "_begin"), (aiohttp_client, "watch")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, broken)
            async with ClientSession() as session:
                reply = await session.post(f"{practice.v1}/chat/completions", json=chat())
                assert (await reply.json())["usage"]
    assert failures() == 2
    assert calls(places) == []


def test_imported_later_it_is_hooked_when_it_comes(server: Practice, places: Places) -> None:
    code = f"""
import asyncio, hf_ledger
hf_ledger.record(hosts=["{server.host}=router"])
import aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        body = {{"model": "a/b", "messages": []}}
        await (await session.post("{server.v1}/chat/completions", json=body)).read()
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert only_call(places).outcome == "ok"
