"""What recording adds to a call: the hook is switched on and off call by call in one process.

Between two processes the 99th percentile differs by 500 µs for nothing; alternating calls of one
process see the same machine. The upstream is a raw loopback server. It answers at once, where all
that recording does is added to the call; and after 2 ms, still a hundredth of what a model takes,
where the request's half of it is done while the caller waits anyway.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

PAIRS = 1_000
WARM_UP = 100  # calls that fill caches on both sides
CHUNKS = 20  # of content; then the usage and [DONE], 22 in all
THINKING_S = 0.002

REPLY = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "model": "meta-llama/llama-3.1-8b-instruct",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "word " * 40},
            }
        ],
        "usage": {"prompt_tokens": 250, "completion_tokens": 40, "total_tokens": 290},
    }
).encode()


def event(**fields: Any) -> bytes:
    return (
        b"data: "
        + json.dumps({"id": "c1", "object": "chat.completion.chunk", **fields}).encode()
        + b"\n\n"
    )


EVENTS = (
    b"".join(
        event(choices=[{"index": 0, "delta": {"content": f"word{n} "}}]) for n in range(CHUNKS)
    )
    + event(choices=[], usage={"prompt_tokens": 250, "completion_tokens": 20, "total_tokens": 270})
    + b"data: [DONE]\n\n"
)


def head(kind: str, length: int) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n"
        "x-inference-provider: novita\r\nx-request-id: r1\r\n\r\n"
    ).encode()


PLAIN = head("application/json", len(REPLY)) + REPLY


def serve(listener: socket.socket, think_s: float = 0.0) -> None:
    """Answer one keep-alive connection after another, without parsing more than lengths."""
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            converse(connection, think_s)


def converse(connection: socket.socket, think_s: float = 0.0) -> None:
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            got = connection.recv(1 << 18)
            if not got:
                return
            waiting += got
        top, _, rest = waiting.partition(b"\r\n\r\n")
        length = int(top.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(rest) < length:
            rest += connection.recv(1 << 18)
        waiting = rest[length:]
        if think_s:
            time.sleep(think_s)
        answer(
            connection, streamed=b'"stream": true' in rest[:200] or b'"stream":true' in rest[:200]
        )


def answer(connection: socket.socket, *, streamed: bool) -> None:
    if not streamed:
        connection.sendall(PLAIN)
        return
    connection.sendall(head("text/event-stream", len(EVENTS)))
    for part in EVENTS.split(b"\n\n")[:-1]:
        connection.sendall(part + b"\n\n")


def plain(client: Any, url: str, body: bytes) -> None:
    client.post(url, content=body, headers={"content-type": "application/json"}).read()


def streamed(client: Any, url: str, body: bytes) -> None:
    with client.stream("POST", url, content=body) as reply:
        for _ in reply.iter_lines():
            pass


async def plain_async(client: Any, url: str, body: bytes) -> None:
    await client.post(url, content=body, headers={"content-type": "application/json"})


async def streamed_async(client: Any, url: str, body: bytes) -> None:
    async with client.stream("POST", url, content=body) as reply:
        async for _ in reply.aiter_lines():
            pass


class Pairs:
    """What the same call took with and without recording, one right after the other, in µs.

    The machine's own speed drifts by half within seconds; a pair of neighbours sees the same one,
    so differences are taken pair by pair and their median is told.
    """

    def __init__(self) -> None:
        self.bare: list[float] = []
        self.recorded: list[float] = []

    def add(self, ns: int, *, recorded: bool) -> None:
        (self.recorded if recorded else self.bare).append(ns / 1000)

    def added(self) -> float:
        return statistics.median(
            with_it - without for with_it, without in zip(self.recorded, self.bare, strict=True)
        )

    def added_mean(self) -> float:
        return statistics.fmean(self.recorded) - statistics.fmean(self.bare)

    def added_p99(self) -> float:
        return percentile_99(self.recorded) - percentile_99(self.bare)


def percentile_99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def compared(
    client: type[Any],
    call: Callable[[], object],
    pairs: int | None = None,
    warm_up: int | None = None,
) -> tuple[Pairs, Pairs]:
    """Wall time in the calling thread and CPU of the whole process, with and without recording.

    `client` is the class whose wrapped method is switched.
    """
    on = client._send_single_request
    off = on.__wrapped__
    wall, cpu = Pairs(), Pairs()
    pairs, warm_up = PAIRS if pairs is None else pairs, WARM_UP if warm_up is None else warm_up
    for number in range(2 * pairs + warm_up):
        # Either comes first in every other pair.
        recorded = number % 4 in (1, 2)
        client._send_single_request = on if recorded else off
        cpu_begun, begun = time.process_time_ns(), time.perf_counter_ns()
        call()
        taken, used = time.perf_counter_ns() - begun, time.process_time_ns() - cpu_begun
        if number >= warm_up:
            wall.add(taken, recorded=recorded)
            cpu.add(used, recorded=recorded)
    client._send_single_request = on
    return wall, cpu


def bodies(*kilobytes: int) -> list[tuple[str, bytes]]:
    """Requests by size, each plain and streamed."""
    made = []
    for size in kilobytes or (1, 10, 100):
        for stream in (False, True):
            text = "lorem ipsum dolor " * (size * 57)
            body: dict[str, Any] = {"stream": stream, "model": "meta-llama/Llama-3.1-8B-Instruct"}
            body["messages"] = [{"role": "user", "content": text}]
            made.append(
                (f"{size:3} kB {'stream' if stream else 'plain '}", json.dumps(body).encode())
            )
    return made


class Case(NamedTuple):
    """One line of the table."""

    way: str
    prompt: str
    client: type[Any]
    call: Callable[[], object]


def sync_cases(library: Any, way: str, url: str, sizes: tuple[int, ...]) -> Iterator[Case]:
    # Each client library is its own process's choice; a fresh client a measurement.
    for label, body in bodies(*sizes):
        with library.Client() as client:
            call = streamed if label.endswith("stream") else plain
            yield Case(way, label, library.Client, partial(call, client, url, body))


def async_cases(library: Any, way: str, url: str, sizes: tuple[int, ...]) -> Iterator[Case]:
    with asyncio.Runner() as runner:
        for label, body in bodies(*sizes):
            client = library.AsyncClient()
            call = streamed_async if label.endswith("stream") else plain_async
            yield Case(
                way,
                label,
                library.AsyncClient,
                lambda call=call, client=client, body=body: runner.run(call(client, url, body)),
            )
            runner.run(client.aclose())


@contextmanager
def upstream(think_s: float = 0.0) -> Iterator[str]:
    """Host and port of a server in a process of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.get_context("fork").Process(
        target=serve, args=(listener, think_s), daemon=True
    )
    server.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.terminate()
        listener.close()


