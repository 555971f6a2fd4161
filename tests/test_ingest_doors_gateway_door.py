"""Requests through a running gateway: bytes there and back, one row each, nothing leaked."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories_gateway import CHAT, KEY, MODEL, SECRET, TOKEN, Running, chat, gateway
from factories_practice import calls, counted, recorded
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.refusal import Refused

ID = "x-hf-ledger-call-id"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def row_of(running: Running, reply: httpx.Response) -> Call:
    """The row of this reply's call; there is exactly one."""
    (row,) = [call for call in calls(running.places) if call.call_id == reply.headers[ID]]
    return row


def until(said: Any) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + 5
    while not said():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


# -- there and back --------------------------------------------------------------------------------


def test_bytes_and_row_of_a_chat(shared: Running) -> None:
    reply = shared.post()
    seen = shared.witness.seen[-1]
    assert (reply.status_code, reply.content) == (200, seen.answered)
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    row = row_of(shared, reply)
    assert (row.source, row.key_id, row.user_id, row.team) == ("gateway", "0000000a", "u-1", "t-1")
    assert (row.requested_model, row.provider) == (MODEL, "cerebras")
    assert (row.input_tokens, row.output_tokens, row.outcome) == (3, 6, "ok")
    assert row.input_hash is not None
    assert row.latency_ms is not None


def test_the_body_goes_up_as_it_was_sent(shared: Running) -> None:
    body = b'{ "model" : "%b","messages":[{"role":"user","content":"a\\u00e9"} ]}' % MODEL.encode()
    shared.post(content=body, headers={"content-type": "application/json"})
    assert shared.witness.seen[-1].asked == body


def test_the_line_is_there_before_the_reply_ends(shared: Running) -> None:
    for stream in (False, True):
        reply = shared.post(json=chat(stream=stream))
        assert row_of(shared, reply).outcome == "ok"


def test_bytes_and_row_of_a_stream(shared: Running) -> None:
    with httpx.stream(
        "POST",
        shared.url + CHAT,
        json=chat(stream=True),
        headers={"authorization": f"Bearer {SECRET}"},
    ) as reply:
        received = b"".join(reply.iter_raw())
    assert received == shared.witness.seen[-1].answered
    assert b"[DONE]" in received
    row = row_of(shared, reply)
    assert (row.stream, row.output_tokens, row.outcome) == (True, 6, "ok")
    assert row.ttft_ms is not None


def test_a_packed_reply_stays_packed(shared: Running) -> None:
    body = chat(model="practice/gzip")
    with httpx.stream(
        "POST",
        shared.url + CHAT,
        json=body,
        headers={"authorization": f"Bearer {SECRET}", "accept-encoding": "gzip"},
    ) as reply:
        received = b"".join(reply.iter_raw())
    assert reply.headers["content-encoding"] == "gzip"
    assert received == shared.witness.seen[-1].answered
    assert json.loads(gzip.decompress(received))["usage"]["prompt_tokens"] == 3
    assert row_of(shared, reply).input_tokens == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": MODEL, "prompt": "one two"}),
        ("/v1/embeddings", {"model": "intfloat/e5", "input": "one two"}),
        ("/v1/responses", {"model": MODEL, "input": "one two"}),
        ("/v1/messages", {**chat(), "max_tokens": 9}),
        ("/together/v1/chat/completions", chat()),
        ("/hf-inference/models/facebook/bart-large-cnn", {"inputs": "one two"}),
    ],
)
def test_every_family_of_paths(shared: Running, path: str, body: dict[str, Any]) -> None:
    reply = shared.post(path, json=body)
    assert (reply.status_code, reply.content) == (200, shared.witness.seen[-1].answered)
    row = row_of(shared, reply)
    assert (row.source, row.outcome) == ("gateway", "ok")


def test_anthropics_header_carries_the_key(shared: Running) -> None:
    reply = httpx.post(
        shared.url + "/v1/messages",
        json={**chat(), "max_tokens": 9},
        headers={"x-api-key": SECRET},
    )
    assert reply.status_code == 200
    assert "x-api-key" not in shared.witness.seen[-1].headers


def test_the_list_of_models_is_no_call(shared: Running) -> None:
    before = len(calls(shared.places))
    reply = httpx.get(shared.url + "/v1/models", headers={"authorization": f"Bearer {SECRET}"})
    assert reply.content == shared.witness.seen[-1].answered
    assert len(calls(shared.places)) == before


def test_a_query_goes_along(shared: Running) -> None:
    shared.post("/v1/chat/completions?api-version=1&x=%20y")
    assert shared.witness.seen[-1].path == CHAT


