"""A reply passes the recorder byte for byte, in whatever pieces and by whatever way it is read."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from factories_practice import calls, chat, only_call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hf_ledger
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.places import Places

URL = "https://router.huggingface.co/v1/chat/completions"
LIBRARIES = [httpx, httpx2]
IDS = ["httpx", "httpx2"]


@pytest.fixture(autouse=True)
def recording(places: Places) -> Iterator[None]:
    hf_ledger.record()
    yield
    stop()


class Pieces:
    """A body in pieces, of either library, which counts how often it was closed."""

    closed = 0

    def __init__(self, pieces: list[bytes], error: Exception | None = None) -> None:
        self.pieces, self.error = pieces, error

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def body_of(library: ModuleType, pieces: list[bytes], error: Exception | None = None) -> Any:
    kinds = (Pieces, library.SyncByteStream, library.AsyncByteStream)
    return type("Body", kinds, {})(pieces, error)


def transport(library: ModuleType, body: Any, headers: dict[str, str] | None = None) -> Any:
    """Answers each request with this body, read by the client and not before."""
    said = {"content-type": "text/event-stream"} if headers is None else headers

    class Transport(library.BaseTransport, library.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            return library.Response(200, headers=said, stream=body)

        async def handle_async_request(self, request: Any) -> Any:
            return library.Response(200, headers=said, stream=body)

    return Transport()


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


WORDS = ["one", "two", "three", "four"]
STREAM = b"".join(
    [
        b": keep alive\n\n",
        event(id="r1", model="m", choices=[{"index": 0, "delta": {"role": "assistant"}}]),
        *(event(id="r1", choices=[{"index": 0, "delta": {"content": word}}]) for word in WORDS * 8),
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 32, "total_tokens": 39}),
        b"data: [DONE]\n\n",
    ]
)


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


@contextmanager
def streamed(library: ModuleType, body: Any) -> Iterator[Any]:
    """A reply whose body is read inside."""
    with (
        library.Client(transport=transport(library, body)) as client,
        client.stream("POST", URL, json=chat(stream=True)) as reply,
    ):
        yield reply


def read(library: ModuleType, body: Any) -> bytes:
    with streamed(library, body) as reply:
        return b"".join(reply.iter_raw())


def facts(call: Call) -> tuple[object, ...]:
    return (
        call.stream,
        call.input_tokens,
        call.output_tokens,
        call.outcome,
        call.provider_request_id,
        call.provider_model,
    )


EXPECTED = (True, 7, 32, "ok", "r1", "m")

once_a_function = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@once_a_function
@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_borders_between_pieces_change_nothing(places: Places, marks: list[int]) -> None:
    before = len(calls(places))
    assert read(httpx2, body_of(httpx2, cut_at(STREAM, marks))) == STREAM
    found = calls(places)
    assert len(found) == before + 1
    assert facts(max(found, key=lambda call: call.call_id)) == EXPECTED


def test_one_byte_at_a_time(places: Places) -> None:
    assert read(httpx2, body_of(httpx2, [bytes([byte]) for byte in STREAM])) == STREAM
    assert facts(only_call(places)) == EXPECTED


@once_a_function
@given(st.lists(st.binary(max_size=300), max_size=20), st.sampled_from(["json", "sse", "bytes"]))
def test_any_bytes_pass_unchanged(places: Places, pieces: list[bytes], kind: str) -> None:
    types = {"json": "application/json", "sse": "text/event-stream", "bytes": "image/png"}
    body = body_of(httpx2, pieces)
    with httpx2.Client(transport=transport(httpx2, body, {"content-type": types[kind]})) as client:
        assert client.post(URL, json=chat()).content == b"".join(pieces)
    assert body.closed >= 1
    assert active.hook is not None
    assert active.hook.shield.failures == 0
    assert active.hook.open == {}


@once_a_function
@given(st.integers(0, len(STREAM)))
def test_a_stream_that_breaks_off_is_kept_as_far_as_it_came(places: Places, at: int) -> None:
    before = len(calls(places))
    error = httpx2.ReadError("gone")
    try:
        read(httpx2, body_of(httpx2, [STREAM[:at]], error))
    except httpx2.ReadError as raised:
        assert raised is error
    found = calls(places)
    assert len(found) == before + 1
    last = max(found, key=lambda call: call.call_id)
    whole = b"data: [DONE]\n" in STREAM[:at] or b'"finish_reason": "stop"' in STREAM[:at]
    assert last.outcome == ("ok" if whole else "interrupted")


READINGS: dict[str, Callable[[Any], Any]] = {
    "read": lambda reply: reply.read(),
    "iter_raw": lambda reply: b"".join(reply.iter_raw()),
    "iter_raw sized": lambda reply: b"".join(reply.iter_raw(7)),
    "iter_bytes": lambda reply: b"".join(reply.iter_bytes()),
    "iter_text": lambda reply: "".join(reply.iter_text()).encode(),
    "iter_lines": lambda reply: "\n".join(reply.iter_lines()).encode() + b"\n",
    "read twice": lambda reply: (reply.read(), reply.read())[1],
}


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
@pytest.mark.parametrize("way", READINGS)
def test_every_way_of_reading(library: ModuleType, way: str, places: Places) -> None:
    body = body_of(library, cut_at(STREAM, [100, 500, 900]))
    with streamed(library, body) as reply:
        assert READINGS[way](reply) == STREAM
    assert body.closed == 1
    assert facts(only_call(places)) == EXPECTED


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
@pytest.mark.parametrize("way", ["aread", "aiter_raw", "aiter_bytes", "aiter_lines"])
def test_every_way_of_reading_async(library: ModuleType, way: str, places: Places) -> None:
    body = body_of(library, cut_at(STREAM, [100, 500, 900]))

    async def ask() -> bytes:
        async with (
            library.AsyncClient(transport=transport(library, body)) as client,
            client.stream("POST", URL, json=chat()) as reply,
        ):
            if way == "aread":
                return bytes(await reply.aread())
            if way == "aiter_lines":
                return "\n".join([line async for line in reply.aiter_lines()]).encode() + b"\n"
            return b"".join([piece async for piece in getattr(reply, way)()])

    assert asyncio.run(ask()) == STREAM
    assert body.closed == 1
    assert facts(only_call(places)) == EXPECTED


@pytest.mark.parametrize("library", LIBRARIES, ids=IDS)
def test_the_marker_ends_a_call_that_is_never_closed(library: ModuleType, places: Places) -> None:
    body = body_of(library, cut_at(STREAM, list(range(0, len(STREAM), 50))))
    client = library.Client(transport=transport(library, body))
    reply = client.send(client.build_request("POST", URL, json=chat()), stream=True)
    for line in reply.iter_lines():
        if line == "data: [DONE]":
            break
    assert facts(only_call(places)) == EXPECTED
    reply.close()
    assert facts(only_call(places)) == EXPECTED


def test_errors_the_caller_is_handling_are_not_the_replys(places: Places) -> None:
    """Closing early inside an `except` of the caller's own is still closing."""
    body = body_of(httpx2, cut_at(STREAM, [200, 400]))
    with httpx2.Client(transport=transport(httpx2, body)) as client:
        try:
            raise ValueError("the caller's own")
        except ValueError:
            with client.stream("POST", URL, json=chat()) as reply:
                next(reply.iter_raw())
    call = only_call(places)
    assert (call.outcome, call.error_kind) == ("interrupted", None)


