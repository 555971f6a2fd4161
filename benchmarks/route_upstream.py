"""A loopback server that speaks chat and does with each request what a function says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any, NamedTuple

WORDS = "An answer of four words."


class Reply(NamedTuple):
    """`cut`: the connection is closed in the middle of the body."""

    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    after_s: float = 0.0
    cut: bool = False


OK = Reply()
FAILED = Reply(500)


class Came(NamedTuple):
    """A request that arrived, in monotonic seconds."""

    model: str
    at: float


class Upstream:
    """`decide` is told the model, and may be called for many requests at once."""

    def __init__(self, decide: Callable[[str], Reply]) -> None:
        self._decide = decide
        self.came: list[Came] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(
            (int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0
        )
        if not head.startswith("post"):
            writer.write(head_of(Reply(404), 0))
            return
        asked = json.loads(await reader.readexactly(length) or b"{}")
        model = str(asked.get("model", ""))
        self.came.append(Came(model, asyncio.get_running_loop().time()))
        reply = self._decide(model)
        await asyncio.sleep(reply.after_s)
        body = json.dumps(said(model, reply.status)).encode()
        writer.write(head_of(reply, len(body)) + body[: len(body) // 2 if reply.cut else None])
        await writer.drain()
        if reply.cut:
            raise ConnectionError


def said(model: str, status: int) -> Any:
    if status != 200:
        return {"error": "as asked for"}
    message = {"role": "assistant", "content": WORDS}
    return {
        "id": "benchmark",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
    }


def head_of(reply: Reply, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} benchmark",
        "content-type: application/json",
        f"content-length: {length}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def upstream(decide: Callable[[str], Reply]) -> Iterator[Upstream]:
    """Serve on a free loopback port, in a thread of its own."""
    served, loop = Upstream(decide), asyncio.new_event_loop()
    listening = threading.Event()

    async def listen() -> None:
        server = await asyncio.start_server(served.serve, "127.0.0.1", 0, backlog=1024)
        served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        listening.set()
        with suppress(asyncio.CancelledError):
            await server.serve_forever()

    thread = threading.Thread(target=lambda: loop.run_until_complete(listen()), daemon=True)
    thread.start()
    listening.wait(10)
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(_stop, loop)
        thread.join(10)
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    for each in asyncio.all_tasks(loop):
        each.cancel()
