"""The processes that the proofs of limits are made on: an owner, gateways, a provider.

The drivers only know addresses: other gateways than `limits_gateway` take their place by another
`gateway_command`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.ledger.socket import call_owner
from hf_ledger.ingest.places import Places

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 30.0

#: Places, port and the upstream's address to a command that serves a gateway there.
GatewayCommand = Callable[[Places, int, str], list[str]]


def gateway_command(places: Places, port: int, upstream: str) -> list[str]:
    return _module("limits_gateway", str(places.root), str(port), upstream)


@dataclass
class Processes:
    """Everything that runs, by address."""

    places: Places
    upstream: str
    gateways: list[str]
    owner: subprocess.Popen[bytes]
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill_owner(self) -> None:
        """SIGKILL: the owner has no chance to write or say anything more."""
        self.owner.kill()
        self.owner.wait()

    def kill_gateway(self) -> None:
        """SIGKILL, with whatever it held."""
        self.others[-1].kill()

    def restart_owner(self) -> None:
        self.owner = started_owner(self.places)


@contextmanager
def running(
    places: Places, state: State, seed: int, gateways: int, command: GatewayCommand
) -> Iterator[Processes]:
    """Start all, and stop all at the end: gateways first, so that they return what they hold."""
    places.make(places.root / "run")
    (places.root / "run" / "gateway.json").write_bytes(msgspec.json.encode(state))
    upstream, *ports = free_ports(gateways + 1)
    address = f"http://127.0.0.1:{upstream}/v1/chat/completions"
    with ExitStack() as stack:
        owner = started_owner(places)
        commands = [command(places, port, address) for port in ports]
        others = [started(_module("limits_upstream", str(upstream), str(seed)))]
        others += [started(each) for each in commands]
        made = Processes(
            places,
            f"http://127.0.0.1:{upstream}",
            [f"http://127.0.0.1:{port}/v1/chat/completions" for port in ports],
            owner,
            others,
        )
        stack.callback(lambda: stop(made.owner))
        for each in others:
            stack.callback(stop, each)
        for port in (upstream, *ports):
            answering(port)
        yield made


def started_owner(places: Places) -> subprocess.Popen[bytes]:
    """A new owner, once it answers."""
    process = started(_module("limits_owner", str(places.root)))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        caller = call_owner(places)
        if caller:
            caller.close()
            return process
        time.sleep(0.01)
    raise TimeoutError("the owner did not answer")


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
        return
    process.kill()
    process.wait()


def answering(port: int) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nobody answers on port {port}")


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]
