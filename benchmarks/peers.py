"""What recording adds to a call, ours and the tools a user would pick instead, in the same run.

Each way of recording is a process of its own with the same openai client; blocks of calls go round
all of them in turn, so that each round sees the same machine. What a way adds is its block's median
less the bare client's block of the same round; the table has medians over the rounds. Ours is also
switched on and off call by call, which a busy machine disturbs far less.
"""

from __future__ import annotations

import http.server
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.peer_client import WAYS
from benchmarks.recording import serve

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
ROUNDS = 30
CALLS = {False: 60, True: 40}  # a block, plain and streamed
WARM_UP = 60
PAIRS = 30  # a round
OURS = "hf-ledger"
CALL_BY_CALL = "hf-ledger, call by call"
#: Priced in the client itself, by design: what finance can be shown without another service.
RECORDS_COST = {OURS, "OpenLIT", "LiteLLM with cost callback"}


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes what exporters send, says 200, and forgets it; a GET is told how much that was."""

    protocol_version = "HTTP/1.1"
    received = 0

    def do_POST(self) -> None:
        Sink.received += len(self.rfile.read(int(self.headers.get("content-length", 0))))
        self.answer(b"{}")

    def do_GET(self) -> None:
        self.answer(str(Sink.received).encode())

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def sink(listener: socket.socket) -> None:
    on_core(0)
    server = http.server.ThreadingHTTPServer(listener.getsockname(), Sink, bind_and_activate=False)
    server.socket = listener
    server.serve_forever()


def upstream(listener: socket.socket) -> None:
    on_core(0)
    serve(listener)


def on_core(core: int, pid: int = 0) -> None:
    """Clients have a core of their own, where there are two."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


class Peer:
    """A client process that waits to be asked for blocks of calls."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name = name
        # Its bytecode is on disk: a shell that forbids it would have LiteLLM compile without end.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        at, self.sink = (served(target, stack) for target in (upstream, sink))
        self.process = stack.enter_context(
            subprocess.Popen(
                [PYTHON, "-m", "benchmarks.peer_client", name, at, self.sink],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        stack.callback(self.process.terminate)
        on_core(1, self.process.pid)
        self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended; run `make .venv-peers/stamp`, and the client by hand")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def block(self, **asked: int) -> dict[str, Any]:
        assert self.process.stdin
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        return self.answer()

    def received(self) -> int:
        """Bytes that its exporter delivered."""
        host, port = self.sink.split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: sink\r\nconnection: close\r\n\r\n")
            return int(connection.makefile("rb").read().rpartition(b"\r\n")[2])


def served(target: Any, stack: ExitStack) -> str:
    """Where a server process of this kind listens now."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(
        target=target, args=(listener,), daemon=True
    )
    process.start()
    stack.callback(process.terminate)
    host, port = listener.getsockname()
    return f"{host}:{port}"


def rounds(peers: list[Peer], *, stream: bool) -> dict[str, list[dict[str, Any]]]:
    calls = CALLS[stream]
    for peer in peers:
        peer.block(stream=stream, calls=WARM_UP)
    done: dict[str, list[dict[str, Any]]] = {name: [] for name in (CALL_BY_CALL, *WAYS)}
    for number in range(ROUNDS):
        # Each round begins with another one.
        for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
            done[peer.name].append(peer.block(stream=stream, calls=calls))
            if peer.name == OURS:
                done[CALL_BY_CALL].append(peer.block(stream=stream, pairs=PAIRS))
    return done


def added(done: dict[str, list[dict[str, Any]]], name: str, calls: int) -> tuple[float, float]:
    """Added p50 in the calling thread and added CPU of the process, µs a call."""
    if name == CALL_BY_CALL:
        each = done[name]
        return statistics.median(i["wall"] for i in each), statistics.median(i["cpu"] for i in each)
    both = list(zip(done[name], done["bare"], strict=True))
    wall = [statistics.median(its["wall"]) - statistics.median(bare["wall"]) for its, bare in both]
    cpu = [(its["cpu"] - bare["cpu"]) / calls for its, bare in both]
    return statistics.median(wall), statistics.median(cpu)


def bare_call(done: dict[str, list[dict[str, Any]]]) -> float:
    return statistics.median(statistics.median(each["wall"]) for each in done["bare"])


def show(figures: dict[bool, dict[str, list[dict[str, Any]]]]) -> None:
    print(
        "| way | plain, added p50 | CPU | stream, added p50 | CPU | × ours, plain | stream | cost |"
    )
    print("|---|---|---|---|---|---|---|---|")
    names = [name for name in figures[False] if name != "bare"]
    its = {
        name: {kind: added(done, name, CALLS[kind]) for kind, done in figures.items()}
        for name in names
    }
    for name in names:
        print(row(name, its[name], its[OURS]))


def row(
    name: str, its: dict[bool, tuple[float, float]], ours: dict[bool, tuple[float, float]]
) -> str:
    plain, stream = its[False], its[True]
    return (
        f"| {name} | {plain[0]:,.0f} | {plain[1]:,.0f} | {stream[0]:,.0f} | {stream[1]:,.0f} "
        f"| {plain[0] / ours[False][0]:.1f} | {stream[0] / ours[True][0]:.1f} "
        f"| {'yes' if name.partition(',')[0] in RECORDS_COST else 'no'} |"
    )


def main() -> None:
    if not PYTHON.exists():
        print("the peers are not installed: run `make .venv-peers/stamp`")
        return
    with ExitStack() as stack:
        peers = [Peer(name, stack) for name in WAYS]
        figures = {stream: rounds(peers, stream=stream) for stream in (False, True)}
        plain, streamed = (bare_call(figures[kind]) for kind in (False, True))
        load = os.getloadavg()[0]
        print(f"bare openai call: {plain:,.0f} µs, {streamed:,.0f} µs streamed; load {load:.1f}\n")
        show(figures)
        print("\nProof that each recorded:")
        for peer in peers[2:]:
            print(f"- {peer.name}: {proof(peer, figures[True][peer.name][-1]['kept'])}")


def proof(peer: Peer, kept: int | None) -> str:
    return f"{peer.received():,} bytes delivered" if kept is None else f"{kept:,} calls kept"


if __name__ == "__main__":
    main()
