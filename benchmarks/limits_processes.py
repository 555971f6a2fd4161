"""The processes that the proofs of limits are made on: an owner, `hf-ledger gateway`s, a provider.

The owner is the bank on the socket alone, so that it can be killed and be back within a moment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import msgspec
from cryptography.fernet import Fernet

from hf_ledger.ingest.doors.api.key_form import key_hash
from hf_ledger.ingest.doors.gateway.state import Key, Limits, State
from hf_ledger.ingest.ledger.socket import call_owner
from hf_ledger.ingest.places import Places

Process: TypeAlias = "subprocess.Popen[bytes]"

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 30.0

#: The key that clients of the proofs show.
KEY_ID = "0000000f"
KEY = f"hfl_{KEY_ID}_{'p' * 43}"
HEADERS = {"authorization": f"Bearer {KEY}"}


def proof_key(limits: Limits) -> Key:
    """That key as gateways know it."""
    return Key(key_id=KEY_ID, key_hash=key_hash(KEY), name="proof", limits=limits)


def gateway_environment(places: Places, upstream: str) -> dict[str, str]:
    """A gateway's settings: where its ledger is, where calls go, and a token that is none."""
    cipher = Fernet.generate_key()
    return {
        **os.environ,
        "HF_LEDGER_DIR": str(places.root),
        "HF_LEDGER_ROUTER_URL": upstream,
        "ENCRYPTION_KEY": cipher.decode(),
        "HF_API_TOKEN_ENCRYPTED": Fernet(cipher).encrypt(b"hf_of_a_proof").decode(),
    }


@dataclass
class Processes:
    """Everything that runs, by address."""

    places: Places
    upstream: str
    gateways: list[str]
    owner: Process
    others: list[Process] = field(default_factory=list)

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
def running(places: Places, state: State, seed: int, gateways: int = 3) -> Iterator[Processes]:
    """Start all, and stop all at the end: gateways first, so that they return what they hold."""
    places.make(places.root / "run")
    (places.root / "run" / "gateway.json").write_bytes(msgspec.json.encode(state))
    upstream, *ports = free_ports(gateways + 1)
    environment = gateway_environment(places, f"http://127.0.0.1:{upstream}")
    with ExitStack() as stack:
        owner = started_owner(places)
        others = [started(_module("limits_upstream", str(upstream), str(seed)))]
        others += [started(gateway_command(port), environment) for port in ports]
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


def started_owner(places: Places) -> Process:
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


def gateway_command(port: int) -> list[str]:
    return [sys.executable, "-m", "hf_ledger.cli", "gateway", "--port", str(port)]


def started(command: list[str], environment: dict[str, str] | None = None) -> Process:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment or dict(os.environ), stdout=quiet)


def stop(process: Process) -> None:
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
