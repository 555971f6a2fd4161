"""Faults for tests: a small disk that fills up, programs of their own, and what they left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from factories_practice import Practice

from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

TESTS = str(Path(__file__).parent)


class Disk:
    """A file system of its own that can be filled up to some free bytes, and emptied again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = Places(folder / "ledger")
        self._ballast = folder / "ballast"

    def leave(self, free: int) -> None:
        """Fill it, so that this much is free."""
        size = shutil.disk_usage(self.folder).free - free
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(size, 1))

    def empty(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Disk]:
    """A tmpfs of this size; the test is skipped, with the reason, where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a full disk needs a small file system, and there is no mount command here")
    if done.returncode:
        pytest.skip(f"a full disk needs a small file system: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def program(code: str, places: Places, *arguments: str, **environment: str) -> list[str]:
    """What a program of its own over these places printed, word by word."""
    return ran(code, places, *arguments, **environment).stdout.split()


def ran(
    code: str, places: Places, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A Python program that may use the test factories; it must end well."""
    start = f"import sys; sys.path.insert(0, {TESTS!r})\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", start + textwrap.dedent(code), *arguments],
        env={**os.environ, "HF_LEDGER_DIR": str(places.root), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


#: A program that records calls to the practice server named by its first argument.
RECORDING = """
import sys, os, threading, time, asyncio, httpx2, hf_ledger
from hf_ledger import operation
host = sys.argv[1]
url = f"http://{host}/v1/chat/completions"
hf_ledger.record(app="faults", hosts=[f"{host}=router"])

def call(name, model="a/b", stream=False):
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    with operation(name), httpx2.stream("POST", url, json=body, timeout=60) as reply:
        reply.read()
"""


def recorded_program(code: str, server: Practice, places: Places, **environment: str) -> list[str]:
    """What a recording program printed, word by word."""
    return program(RECORDING + textwrap.dedent(code), places, server.host, **environment)


def collected(places: Places, columns: str = "operation, outcome") -> list[tuple[Any, ...]]:
    """Rows of the ledger by time, after two collections: the second must add nothing."""
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        assert collect(ledger, places).new == 0
        rows = ledger.cursor().execute(f"select {columns} from entries order by ts, operation")
        return rows.fetchall()
