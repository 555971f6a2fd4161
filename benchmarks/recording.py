"""What recording adds to a call: the hook is switched on and off call by call in one process.

Between two processes the 99th percentile differs by 500 µs for nothing; alternating calls of one
process see the same machine. The upstream is a raw loopback server that answers at once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

PAIRS = 1_000
WARM_UP = 100  # calls that fill caches on both sides
CHUNKS = 20  # of content; then the usage and [DONE], 22 in all

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


def serve(listener: socket.socket) -> None:
    """Answer one keep-alive connection after another, without parsing more than lengths."""
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            converse(connection)


def converse(connection: socket.socket) -> None:
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


def compared(library: Any, call: Callable[[], None]) -> tuple[Pairs, Pairs]:
    """Wall time in the calling thread and CPU of the whole process, with and without recording."""
    on = library.Client._send_single_request
    off = on.__wrapped__
    wall, cpu = Pairs(), Pairs()
    for number in range(2 * PAIRS + WARM_UP):
        # Either comes first in every other pair.
        recorded = number % 4 in (1, 2)
        library.Client._send_single_request = on if recorded else off
        cpu_begun, begun = time.process_time_ns(), time.perf_counter_ns()
        call()
        taken, used = time.perf_counter_ns() - begun, time.process_time_ns() - cpu_begun
        if number >= WARM_UP:
            wall.add(taken, recorded=recorded)
            cpu.add(used, recorded=recorded)
    library.Client._send_single_request = on
    return wall, cpu


def bodies() -> list[tuple[str, bytes]]:
    made = []
    for kilobytes in (1, 10, 100):
        for stream in (False, True):
            text = "lorem ipsum dolor " * (kilobytes * 57)
            body: dict[str, Any] = {"stream": stream, "model": "meta-llama/Llama-3.1-8B-Instruct"}
            body["messages"] = [{"role": "user", "content": text}]
            made.append(
                (f"{kilobytes:3} kB {'stream' if stream else 'plain '}", json.dumps(body).encode())
            )
    return made


def main() -> None:
    os.environ["HF_LEDGER_DIR"] = tempfile.mkdtemp()
    listener = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    server = multiprocessing.get_context("fork").Process(
        target=serve, args=(listener,), daemon=True
    )
    server.start()
    import httpx
    import httpx2

    import hf_ledger

    hf_ledger.record(app="bench", hosts=[f"{host}=router"])
    url = f"http://{host}/v1/chat/completions"
    print("library  prompt        bare p50   added p50   added p99     CPU p50   CPU mean, µs")
    for library in (httpx, httpx2):
        for label, body in bodies():
            # Each client library is its own process's choice; a fresh client a measurement.
            with library.Client() as client:
                way = streamed if label.endswith("stream") else plain
                wall, cpu = compared(library, partial(way, client, url, body))
            print(
                f"{library.__name__:7}  {label}  {statistics.median(wall.bare):9.0f}"
                f"  {wall.added():10.1f}  {wall.added_p99():10.0f}"
                f"  {cpu.added():10.1f}  {cpu.added_mean():9.1f}",
                flush=True,
            )
    server.terminate()


if __name__ == "__main__":
    main()