def test_an_error_of_the_caller_between_pieces(places: Places) -> None:
    body = body_of(httpx2, cut_at(STREAM, [200, 400]))
    with pytest.raises(ZeroDivisionError), streamed(httpx2, body) as reply:
        for _ in reply.iter_raw():
            _ = 1 / 0
    assert only_call(places).outcome == "interrupted"


def test_event_hooks_see_a_reply_they_can_read(places: Places) -> None:
    seen: list[bytes] = []
    hooks = {"response": [lambda reply: seen.append(reply.read())]}
    body = body_of(httpx2, [STREAM])
    with httpx2.Client(transport=transport(httpx2, body), event_hooks=hooks) as client:
        assert client.post(URL, json=chat()).content == STREAM
    assert seen == [STREAM]
    assert facts(only_call(places)) == EXPECTED


def test_read_replies_can_still_be_pickled(places: Places) -> None:
    body = body_of(httpx2, [STREAM])
    with httpx2.Client(transport=transport(httpx2, body)) as client:
        reply = client.post(URL, json=chat())
    assert pickle.loads(pickle.dumps(reply)).content == STREAM


def test_replies_hold_on_to_nothing_of_ours_for_long(places: Places) -> None:
    with httpx2.Client(transport=transport(httpx2, body_of(httpx2, [STREAM]))) as client:
        for _ in range(50):
            client.post(URL, json=chat())
    gc.collect()
    assert active.hook is not None
    assert active.hook.open == {}
    assert len(calls(places)) == 50


