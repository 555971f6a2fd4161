"""A witness sees what leaves and comes, may number the attempt, and never sees the token."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from factories_practice import CHAT_MODEL, Practice, calls, chat, practice_server, recording
from huggingface_hub import AsyncInferenceClient, InferenceClient

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.witness import BLANK, seen_by, witness
from hf_ledger.ingest.places import Places

MESSAGES = [{"role": "user", "content": "one two three"}]


@dataclass
class Seen:
    """A witness that keeps all it is told."""

    fallback_of: str | None = None
    sent: list[tuple[str, dict[str, str], bytes | None]] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    came_bytes: bytes = b""
    over: list[Call] = field(default_factory=list)

    def left(self, call: Call, url: str, headers: dict[str, str], body: bytes | None) -> None:
        if self.fallback_of:
            call.attempt, call.fallback_of = 2, self.fallback_of
        self.sent.append((url, headers, body))

    def answered(self, call: Call, status: int, headers: dict[str, str]) -> None:
        self.heads.append(status)

    def came(self, piece: bytes) -> None:
        self.came_bytes += piece

    def ended(self, call: Call) -> None:
        self.over.append(call)


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice) -> Iterator[Practice]:
    with recording(server):
        yield server


def test_it_sees_the_row_that_the_ledger_will_have(practice: Practice, places: Places) -> None:
    seen = Seen()
    client = InferenceClient(base_url=practice.v1, api_key="hf_marker")
    with seen_by(seen):
        client.chat_completion(MESSAGES, model=CHAT_MODEL, max_tokens=4)
    (row,), (told,) = calls(places), seen.over
    assert all(getattr(told, name) == getattr(row, name) for name in row.__struct_fields__)
    assert (told.output_tokens, told.provider, told.outcome) == (4, "cerebras", "ok")
    (url, headers, body) = seen.sent[0]
    assert url == f"{practice.v1}/chat/completions"
    assert headers["authorization"] == BLANK
    assert "hf_marker" not in repr(seen)
    assert body is not None and b"one two three" in body
    assert seen.heads == [200]
    assert b'"completion_tokens":4' in seen.came_bytes.replace(b" ", b"")


def test_it_may_say_which_attempt_this_is(practice: Practice, places: Places) -> None:
    first = "018f0000-0000-7000-8000-000000000001"
    with seen_by(Seen(fallback_of=first)):
        httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    httpx2.post(f"{practice.v1}/chat/completions", json=chat("another"))
    second, unseen = calls(places)
    assert (second.attempt, second.fallback_of) == (2, first)
    assert (unseen.attempt, unseen.fallback_of) == (1, None)


async def test_streams_piece_by_piece_and_each_task_its_own(
    practice: Practice, places: Places
) -> None:
    async def ask(text: str, seen: Seen) -> str:
        # Each task has a context of its own: nothing to put back.
        witness.set(seen)
        client = AsyncInferenceClient(base_url=practice.v1, api_key="hf_x")
        messages = [{"role": "user", "content": text}]
        said = ""
        async for chunk in await client.chat_completion(messages, model=CHAT_MODEL, stream=True):
            said += "".join(each.delta.content or "" for each in chunk.choices)
        return said

    seen = [Seen(), Seen()]
    said = await asyncio.gather(ask("first words", seen[0]), ask("other things", seen[1]))
    for each, text in zip(seen, said, strict=True):
        (over,) = each.over
        assert over.ttft_ms is not None
        assert f"{over.output_tokens}" in each.came_bytes.decode() and text
    assert b"first" in seen[0].came_bytes and b"first" not in seen[1].came_bytes
    assert len(calls(places)) == 2


@pytest.mark.parametrize(
    ("wish", "outcome", "kind"), [("503", "error", "model_loading"), ("cut", "interrupted", None)]
)
def test_failures_are_told_once(
    practice: Practice, places: Places, wish: str, outcome: str, kind: str | None
) -> None:
    seen = Seen()
    address, asked = f"{practice.v1}/chat/completions", chat(stream=True)
    wished = httpx2.stream("POST", address, json=asked, headers={"x-practice": wish})
    with seen_by(seen), suppress(httpx2.TransportError), wished as reply:
        list(reply.iter_bytes())
    (told,) = seen.over
    assert told.outcome == outcome
    assert kind is None or told.error_kind == kind


def test_where_nobody_listens(practice: Practice, places: Places) -> None:
    seen = Seen()
    asked = chat()
    with seen_by(seen), pytest.raises(httpx2.TransportError):
        httpx2.post(
            f"{practice.v1}/chat/completions",
            json=asked,
            headers={"x-practice": "hang"},
            timeout=0.2,
        )
    (told,) = seen.over
    assert (told.outcome, told.status) == ("error", None)


class Raising(Seen):
    def came(self, piece: bytes) -> None:
        raise RuntimeError("no")

    def ended(self, call: Call) -> None:
        raise RuntimeError("no")


def test_one_that_raises_harms_no_call(practice: Practice, places: Places) -> None:
    with seen_by(Raising()):
        reply = httpx2.post(f"{practice.v1}/chat/completions", json=chat())
    assert reply.status_code == 200
    assert len(calls(places)) == 1


class Gateway(BaseHTTPRequestHandler):
    """Answers as a gateway of ours does: with the id of the row that it keeps."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        said = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.send_header("x-hf-ledger-call-id", THEIRS)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *said: object) -> None:
        """Quiet."""


THEIRS = "018f0000-0000-7000-8000-00000000000a"


def test_a_gateway_keeps_the_row_and_the_witness_sees_it(places: Places) -> None:
    seen = Seen()
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as gateway:
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        with recording(Practice(gateway.server_port)), seen_by(seen):
            url = f"http://127.0.0.1:{gateway.server_port}/v1/chat/completions"
            for _ in range(2):
                httpx2.post(url, json=chat())
        gateway.shutdown()
    assert calls(places) == []
    assert [(each.call_id, each.output_tokens) for each in seen.over] == [(THEIRS, 5)] * 2
