"""Servers that misbehave in a named way, as bytes over plain sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CHUNKED = "Transfer-Encoding: chunked"

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


def reply(*lines: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    said = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *lines]
    return "\r\n".join(said).encode("latin-1") + b"\r\n\r\n"


def saying(*parts: bytes, pause: float = 0.0) -> Act:
    """Send these parts, then close."""

    async def act(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return act


async def _hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3_600)


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _begin_and_reset(writer: asyncio.StreamWriter) -> None:
    await saying(reply("Content-Length: 1000"), b'{"id": "', pause=0.05)(writer)
    writer.transport.abort()


async def _begin_and_hang(writer: asyncio.StreamWriter) -> None:
    await saying(reply("Content-Length: 1000"), b'{"id": "')(writer)
    await _hang(writer)


async def _endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        writer.write(b"X-%d: a\r\n" % number)
        await writer.drain()


async def _byte_by_byte(writer: asyncio.StreamWriter) -> None:
    answer = reply("Content-Length: 600") + b" " * 600
    await saying(*(answer[i : i + 1] for i in range(len(answer))), pause=1.0)(writer)


EVENTS = reply(CHUNKED, kind="text/event-stream")
EVENT = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


#: What a server does once it has read a request; its client must see an error, and in time.
ACTS: dict[str, Act] = {
    "hangs": _hang,
    "resets": _reset,
    "closes": saying(),
    "begins and resets": _begin_and_reset,
    "begins and hangs": _begin_and_hang,
    "HTML": saying(reply("Content-Length: 15", kind="text/html") + b"<html>no</html>"),
    "an error in HTML": saying(
        reply("Content-Length: 15", status="502 Bad Gateway", kind="text/html") + b"<html>no</html>"
    ),
    "half a chunk": saying(reply(CHUNKED) + b'64\r\n{"id": "'),
    "no hexadecimal": saying(reply(CHUNKED) + b"zz\r\n{}\r\n0\r\n\r\n"),
    "too little": saying(reply("Content-Length: 100") + b"{}"),
    "too much": saying(reply("Content-Length: 2") + b"{}" + b"x" * 1_000),
    "a length in words": saying(reply("Content-Length: two") + b"{}"),
    "two lengths": saying(reply("Content-Length: 2", "Content-Length: 3") + b"{} "),
    "endless headers": _endless_headers,
    "a header of 1 MB": saying(reply("X-A: " + "a" * (1 << 20), "Content-Length: 2") + b"{}"),
    "a byte a second": _byte_by_byte,
    "invalid gzip": saying(reply("Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8bno"),
    "no HTTP": saying(b"220 mail.example ESMTP\r\n"),
    "an odd status": saying(reply("Content-Length: 2", status="999 What") + b"{}"),
    "a status in words": saying(b"HTTP/1.1 OK OK\r\n\r\n"),
    "no body where one may not be": saying(reply(status="204 No Content") + b"{}"),
    "only informing": saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000),
    "a redirect to itself": saying(
        reply("Location: /", "Content-Length: 0", status="307 Temporary Redirect")
    ),
    "a redirect elsewhere": saying(
        reply("Location: http://127.0.0.1:1/", "Content-Length: 0", status="302 Found")
    ),
    "an injected header": saying(b"HTTP/1.1 200 OK\r\nX-A: a\rX-Injected: 1\r\n\r\n{}"),
    "events cut in the middle": saying(EVENTS + chunk(EVENT) + chunk(EVENT[:20])),
    "events without an end": saying(EVENTS + chunk(EVENT) * 3 + b"0\r\n\r\n"),
    "an event of 32 MB": saying(
        EVENTS, *(chunk(b"data: " + b"a" * (1 << 20)) for _ in range(32)), b"0\r\n\r\n"
    ),
    "events that are no JSON": saying(
        EVENTS + chunk(b"data: {no\n\ndata: [DONE]\n\n") + b"0\r\n\r\n"
    ),
    "events in invalid UTF-8": saying(EVENTS + chunk(b"data: \xff\xfe\n\n") + b"0\r\n\r\n"),
    "an error among events": saying(
        EVENTS + chunk(EVENT) + chunk(b'data: {"error": {"message": "no"}}\n\n') + b"0\r\n\r\n"
    ),
    "deep JSON": saying(reply("Content-Length: 200000") + b"[" * 100_000 + b"]" * 100_000),
}


@dataclass
class Upstream:
    """A server on a free loopback port; `act` may be changed between requests."""

    act: Act
    url: str = ""
    heads: list[bytes] = field(default_factory=list)  # of the requests that came


@asynccontextmanager
async def upstream(act: Act) -> AsyncIterator[Upstream]:
    """A server that reads each request and then does as `act` says."""
    made = Upstream(act)
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        try:
            made.heads.append(await _take(reader))
            await made.act(writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            """What came was no request, or the gateway has hung up, as it may."""
        except asyncio.CancelledError:
            """The test is over."""
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for task in list(under_way):
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _take(reader: asyncio.StreamReader) -> bytes:
    """Read one request with a content-length, or the head of one without."""
    said = await reader.readuntil(b"\r\n\r\n")
    for line in said.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return said