def test_labels_that_the_key_leaves_open(shared: Running) -> None:
    headers = {
        "x-hf-ledger-user": "somebody else",
        "x-hf-ledger-project": "contracts",
        "x-hf-ledger-tags": "a=1,b=2",
        "x-hf-ledger-app": "cli",
    }
    row = row_of(shared, shared.post(headers=headers))
    assert (row.user_id, row.project, row.app) == ("u-1", "contracts", "cli")
    assert row.tags == {"a": "1", "b": "2"}
    assert not [name for name in shared.witness.seen[-1].headers if "ledger" in name]


# -- what goes wrong upstream ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 402, 404, 422, 429, 500, 503])
def test_errors_of_the_server_pass_as_they_are(shared: Running, status: int) -> None:
    reply = shared.post(json=chat(model=f"practice/{status}"))
    assert (reply.status_code, reply.content) == (status, shared.witness.seen[-1].answered)
    row = row_of(shared, reply)
    assert (row.outcome, row.status) == ("error", status)
    assert shared.noted.ended[-1].cost == 0


def test_a_stream_that_is_cut_off_ends_cut_off(shared: Running) -> None:
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream(
            "POST",
            shared.url + CHAT,
            json=chat(model="practice/cut", stream=True),
            headers={"authorization": f"Bearer {SECRET}"},
        ) as reply,
    ):
        for _ in reply.iter_raw():
            pass
    until(lambda: row_of(shared, reply).outcome == "interrupted")
    assert shared.noted.ended[-1].call is not None


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with gateway(tmp_path, upstream_url=nobody) as running:
            reply = running.post()
            assert (reply.status_code, code_of(reply)) == (502, "upstream_unreachable")
            assert nobody not in reply.text
            row = row_of(running, reply)
            assert (row.outcome, row.error_kind, row.status) == ("error", "connection", None)


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with gateway(tmp_path, silent_s=0.3) as running:
        reply = running.post(json=chat(model="practice/hang"))
        assert (reply.status_code, code_of(reply)) == (504, "upstream_timeout")
        assert row_of(running, reply).error_kind == "timeout"


def test_a_client_that_leaves_lets_upstream_go(shared: Running) -> None:
    with pytest.raises(httpx.TimeoutException):
        httpx.post(
            shared.url + CHAT,
            json=chat(model="practice/hang"),
            headers={"authorization": f"Bearer {SECRET}"},
            timeout=0.3,
        )
    seen = shared.witness.seen[-1]
    until(lambda: seen.left)
    until(lambda: calls(shared.places)[-1].outcome in ("cancelled", "interrupted"))
    assert shared.noted.ended[-1].call is not None


