"""A load generator: keep-alive connections to one address, closed or open loop, every reply judged.

A reply counts only where its status is 200 and it is whole: a plain one with its usage, a stream
with content and `[DONE]`. Times are taken in the connection itself, not where they are waited for.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import httptools

from benchmarks.gateway_upstream import MODEL

DRAIN_S = 6.0  # how long replies may come in after the last request
OPEN_LOOP_CONNECTIONS = 64
CONTENT = re.compile(rb'"content": ?"[^"]')
PROMPT = "lorem ipsum dolor " * 57  # 1 kB


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway listens, and the headers that it wants."""

    port: int
    path: str = "/v1/chat/completions"
    headers: tuple[tuple[str, str], ...] = ()

    def request(self, *, stream: bool = False, mode: str = "") -> bytes:
        """A whole chat request; `mode` is what the upstream stub is told."""
        asked: dict[str, Any] = {
            "model": MODEL,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        if mode:
            asked |= {"user": mode}
        body = json.dumps(asked).encode()
        headers = (
            ("host", f"127.0.0.1:{self.port}"),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            *self.headers,
        )
        top = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"POST {self.path} HTTP/1.1\r\n{top}\r\n".encode() + body


@dataclass(slots=True)
class Reply:
    """How one request ended; seconds of the performance counter."""

    good: bool
    begun: float
    first: float | None  # first content of a stream
    ended: float


@dataclass
class Measured:
    """What a phase of load saw; latencies and times to first content are of good replies only."""

    latency_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)  # sent after its time, open loop
    failed: int = 0
    took_s: float = 0.0

    def add(self, reply: Reply, due: float | None = None) -> None:
        """Count a reply, its latency from when it was due, where it was due at some time."""
        if not reply.good:
            self.failed += 1
            return
        since = reply.begun if due is None else due
        self.latency_s.append(reply.ended - since)
        if reply.first is not None:
            self.first_s.append(reply.first - since)


class Connection(asyncio.Protocol):
    """One connection, one request at a time; opened again where the server closes it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[Reply] | None = None
        self.streamed = False
        self.first: float | None = None
        self.body = b""

    async def ask(self, request: bytes) -> Reply:
        """Send it and wait for its reply, a broken one where the connection breaks."""
        self.begun, self.first, self.body = time.perf_counter(), None, b""
        if not await self.open():
            return Reply(False, self.begun, None, time.perf_counter())
        assert self.transport
        self.waiter = asyncio.get_running_loop().create_future()
        self.streamed = b'"stream": true' in request
        self.begun = time.perf_counter()
        self.transport.write(request)
        return await self.waiter

    async def open(self) -> bool:
        """Whether it is, now."""
        if self.transport and not self.transport.is_closing():
            return True
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self.transport:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self.parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.end(good=False)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_body(self, body: bytes) -> None:
        self.body += body
        if self.streamed and self.first is None and CONTENT.search(self.body):
            self.first = time.perf_counter()

    def on_message_complete(self) -> None:
        self.end(good=self.parser.get_status_code() == 200 and self.whole())
        if not self.parser.should_keep_alive() and self.transport:
            self.transport.close()

    def whole(self) -> bool:
        if self.streamed:
            return self.first is not None and self.body.rstrip().endswith(b"data: [DONE]")
        return b'"completion_tokens"' in self.body

    def end(self, *, good: bool) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter and not waiter.done():
            waiter.set_result(Reply(good, self.begun, self.first, time.perf_counter()))


async def closed_loop(
    address: Address, request: bytes, connections: int, seconds: float, ramp_s: float = 0.0
) -> Measured:
    """Each connection asks again as soon as it has its reply; they begin spread over `ramp_s`."""
    measured = Measured()

    async def again(number: int, connection: Connection) -> None:
        await asyncio.sleep(ramp_s * number / connections)
        while time.perf_counter() - begun < seconds:
            measured.add(await connection.ask(request))

    async with opened(address.port, connections) as all_of_them:
        begun = time.perf_counter()
        working = [asyncio.create_task(again(*each)) for each in enumerate(all_of_them)]
        left = await unfinished(working, seconds + DRAIN_S)
        measured.failed += left  # others add to it while that is awaited
    measured.took_s = time.perf_counter() - begun
    return measured


async def open_loop(address: Address, request: bytes, offsets_s: Sequence[float]) -> Measured:
    """A request at each of these times, whatever became of those before."""
    measured = Measured()
    loop = asyncio.get_running_loop()
    working: list[asyncio.Task[None]] = []

    async def once(due: float) -> None:
        connection = await idle.get()
        measured.add(await connection.ask(request), due)
        idle.put_nowait(connection)

    def begin(due: float) -> None:
        measured.late_s.append(time.perf_counter() - due)
        working.append(asyncio.create_task(once(due)))

    async with opened(address.port, OPEN_LOOP_CONNECTIONS) as all_of_them:
        idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for each in all_of_them:
            idle.put_nowait(each)
        begun = time.perf_counter()
        due = [begun + offset for offset in offsets_s]
        await asyncio.to_thread(pace, due, lambda at: loop.call_soon_threadsafe(begin, at))
        await asyncio.sleep(0)  # the last one has begun
        left = await unfinished(working, DRAIN_S)
        measured.failed += left  # others add to it while that is awaited
    measured.took_s = time.perf_counter() - begun
    return measured


def pace(due: Sequence[float], begin: Callable[[float], object]) -> None:
    """In a thread of its own: the loop's timers know whole milliseconds only."""
    for at in due:
        time.sleep(max(0.0, at - time.perf_counter()))
        begin(at)


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests come, in seconds from the beginning, the same for the same seed."""
    chance = Random(seed)
    offsets = [chance.expovariate(rate)]
    while offsets[-1] < seconds:
        offsets.append(offsets[-1] + chance.expovariate(rate))
    return offsets[:-1]


@asynccontextmanager
async def opened(port: int, number: int) -> AsyncIterator[list[Connection]]:
    connections = [Connection(port) for _ in range(number)]
    try:
        await asyncio.gather(*(each.open() for each in connections))
        yield connections
    finally:
        for each in connections:
            each.close()


async def unfinished(working: Sequence[asyncio.Task[None]], seconds: float) -> int:
    """How many have not ended by then; they are given up."""
    if not working:
        return 0
    done, left = await asyncio.wait(working, timeout=seconds)
    for each in left:
        each.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for each in done:
        each.result()  # a mistake of ours is no failed request
    return len(left)
