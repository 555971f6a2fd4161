"""A hostile request sent to a gateway over a plain socket, and the statuses that come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Instead of a status: the connection ended without one.
CLOSED = 0
REFUSED = frozenset({400, CLOSED})
CHAT = "/v1/chat/completions"

Chunks = Iterator[bytes]


@dataclass(frozen=True)
class Hostile:
    """One connection: `chunks` are sent in their order, `pause` seconds after each.

    `chunks` gets the authorization header's value, and makes each chunk only when it is sent.
    """

    name: str
    chunks: Callable[[str], Chunks]
    statuses: frozenset[int]
    pause: float = 0.0
    half_close: bool = False  # say that nothing more comes, and still read
    answers: int = 1  # replies that may come on this connection


def chat(**more: object) -> bytes:
    asked = {"model": "org/model", "messages": [{"role": "user", "content": "hi"}], **more}
    return json.dumps(asked).encode()


def head(
    key: str,
    *headers: str | bytes,
    method: str = "POST",
    path: str | bytes = CHAT,
    version: str = "1.1",
    length: int | None = None,
    kind: str | None = "application/json",
) -> bytes:
    """The head of a request; without `length` no content-length is sent."""
    target = path.encode("utf-8") if isinstance(path, str) else path
    lines = [b"%b %b HTTP/%b" % (method.encode(), target, version.encode()), b"Host: gateway"]
    lines.append(b"Authorization: " + key.encode())
    if kind is not None:
        lines.append(b"Content-Type: " + kind.encode())
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    lines += [each.encode("latin-1") if isinstance(each, str) else each for each in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def whole(
    name: str,
    body: bytes = b"",
    *headers: str | bytes,
    statuses: frozenset[int] = REFUSED,
    path: str | bytes = CHAT,
    method: str = "POST",
    version: str = "1.1",
    kind: str | None = "application/json",
) -> Hostile:
    """A request sent in one piece, with the content-length that it has."""

    def chunks(key: str) -> Chunks:
        yield (
            head(
                key,
                *headers,
                method=method,
                path=path,
                version=version,
                length=len(body),
                kind=kind,
            )
            + body
        )

    return Hostile(name, chunks, statuses)


async def statuses_of(
    hostile: Hostile, host: str, port: int, key: str, seconds: float = 10.0
) -> list[int]:
    """Statuses of the replies, or `[CLOSED]`. Raises TimeoutError where nothing ends it in time."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(seconds):
            sending = asyncio.ensure_future(_send(hostile, writer, key))
            try:
                return await _read_statuses(reader, hostile.answers) or [CLOSED]
            finally:
                sending.cancel()
    finally:
        writer.close()


async def _send(hostile: Hostile, writer: asyncio.StreamWriter, key: str) -> None:
    try:
        for chunk in hostile.chunks(key):
            writer.write(chunk)
            await writer.drain()
            if hostile.pause:
                await asyncio.sleep(hostile.pause)
        if hostile.half_close:
            writer.write_eof()
    except OSError:
        """The other side has hung up: what it said before is read."""


async def _read_statuses(reader: asyncio.StreamReader, most: int) -> list[int]:
    found: list[int] = []
    try:
        while len(found) < most and (line := await reader.readline()):
            if line.startswith(b"HTTP/1."):
                found.append(int(line.split()[1]))
    except (OSError, ValueError):  # hung up, or a line longer than the reader takes
        return found
    return found
