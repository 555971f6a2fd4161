"""The request is read while its answer is awaited, and everywhere else where that can't be."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from factories_practice import calls, chat, only_call

import hf_ledger
from hf_ledger.ingest.doors.hook.flight import Flight
from hf_ledger.ingest.doors.hook.hook import Hook
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.places import Places

LIBRARIES = [httpx, httpx2]
IDS = ["httpx", "httpx2"]
PATIENCE = 20
REPLY = b'{"id": "r1", "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}'


class Upstream:
    """Answers one request, and not before it is told to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}/v1/chat/completions"
        self.received, self.answer = threading.Event(), threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            got = b""
            while b"\r\n\r\n" not in got or not got.endswith(b"}"):
                got += connection.recv(1 << 16)
            self.received.set()
            self.answer.wait(PATIENCE)
            top = (
                f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(REPLY)}"
            )
            connection.sendall(f"{top}\r\n\r\n".encode() + REPLY)

    def close(self) -> None:
        self.answer.set()
        self._listener.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    waiting = Upstream()
    hf_ledger.record(hosts=[f"{waiting.host}=router"])
    yield waiting
    stop()
    waiting.close()


@pytest.fixture
def read_between(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request read: whether the server had all of it. Only then does it answer."""
    seen: list[bool] = []
    read = Hook.read

    def watched(self: Hook, flight: Flight, request: Any) -> Any:
        seen.append(upstream.received.wait(PATIENCE))
        upstream.answer.set()
        return read(self, flight, request)

    monkeypatch.setattr(Hook, "read", watched)
    return seen


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
def test_a_request_is_read_when_it_is_sent_and_before_the_reply(
    library: ModuleType, upstream: Upstream, read_between: list[bool], places: Places
) -> None:
    assert library.post(upstream.url, json=chat("one two"), timeout=PATIENCE).status_code == 200
    assert read_between == [True]
    call = only_call(places)
    assert (call.outcome, call.input_tokens, call.input_chars) == ("ok", 3, 7)


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
def test_so_is_that_of_an_async_client(
    library: ModuleType, upstream: Upstream, read_between: list[bool], places: Places
) -> None:
    async def post() -> int:
        async with library.AsyncClient(timeout=PATIENCE) as client:
            return int((await client.post(upstream.url, json=chat("one two"))).status_code)

    assert asyncio.run(post()) == 200
    assert read_between == [True]
    assert only_call(places).input_hash is not None


URL = "https://router.huggingface.co/v1/chat/completions"


@pytest.fixture
def recording() -> Iterator[Hook]:
    hf_ledger.record()
    assert active.hook is not None
    yield active.hook
    stop()


def answered(library: ModuleType) -> Any:
    return library.MockTransport(lambda request: library.Response(200, content=REPLY))


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
def test_a_transport_that_never_asks_for_the_body_changes_nothing(
    library: ModuleType, recording: Hook, places: Places
) -> None:
    with library.Client(transport=answered(library)) as client:
        client.post(URL, json=chat("one two"))
    assert (only_call(places).input_chars, recording.shield.failures) == (7, 0)


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
@pytest.mark.usefixtures("recording")
def test_the_request_is_the_callers_own_again_afterwards(library: ModuleType) -> None:
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request.stream)
        assert b"".join(request.stream) == request.content
        return library.Response(200, content=REPLY)

    request = library.Request("POST", URL, json=chat())
    own = request.stream
    with library.Client(transport=library.MockTransport(answer)) as client:
        client.send(request)
    assert request.stream is own
    assert isinstance(seen[0], library.ByteStream)
    assert seen[0] is not own


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
@pytest.mark.usefixtures("recording")
def test_so_it_is_after_a_failure(library: ModuleType, places: Places) -> None:
    def refuse(request: Any) -> Any:
        raise library.ConnectError("refused")

    request = library.Request("POST", URL, json=chat("one two"))
    own = request.stream
    with (
        library.Client(transport=library.MockTransport(refuse)) as client,
        pytest.raises(library.ConnectError),
    ):
        client.send(request)
    assert request.stream is own
    call = only_call(places)
    assert (call.error_kind, call.input_chars) == ("connection", 7)
    assert call.input_hash is not None


def test_a_body_is_sent_again_as_often_as_a_transport_likes(
    recording: Hook, places: Places
) -> None:
    class Twice(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            assert isinstance(request.stream, httpx2.SyncByteStream)
            assert b"".join(request.stream) == b"".join(request.stream) == request.content
            return httpx2.Response(200, content=REPLY)

    with httpx2.Client(transport=Twice()) as client:
        client.post(URL, json=chat())
    assert (len(calls(places)), recording.shield.failures) == (1, 0)


def test_a_request_that_can_not_be_read_is_counted_once_and_left_alone(
    recording: Hook, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Hook, flight: Flight, request: Any) -> Any:
        raise RuntimeError

    class Reading(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            assert isinstance(request.stream, httpx2.SyncByteStream)
            assert b"".join(request.stream) == request.content
            return httpx2.Response(200, content=REPLY)

    monkeypatch.setattr(Hook, "read", broken)
    with httpx2.Client(transport=Reading()) as client:
        assert client.post(URL, json=chat()).content == REPLY
    assert (recording.shield.failures, recording.open, calls(places)) == (1, {}, [])


def test_labels_are_those_of_the_place_that_asked(places: Places, recording: Hook) -> None:
    """Wherever the request is read: here at the end, long after the labels have gone."""
    with hf_ledger.attribute(user="u-17"):
        flight = recording.begin(httpx2.Request("POST", URL, json=chat()))
    assert isinstance(flight, Flight)
    with hf_ledger.attribute(user="somebody else"):
        flight.failed(httpx2.ConnectError("refused"))
    assert only_call(places).user_id == "u-17"


def test_many_threads_read_a_request_once(recording: Hook) -> None:
    flight = recording.begin(httpx2.Request("POST", URL, json=chat()))
    assert isinstance(flight, Flight)
    gate, ids = threading.Barrier(8), set()

    def look() -> None:
        gate.wait()
        ids.add(flight.call.call_id)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 1
