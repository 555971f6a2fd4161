"""`hf-ledger practice` from a shell."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from factories_practice import chat

from hf_ledger.practice import TITLE

COMMAND = [sys.executable, "-m", "hf_ledger.cli", "practice", "--port"]


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    with subprocess.Popen([*COMMAND, "0"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        yield program, [program.stdout.readline(), program.stdout.readline()]
        program.kill()


def address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return found[0]


def test_it_says_what_it_is_where_it_listens_and_how_to_record(
    running: tuple[subprocess.Popen[str], list[str]],
) -> None:
    first, second = running[1]
    assert first.startswith(f"{TITLE}: http://127.0.0.1:")
    assert second.strip().endswith("=router")
    assert address(first) in second


def test_it_answers_and_stops_when_told(
    running: tuple[subprocess.Popen[str], list[str]],
) -> None:
    program, lines = running
    reply = httpx2.post(f"{address(lines[0])}/v1/chat/completions", json=chat(), timeout=10)
    assert TITLE in reply.text
    program.send_signal(signal.SIGINT)
    assert program.wait(timeout=20) in (0, 130, -signal.SIGINT)


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, port], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"hf-ledger: port {port} is not free .*\n", done.stderr)


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_no_such_port(port: str) -> None:
    done = subprocess.run([*COMMAND, port], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
