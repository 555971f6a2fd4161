"""Processes killed with SIGKILL: what was acknowledged is in the ledger, exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from factories_calls import make_call, spool

from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")

# Says each id after `write` returned, as a caller's code would see its response.
WRITER = """
import os, sys, time, uuid
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments

segments = Segments(Places.default().spool)
while True:
    call_id = str(uuid.uuid4())
    ts = time.time_ns() // 1000
    assert segments.write(Call(call_id=call_id, ts=ts, latency_ms=5.0))
    os.write(1, call_id.encode() + b"\\n")
    time.sleep(0.0005)
"""

COLLECTOR = """
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

places = Places.default()
ledger = Ledger.open(places)
print("ready", flush=True)
collect(ledger, places)
print("done", flush=True)
"""


def start(code: str, output: int | None = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=output)


def whole_ids(path: Path) -> list[str]:
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1].decode().split()


def test_every_acknowledged_call_of_a_killed_writer_is_there_exactly_once(
    places: Places, tmp_path: Path
) -> None:
    chance = random.Random(7)
    acknowledged: list[str] = []
    with Ledger.open(places) as ledger:
        for number in range(10):
            told = tmp_path / f"told-{number}"
            with told.open("wb") as file:
                writer = start(WRITER, file.fileno())
            while not told.stat().st_size:
                time.sleep(0.005)
            deadline = time.monotonic() + chance.uniform(0.0, 0.06)
            while time.monotonic() < deadline:
                collect(ledger, places)
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            acknowledged += whole_ids(told)
        collect(ledger, places)
        found = [
            str(each) for (each,) in ledger.cursor().execute("select call_id from calls").fetchall()
        ]
        torn = ledger.cursor().execute("select count(*) from quarantine").fetchone()
    assert len(acknowledged) > 100
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    # At most the one call of each kill that was written but not yet acknowledged comes on top.
    assert len(found) - len(acknowledged) <= 10
    assert torn == (0,)


def test_a_killed_collector_takes_everything_or_nothing(places: Places) -> None:
    chance = random.Random(11)
    expected = 0
    for _ in range(5):
        spool(places, [make_call(prefix=[1, 2], hash_key_id="k") for _ in range(3_000)])
        expected += 3_000
        child = start(COLLECTOR)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.25))
        child.kill()
        child.wait()
        child.stdout.close()
    with Ledger.open(places) as ledger:
        cursor = ledger.cursor()
        (before,) = cursor.execute("select count(*) from calls").fetchone() or (0,)
        assert before % 3_000 == 0
        collect(ledger, places)
        counted = cursor.execute(
            "select count(*), count(distinct call_id), (select count(*) from prefixes) from calls"
        ).fetchone()
    assert counted == (expected, expected, expected)