async def begins_and_waits(scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that says one word and goes on when its reader is gone."""
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    word = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
    await send({"type": "http.response.body", "body": word, "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


def test_a_client_that_leaves_in_a_stream_lets_upstream_go(tmp_path: Path) -> None:
    with gateway(tmp_path, upstream=begins_and_waits) as running:
        with httpx.stream(
            "POST",
            running.url + CHAT,
            json=chat(stream=True),
            headers={"authorization": f"Bearer {SECRET}"},
        ) as reply:
            next(reply.iter_raw())
        until(lambda: running.witness.seen[-1].left)
        until(lambda: bool(calls(running.places)))
        row = row_of(running, reply)
        assert row.outcome in ("interrupted", "cancelled")
        assert len(running.noted.ended) == 1


# -- what the gateway itself refuses ---------------------------------------------------------------


def code_of(reply: httpx.Response) -> str:
    error = reply.json()["error"]
    assert error["request_id"] == reply.headers[ID]
    assert error["type"] == "gateway"
    return str(error["code"])


class Stop:
    name = "stop"

    def check(self, asking: Asking) -> None:
        raise Refused(402, "budget_exhausted", "No.", {"x-why": "tests"})

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        raise AssertionError("it let nothing pass")


def test_a_refusal_is_a_row_and_goes_nowhere(tmp_path: Path) -> None:
    with gateway(tmp_path, checks=[Stop()]) as running:
        reply = running.post()
        assert (reply.status_code, code_of(reply)) == (402, "budget_exhausted")
        assert reply.headers["x-why"] == "tests"
        row = row_of(running, reply)
        assert (row.outcome, row.status, row.error_kind) == ("refused", 402, "quota")
        assert (row.payer, row.output_tokens) == ("nobody", None)
        assert running.witness.seen == []
        assert [(each.refused, each.status) for each in running.refused] == [
            ("budget_exhausted", 402)
        ]


class Wait:
    name = "wait"

    def __init__(self) -> None:
        self.waited = False

    async def _later(self) -> None:
        self.waited = True

    def check(self, asking: Asking) -> Any:
        return self._later()

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        pass


def test_a_check_may_wait(tmp_path: Path) -> None:
    wait = Wait()
    with gateway(tmp_path, checks=[wait]) as running:
        assert running.post().status_code == 200
        assert wait.waited


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer hfl_x"}, {"x-api-key": "no"}])
def test_without_a_good_key(shared: Running, headers: dict[str, str]) -> None:
    before = len(calls(shared.places))
    reply = httpx.post(shared.url + CHAT, json=chat(), headers=headers)
    assert (reply.status_code, code_of(reply)) == (401, "invalid_key")
    assert len(calls(shared.places)) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[1, 2]", b'"text"', b"\xff\xfe", b"null"])
def test_a_body_that_is_no_json_object(shared: Running, body: bytes) -> None:
    reply = shared.post(content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, code_of(reply)) == (400, "not_json")


def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    with gateway(tmp_path, body_bytes=10_000) as running:
        reply = running.post(json=chat("x" * 20_000))
        assert (reply.status_code, code_of(reply)) == (413, "body_too_large")
        streamed = running.post(content=(b"x" * 5_000 for _ in range(10)))
        assert (streamed.status_code, code_of(streamed)) == (413, "body_too_large")
        assert running.witness.seen == []


@pytest.mark.parametrize("pieces", [[12_000], [9_000, 9_000]])
async def test_a_body_is_measured_however_it_arrives(tmp_path: Path, pieces: list[int]) -> None:
    """Also where the server hands its end over together with what is too much."""
    left, sent = list(pieces), []

    async def receive() -> Any:
        body = b"x" * left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": CHAT,
        "headers": [(b"authorization", b"Bearer " + SECRET.encode())],
    }
    with gateway(tmp_path, body_bytes=10_000) as running:
        await running.door(scope, receive, send)
    assert sent[0]["status"] == 413
    assert b"body_too_large" in sent[1]["body"]


def test_a_body_that_does_not_come(tmp_path: Path) -> None:
    with (
        gateway(tmp_path, body_seconds=0.3) as running,
        socket.create_connection(("127.0.0.1", running.port)) as client,
    ):
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
        client.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
        client.settimeout(5)
        received = b""
        while piece := client.recv(4_096):
            received += piece
        assert received.startswith(b"HTTP/1.1 408")
        assert b"body_too_slow" in received


def test_two_keys_in_one_request(shared: Running) -> None:
    reply = httpx.post(
        shared.url + CHAT,
        json=chat(),
        headers=[("authorization", "Bearer a"), ("authorization", f"Bearer {SECRET}")],
    )
    assert (reply.status_code, code_of(reply)) == (400, "repeated_header")


# -- what a hard budget needs ----------------------------------------------------------------------


@pytest.fixture
def bounding(tmp_path: Path) -> Iterator[Running]:
    with gateway(tmp_path, default_max_tokens=50) as running:
        running.door.bounds = lambda _asking: True
        yield running


def test_a_limit_is_added(bounding: Running) -> None:
    bounding.post()
    assert json.loads(bounding.witness.seen[-1].asked) == {**chat(), "max_tokens": 50}
    bounding.post(json=chat(max_tokens=9))
    assert json.loads(bounding.witness.seen[-1].asked) == chat(max_tokens=9)


def test_the_added_usage_is_taken_out_and_counted(bounding: Running) -> None:
    body = chat(model="practice/no-usage", stream=True)
    reply = bounding.post(json=body, headers={"accept-encoding": "gzip"})
    seen = bounding.witness.seen[-1]
    assert json.loads(seen.asked)["stream_options"] == {"include_usage": True}
    assert "gzip" not in seen.headers.get("accept-encoding", "")
    assert b"[DONE]" in reply.content
    assert b'"choices":[],' not in reply.content
    assert len(reply.content) <= len(seen.answered)
    asked = bounding.post(json={**chat(stream=True), "stream_options": {"include_usage": True}})
    assert asked.content == bounding.witness.seen[-1].answered
    assert b'"usage":{' in asked.content


# -- laws ------------------------------------------------------------------------------------------


def test_each_check_that_passed_is_finished_once(shared: Running) -> None:
    until(lambda: len(shared.noted.asked) == len(shared.noted.ended))


def test_nothing_secret_is_kept(shared: Running) -> None:
    shared.post(json=chat("a marker that nobody may keep"))
    kept = b"".join(path.read_bytes() for path in shared.places.root.rglob("*") if path.is_file())
    for secret in (TOKEN, SECRET, "marker that nobody"):
        assert secret.encode() not in kept
    assert counted(shared.places)["recorder_error"] == 0
    assert KEY.key_id.encode() in kept


def test_big_replies_are_streamed_and_whole(tmp_path: Path) -> None:
    big = b"x" * (3 << 20)

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(big, media_type="image/png")(scope, receive, send)

    with gateway(tmp_path, upstream=upstream) as running:
        reply = running.post("/hf-inference/models/a/b", json={"inputs": "a cat"})
        assert reply.content == big
        assert reply.headers["content-length"] == str(len(big))
        assert row_of(running, reply).outcome == "ok"
        assert len([line for line in recorded(running.places) if isinstance(line, Call)]) == 1
