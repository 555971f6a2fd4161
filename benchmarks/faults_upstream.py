"""A loopback stand-in for the router: answers chats, plain or streamed, some of them slowly."""

from __future__ import annotations

import asyncio
import json
from typing import Any

SLOW = "acme/slow"
SLOW_SECONDS = 4.0
WORDS = 8

USAGE = {"prompt_tokens": 20, "completion_tokens": WORDS, "total_tokens": 20 + WORDS}


def plain() -> bytes:
    message = {"role": "assistant", "content": "word " * WORDS}
    return json.dumps(
        {"id": "c1", "choices": [{"index": 0, "message": message}], "usage": USAGE}
    ).encode()


def events() -> list[bytes]:
    pieces: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": "word "}}]} for _ in range(WORDS)
    ]
    said = [json.dumps(each) for each in (*pieces, {"choices": [], "usage": USAGE})]
    return [f"data: {each}\n\n".encode() for each in (*said, "[DONE]")]


PLAIN, EVENTS = plain(), events()


def head(kind: str, framing: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{framing}\r\n"
        "x-inference-provider: novita\r\nx-request-id: r1\r\n\r\n"
    ).encode()


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One keep-alive connection, until the client is gone."""
    try:
        while True:
            top = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(top.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            pause = SLOW_SECONDS if asked["model"] == SLOW else 0.0
            await (stream if asked.get("stream") else answer)(writer, pause)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(writer: asyncio.StreamWriter, pause: float) -> None:
    await asyncio.sleep(pause)
    writer.write(head("application/json", f"content-length: {len(PLAIN)}") + PLAIN)
    await writer.drain()


async def stream(writer: asyncio.StreamWriter, pause: float) -> None:
    writer.write(head("text/event-stream", "transfer-encoding: chunked"))
    for event in EVENTS:
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(pause / len(EVENTS))
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def serve() -> None:
    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