def cases(at_once: str, thinking: str) -> Iterator[Case]:
    import httpx
    import httpx2

    for library in (httpx, httpx2):
        yield from sync_cases(library, library.__name__, url_of(at_once), (1, 10, 100))
    for library in (httpx, httpx2):
        yield from async_cases(library, f"{library.__name__} async", url_of(at_once), (1,))
        yield from sync_cases(library, f"{library.__name__}, 2 ms", url_of(thinking), (1, 100))


def url_of(host: str) -> str:
    return f"http://{host}/v1/chat/completions"


def main() -> None:
    os.environ["HF_LEDGER_DIR"] = tempfile.mkdtemp()
    import hf_ledger

    with upstream() as at_once, upstream(THINKING_S) as thinking:
        hf_ledger.record(app="bench", hosts=[f"{at_once}=router", f"{thinking}=router"])
        print(f"load {os.getloadavg()[0]:.1f}; µs")
        print("library        prompt         bare   added p50   added p99     CPU p50   CPU mean")
        for case in cases(at_once, thinking):
            wall, cpu = compared(case.client, case.call)
            print(
                f"{case.way:13}  {case.prompt}  {statistics.median(wall.bare):7.0f}"
                f"  {wall.added():10.1f}  {wall.added_p99():10.0f}"
                f"  {cpu.added():10.1f}  {cpu.added_mean():9.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
