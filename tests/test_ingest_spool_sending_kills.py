"""Two programs on another host, a real server, kills of either: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from hf_ledger.analytics.connect import connect
from hf_ledger.cli import main
from hf_ledger.ingest.doors.api.keys import make_key
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.outbox import Outbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here"),
]

# Says each id after `write` returned, as a caller's code would see its response.
RECORDER = """
import os, time, uuid
from hf_ledger.ingest.call import Call, Noticed
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.posting import target_of
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.spool.sender import Sender

places = Places.default()
segments = Segments(places.spool)
sender = Sender(places, target_of(os.environ), lambda work: work(), lambda: None)
segments.every_beat(sender.nudge)
while True:
    call_id, ts = str(uuid.uuid4()), time.time_ns() // 1000
    assert segments.write(Call(call_id=call_id, ts=ts, latency_ms=5.0))
    assert segments.write(Noticed(ts=ts, counts={"poll": 1}))
    os.write(1, call_id.encode() + b"\\n")
    time.sleep(0.002)
"""

ROUNDS = 6
AT_LEAST = 50  # calls of each recorder before a kill


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start_server(places: Places, port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "HF_LEDGER_DIR": str(places.root)}
    command = [sys.executable, "-m", "hf_ledger.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return process
        except httpx.HTTPError:
            assert process.poll() is None
            time.sleep(0.05)
    raise AssertionError("the server did not start")


@contextmanager
def recorder(told: Path) -> Iterator[subprocess.Popen[bytes]]:
    with told.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-c", RECORDER], stdout=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_more(told: list[Path]) -> None:
    """Until both have recorded some calls, however busy the machine is."""
    before = [len(ids(each)) for each in told]
    for _ in range(600):
        if all(len(ids(each)) >= old + AT_LEAST for each, old in zip(told, before, strict=True)):
            return
        time.sleep(0.05)
    raise AssertionError("the recorders did not start")


def ids(told: Path) -> list[str]:
    data = told.read_bytes()
    return data[: data.rfind(b"\n") + 1].decode().split()


def test_kills_on_both_sides_lose_and_double_nothing(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(13)
    ledger_places, port = Places(tmp_path / "server"), free_port()
    server = start_server(ledger_places, port)
    key, kept = make_key("web-1")
    with connect(ledger_places) as session:
        session.command("key_create", **{n: getattr(kept, n) for n in kept.__struct_fields__})
    monkeypatch.setenv("HF_LEDGER_SERVER", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HF_LEDGER_KEY", key)
    told = [tmp_path / "told-1", tmp_path / "told-2"]
    try:
        for round_ in range(ROUNDS):
            with recorder(told[0]), recorder(told[1]):
                wait_for_more(told)
                time.sleep(chance.uniform(0.0, 1.5))
                if round_ % 2:
                    server.kill()
                    server.wait()
                    time.sleep(chance.uniform(0.0, 0.3))
                    server = start_server(ledger_places, port)
                    time.sleep(chance.uniform(0.0, 0.5))
        assert main(["send", "--timeout", "60"]) == 0
    finally:
        server.kill()
        server.wait()
    said = ids(told[0]) + ids(told[1])
    with Ledger.open(ledger_places) as ledger:
        collect(ledger, ledger_places)
        cursor = ledger.cursor()
        found = [str(each) for (each,) in cursor.execute("select call_id from calls").fetchall()]
        notices = cursor.execute("select sum(count) from noticed").fetchone()
        quarantined = cursor.execute("select count(*) from quarantine").fetchone()
    assert len(said) >= 2 * ROUNDS * AT_LEAST
    assert set(said) - set(found) == set(), "acknowledged and lost"
    assert len(found) == len(set(found)), "doubled"
    # At most the one call of each kill that was written but not yet said comes on top.
    assert 0 <= len(found) - len(said) <= 2 * ROUNDS
    # Its notice follows the call: at most the one of each kill is missing.
    assert notices is not None
    assert 0 <= len(found) - int(notices[0]) <= 2 * ROUNDS
    assert quarantined == (0,)
    outbox = Outbox(places)
    assert (outbox.waiting(), list(outbox.segments())) == (0, [])
