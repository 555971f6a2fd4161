"""Processes that are measured: on which core they run, what they use, and what they said last."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.peers import on_core

ROOT = Path(__file__).parent.parent
START_LIMIT_S = 60.0
LOAD_CORE, GATEWAY_CORE = 0, 1


class NotMeasured(Exception):  # noqa: N818 - a contender is
    """A contender that can't be measured here, and why."""


class Running:
    """A process with all that it starts, on one core or any; ended with the stack."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        core: int | None,
        stack: ExitStack,
    ) -> None:
        self.said = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack does
        if core is not None:
            on_core(core)  # a child begins where its parent is
        self.begun = time.perf_counter()
        try:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean(environment),
                stdin=subprocess.DEVNULL,
                stdout=self.said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as missing:
            raise NotMeasured(f"{command[0]} can't be started: {missing.strerror}") from missing
        finally:
            if core is not None:
                on_core(LOAD_CORE)
        stack.callback(self.end)

    def end(self) -> None:
        """As an operator would; then for good, with all that it started."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def words(self) -> str:
        """All that it printed."""
        return os.pread(self.said.fileno(), 1 << 20, 0).decode(errors="replace")

    def last_words(self) -> str:
        """The last line that it printed with letters in it."""
        lines = self.words().splitlines()
        spoken = [line.strip(" │╭╰─") for line in lines if any(map(str.isalpha, line))]
        return spoken[-1][:200] if spoken else "nothing"

    def until_answering(self, port: int, request: bytes) -> float:
        """Seconds from its start to its first good reply."""
        while time.perf_counter() - self.begun < START_LIMIT_S:
            if self.process.poll() is not None:
                raise NotMeasured(f"it ended and said: {self.last_words()}")
            status = asked_once(port, request)
            if status == 200:
                return time.perf_counter() - self.begun
            time.sleep(0.005 if status is None else 0.2)
        raise NotMeasured(f"no good reply in {START_LIMIT_S:.0f} s; it said: {self.last_words()}")

    def until_saying(self, words: str) -> None:
        """It is as far as to print these."""
        while words not in self.words():
            if self.process.poll() is not None or time.perf_counter() - self.begun > START_LIMIT_S:
                raise NotMeasured(f"{words} was not said, but: {self.last_words()}")
            time.sleep(0.02)

    def cpu_s(self) -> float:
        """Of the whole tree, all threads."""
        return sum(map(cpu_of, tree(self.process.pid)))

    def resident_mb(self) -> float:
        return sum(map(resident_of, tree(self.process.pid)))


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Bytecode may be written: a gateway that compiles in a request would be measured wrongly."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **environment}


def asked_once(port: int, request: bytes) -> int | None:
    """The status of one reply; None where nobody listens or none came."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            reply = http.client.HTTPResponse(connection)
            reply.begin()
            reply.read()
            return reply.status
    except (OSError, http.client.HTTPException):
        return None


def chats_asked(upstream: int) -> int:
    """How many chats the stub has been asked for until now."""
    connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=5)
    connection.request("GET", "/")
    asked = int(connection.getresponse().read())
    connection.close()
    return asked


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def tree(root: int) -> list[int]:
    """This process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_of(pid: int) -> float:
    """Seconds, exact where /proc counts in hundredths (clock_getcpuclockid of Linux)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def resident_of(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
