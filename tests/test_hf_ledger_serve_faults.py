"""Servers that meet or are killed: one owner, one sentence, and a restart without a hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from browser import serving
from factories_api import NDJSON, batch, new_key, posted
from factories_faults import collected

from hf_ledger.ingest.call import Noticed
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.serve import Desk, collecting
from hf_ledger.settings import Settings


@contextmanager
def started(places: Places, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "hf_ledger.cli", "serve", "--port", "0"],
            stdout=file,
            stderr=file,
            env={**os.environ, "HF_LEDGER_DIR": str(places.root)},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_of_two_servers_started_at_once_one_serves_and_one_says_a_sentence(
    places: Places, tmp_path: Path
) -> None:
    logs = [tmp_path / "one", tmp_path / "two"]
    with started(places, logs[0]) as one, started(places, logs[1]) as two:
        deadline = time.monotonic() + 60
        while one.poll() is None and two.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        refused, serves = (0, 1) if two.poll() is None else (1, 0)
        assert (one, two)[refused].wait() == 2
        said = logs[refused].read_text()
        assert said.count("\n") == 1
        assert "is held by another process" in said
        while "hf-ledger is at" not in logs[serves].read_text():
            assert time.monotonic() < deadline, logs[serves].read_text()
            time.sleep(0.05)


def test_a_killed_server_leaves_nothing_that_stops_the_next(places: Places) -> None:
    """Acknowledged batches are in the next one's ledger, once, also when they were sent twice."""
    with Ledger.open(places) as ledger:
        key, _ = new_key(ledger)
    headers = {"authorization": f"Bearer {key}", "content-type": NDJSON}
    content = batch(*(posted(number, operation=f"{number:02}") for number in range(20)))
    for _ in range(2):
        with serving(places) as server:
            url = f"{server.url}/api/calls"
            reply = httpx.post(url, content=content, headers=headers, timeout=20)
            assert reply.json()["accepted"] == 20
            server.process.send_signal(signal.SIGKILL)
            assert server.process.wait() == -signal.SIGKILL
    assert collected(places) == [(f"{number:02}", "ok") for number in range(20)]


def test_pages_look_again_when_nothing_came_but_the_number_of_calls_dropped(
    places: Places,
) -> None:
    segments = Segments(places.spool)
    segments.write(Noticed(ts=1, counts={"not_spooled": 3}))
    segments.close()
    with Ledger.open(places) as ledger:
        desk = Desk(Settings(), places, ledger, None, "")
        with collecting(desk):
            pass  # the round after the end takes what is there
        assert desk.collected == 3
