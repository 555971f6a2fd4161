"""A hostile request sent to a gateway over a plain socket, and the statuses that come back."""

from __future__ import annotations

import asyncio

from tests.factories_hostile import CLOSED, Hostile


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
