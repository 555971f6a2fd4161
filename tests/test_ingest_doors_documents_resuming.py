"""Killed in the middle and begun again, a document is paid for once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from documents_program import AT_ONCE
from factories_echo import BOOK

from hf_ledger.ingest.places import Places

PROGRAM = Path(__file__).parent / "documents_program.py"


@dataclass
class Server:
    """Answers texts in capitals after a random while, and knows what it was asked."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answered_at: dict[str, float] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, text: str) -> bytes:
        with self.lock:
            self.asked[text] += 1
        time.sleep(self.chance.random() * 0.03)
        return json.dumps({"said": text.upper()}).encode()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            # Who was killed sends half a request, or does not read its reply.
            with suppress(ConnectionError, json.JSONDecodeError):
                body = self.rfile.read(int(self.headers["content-length"]))
                text = json.loads(body)["text"]
                said = server.answer(text)
                self.send_response(200)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
                self.wfile.flush()
                server.answered_at[text] = time.monotonic()

        def log_message(self, *said: Any) -> None:
            """Says nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}/"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join(10)


@dataclass
class Sender:
    """The program, in processes of its own, one after another."""

    server: Server
    root: Path
    runs: int = 0

    @property
    def told(self) -> Path:
        return self.root / f"told-{self.runs}"

    def begin(self) -> subprocess.Popen[str]:
        self.runs += 1
        book = self.root / "book.txt"
        book.write_text(BOOK, encoding="utf-8")
        ledger = self.root / "ledger"
        said = [self.server.url, str(book), str(ledger), str(self.told)]
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), *said], stdout=subprocess.PIPE, text=True
        )

    def counted(self) -> int:
        """So many parts counted in the run that was begun last."""
        return len(self.told.read_text().splitlines()) if self.told.exists() else 0

    def killed_after(self, parts: int, more_s: float) -> int:
        """Killed a while after so many parts counted; how many did when it was."""
        running = self.begin()
        try:
            wait_for(lambda: self.counted() >= parts or running.poll() is not None)
            time.sleep(more_s)
        finally:
            running.kill()
            running.communicate()
        return self.counted()

    def finished(self) -> dict[str, Any]:
        running = self.begin()
        out, _ = running.communicate(timeout=60)
        assert running.returncode == 0
        found: dict[str, Any] = json.loads(out)
        return found


def wait_for(true: Any) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, "it did not happen in a minute"
        time.sleep(0.002)


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_no_part_that_counted_is_asked_again(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with serving() as server:
        sender = Sender(server, tmp_path)
        counted = sender.killed_after(chance.randrange(1, 25), chance.random() * 0.02)
        asked = server.asked.total()
        done = sender.finished()
    repeated = [text for text, times in server.asked.items() if times > 1]
    total = len(server.asked)
    assert done["value"] == BOOK.upper()
    assert done["from_cache"] >= counted, "what counted was kept"
    assert done["called"] + done["from_cache"] == total
    assert server.asked.total() == asked + done["called"]
    # What is asked twice was under way at the kill, and is told of.
    assert len(repeated) <= done["asked_again"] <= AT_ONCE


def test_killed_again_and_again_it_still_ends_and_pays_once(tmp_path: Path) -> None:
    with serving() as server:
        sender = Sender(server, tmp_path)
        for kill in range(2):
            sender.killed_after(4 + 6 * kill, 0.0)
        done = sender.finished()
    assert done["value"] == BOOK.upper()
    assert server.asked.total() - len(server.asked) <= 2 * AT_ONCE


def test_what_is_left_on_disk_says_nothing(tmp_path: Path) -> None:
    with serving() as server:
        Sender(server, tmp_path).killed_after(3, 0.0)
    files = [path for path in (tmp_path / "ledger").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert b"Sentence" not in content
        assert b"SENTENCE" not in content
    assert Places(tmp_path / "ledger").keys.exists()
