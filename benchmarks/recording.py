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


def compared(library: Any, call: Callable[[], None]) -> dict[str, float]:
    """Median and 99th percentile of what the hook adds, in µs, and CPU of the whole process."""
    on = library.Client._send_single_request
    off = on.__wrapped__
    wall: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * PAIRS + 100):
        recorded = bool(number % 2)
        library.Client._send_single_request = on if recorded else off
        cpu_begun, begun = time.process_time_ns(), time.perf_counter_ns()
        call()
        taken, used = time.perf_counter_ns() - begun, time.process_time_ns() - cpu_begun
        if number >= 100:  # the first calls warm caches on both sides
            wall[recorded].append(taken / 1000)
            cpu[recorded].append(used / 1000)
    library.Client._send_single_request = on
    return {
        "bare": statistics.median(wall[False]),
        "added": statistics.median(wall[True]) - statistics.median(wall[False]),
        "added_p99": statistics.quantiles(wall[True], n=100)[98]
        - statistics.quantiles(wall[False], n=100)[98],
        "cpu": statistics.fmean(cpu[True]) - statistics.fmean(cpu[False]),
    }


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
    print("library  prompt        bare p50   added p50   added p99   added CPU (mean), µs")
    for library in (httpx, httpx2):
        for label, body in bodies():
            # Each client library is its own process's choice; a fresh client a measurement.
            with library.Client() as client:
                way = streamed if label.endswith("stream") else plain
                got = compared(library, partial(way, client, url, body))
            print(
                f"{library.__name__:7}  {label}  {got['bare']:9.0f}  {got['added']:10.1f}"
                f"  {got['added_p99']:10.0f}  {got['cpu']:10.1f}",
                flush=True,
            )
    server.terminate()


if __name__ == "__main__":
    main()