def test_authentication_in_two_steps_is_two_attempts(places: Places) -> None:
    """A challenge and its answer are two exchanges; the first is no success."""

    class Challenged(httpx2.Auth):
        def auth_flow(self, request: Any) -> Any:
            reply = yield request
            assert reply.status_code == 401
            request.headers["authorization"] = "Bearer hf_SECRET"
            yield request

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "authorization" not in request.headers:
            return httpx2.Response(401, json={"error": "Invalid username or password."})
        return httpx2.Response(200, json={"usage": {"prompt_tokens": 1, "completion_tokens": 2}})

    with httpx2.Client(transport=httpx2.MockTransport(answer), auth=Challenged()) as client:
        assert client.post(URL, json=chat()).status_code == 200
    first, second = calls(places)
    assert (first.error_kind, first.attempt) == ("auth", 1)
    assert (second.outcome, second.attempt, second.operation_id) == ("ok", 2, first.call_id)


def test_look_ups_teach_and_pass_unchanged(places: Places) -> None:
    mapping = {"novita": {"status": "live", "providerId": "acme/m-turbo", "task": "conversational"}}
    said = json.dumps({"id": "acme/m", "inferenceProviderMapping": mapping}).encode()
    body = body_of(httpx2, cut_at(said, [10, 20]))
    with httpx2.Client(transport=transport(httpx2, body, {})) as client:
        path = "https://huggingface.co/api/models/acme/m?expand=inferenceProviderMapping"
        assert client.get(path).content == said
    reply = httpx2.MockTransport(lambda request: httpx2.Response(200, json={}))
    with httpx2.Client(transport=reply) as client:
        url = "https://router.huggingface.co/novita/v3/openai/chat/completions"
        client.post(url, json=chat(model="acme/m-turbo"))
    call = only_call(places)
    assert (call.requested_model, call.provider_model) == ("acme/m", "acme/m-turbo")


def test_a_look_up_cut_off_teaches_nothing(places: Places) -> None:
    body = body_of(httpx2, [b'{"id": "acme/m", "inference'], httpx2.ReadError("gone"))
    client = httpx2.Client(transport=transport(httpx2, body, {}))
    with client, pytest.raises(httpx2.ReadError):
        client.get("https://huggingface.co/api/models/acme/m")
    assert active.hook is not None
    assert active.hook.shield.failures == 0
    assert not list(Path(places.root).rglob("*.ndjson"))


@pytest.mark.parametrize("size", [100, 5_000, 200_000])
def test_long_answers_cost_no_memory_for_long(places: Places, size: int) -> None:
    words = event(choices=[{"index": 0, "delta": {"content": "x" * size}}])
    pieces = [words] * 40 + [event(usage={"prompt_tokens": 1, "completion_tokens": 2})]
    assert len(read(httpx2, body_of(httpx2, [*pieces, b"data: [DONE]\n\n"]))) > 40 * size
    assert only_call(places).output_tokens == 2


@pytest.mark.parametrize("at", range(1, len(b"data: [DONE]\n\n")))
def test_a_marker_in_two_halves_is_seen_with_the_second(places: Places, at: int) -> None:
    end = len(STREAM) - at
    pieces = [*cut_at(STREAM[:end], list(range(0, end, 90))), STREAM[end:]]
    with streamed(httpx2, body_of(httpx2, pieces)) as reply:
        for line in reply.iter_lines():
            if line == "data: [DONE]":
                break
        assert facts(only_call(places)) == EXPECTED
