"""A loopback stand-in for the router, so fast that a benchmark measures the gateway before it.

    python -m benchmarks.gateway_upstream PORT

The body's `user` says how it answers: `paced` with 20 ms between chunks, `fail` with status 500,
`cut` with an end in the middle. A GET is told how many chats were asked for.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import httptools
import uvloop

CHUNKS = 20  # of content; then the usage and [DONE]
PACE_S = 0.02
REPLY_BYTES = 602  # of a plain reply's body
USAGE = {"prompt_tokens": 250, "completion_tokens": CHUNKS, "total_tokens": 250 + CHUNKS}
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def named(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_764_000_000, "model": MODEL}


def plain() -> bytes:
    """A reply of exactly `REPLY_BYTES`, its text as long as it takes."""

    def saying(text: str) -> bytes:
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        return json.dumps(named("chat.completion") | {"choices": choices, "usage": USAGE}).encode()

    return saying("x" * (REPLY_BYTES - len(saying(""))))


def events() -> Iterator[bytes]:
    chunk = named("chat.completion.chunk")
    for number in range(CHUNKS):
        delta = {"role": "assistant", "content": f"word{number} "}
        yield event(chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield event(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield event(chunk | {"choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def event(said: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def head(status: str, kind: str, framing: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{framing}\r\n"
        "x-inference-provider: novita\r\nx-request-id: r1\r\n\r\n"
    ).encode()


def whole(body: bytes, status: str = "200 OK") -> bytes:
    return head(status, "application/json", f"content-length: {len(body)}") + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


PLAIN = whole(plain())
FAILED = whole(b'{"error": {"message": "on purpose"}}', "500 Internal Server Error")
OPENING = head("200 OK", "text/event-stream", "transfer-encoding: chunked")
PIECES = (*map(chunk, events()), b"0\r\n\r\n")


class Conversation(asyncio.Protocol):
    """One keep-alive connection, one request after the other."""

    asked = 0  # of all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self.parser.get_method() == b"GET":
            self.transport.write(whole(b"%d" % Conversation.asked))
            return
        Conversation.asked += 1
        self.answer(json.loads(body))

    def answer(self, asked: dict[str, Any]) -> None:
        mode = asked.get("user")
        if mode == "fail":
            self.transport.write(FAILED)
        elif not asked.get("stream"):
            self.transport.write(PLAIN)
        else:
            self.transport.write(OPENING)
            pieces = PIECES[: CHUNKS // 2] if mode == "cut" else PIECES
            self.send(iter(pieces), PACE_S if mode == "paced" else 0.0, cut=mode == "cut")

    def send(self, pieces: Iterator[bytes], pace_s: float, *, cut: bool) -> None:
        """Each piece in a round of the loop's own, so that each is sent on its own."""
        piece = next(pieces, None)
        if piece is not None and not self.transport.is_closing():
            self.transport.write(piece)
            after = partial(self.send, pieces, pace_s, cut=cut)
            self.loop.call_later(pace_s, after) if pace_s else self.loop.call_soon(after)
        elif cut:
            self.transport.close()


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Conversation, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
