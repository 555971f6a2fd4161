"""Kill writers, collectors and servers at random over one ledger, then count what was lost.

`python -m benchmarks faults [--kills 500] [--seconds 900] [--seed 7]`. *Acknowledged* is a call of
which a client saw the reply's end, or a posted batch answered with 200. *Lost* is one that is not
in the ledger after a last collection; *doubled* is a call with two rows.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.faults_judging import Row, Verdict, judge, noted
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.api.keys import add_key, make_key
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.segments import Segments

ROOT = Path(__file__).resolve().parent.parent
KINDS = (
    ("httpx", "threads"),
    ("httpx", "tasks"),
    ("httpx2", "threads"),
    ("httpx2", "tasks"),
    ("spool", "bulk"),
)
#: Of ten kills, so many hit writers and collectors; the rest hit servers.
WRITERS, COLLECTORS = 6, 3
BATCH = 50
HEAP = 8_000
#: A slow call leaves its mark after one second and at most a beat; a busy machine gets the rest.
MARKED_AFTER = 2.0

ROWS = """
select
    operation,
    cast(call_id as varchar),
    outcome
from calls
"""


@dataclass
class Run:
    """One folder, one ledger, and what the lanes have seen."""

    folder: Path
    seed: int
    deadline: float
    host: str = ""
    key: str = ""
    url: str | None = None  # of the server that lives just now
    killed: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    posted: list[str] = field(default_factory=list)
    heaped: list[str] = field(default_factory=list)
    resent: int = 0
    deaths: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def places(self) -> Places:
        return Places(self.folder / "ledger")

    def chance(self, lane: str) -> random.Random:
        return random.Random(f"{self.seed} {lane}")

    @property
    def late(self) -> bool:
        return time.monotonic() > self.deadline


Victim = Callable[[Run, random.Random], None]


def start(run: Run, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python program over the run's ledger; what it complains of is kept."""
    with (run.folder / "complaints").open("ab") as complaints:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, "HF_LEDGER_DIR": str(run.places.root)},
        )


def kill(run: Run, process: subprocess.Popen[bytes], what: str) -> None:
    """SIGKILL; a program that had ended by itself is a problem."""
    process.send_signal(signal.SIGKILL)
    code = process.wait()
    if process.stdout:
        process.stdout.close()
    run.killed[what] += 1
    if run.killed.total() % 50 == 0:
        print(f"{run.killed.total()} kills", file=sys.stderr, flush=True)
    if code != -signal.SIGKILL:
        run.problems.append(f"a {what} had ended with code {code}")


def said(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    """The next line with these words; empty where the program ended without."""
    assert process.stdout
    for line in iter(process.stdout.readline, b""):
        if words in line:
            return line
    return b""


# -- the three kinds of victims --------------------------------------------------------------------


def writer(run: Run, chance: random.Random) -> None:
    """Some die while they start, most within a second, some in the middle of long calls."""
    kind = chance.choice(KINDS)
    name = f"{len(run.deaths)}-{'-'.join(kind)}"
    notes = str(run.folder / "notes" / name)
    process = start(run, "benchmarks.faults_writer", *kind, run.host, notes)
    fate = chance.random()
    if fate >= 0.1:
        said(process, b"ready")
    time.sleep(chance.uniform(2.2, 3.5) if fate > 0.93 else chance.uniform(0, 0.8))
    run.deaths[name] = time.time()
    kill(run, process, "writer")


def collector(run: Run, chance: random.Random) -> None:
    """Most are met while they collect, some of these in the middle of a large heap of lines."""
    if chance.random() < 0.4:
        heap(run)
    phase = run.folder / "phase"
    phase.write_text("start")
    process = start(run, "benchmarks.faults_collector", str(phase))
    awaited = "collect" if chance.random() < 0.7 else "open"
    while phase.read_text().strip() not in (awaited, "close") and process.poll() is None:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.5))
    kill(run, process, "collector")
    run.phases[phase.read_text().strip()] += 1


def heap(run: Run) -> None:
    segments = Segments(run.places.spool)
    for call in [fresh() for _ in range(HEAP)]:
        if segments.write(call):
            run.heaped.append(str(call.operation))
    segments.close()


def server(run: Run, chance: random.Random) -> None:
    process = start(run, "hf_ledger.cli", "serve", "--port", "0")
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0.3, 4))
    else:
        run.url = said(process, b"hf-ledger is at").decode().split()[-1]
        time.sleep(chance.uniform(0, 2))
        run.phases["serving"] += 1
    run.url = None
    kill(run, process, "server")


def post(run: Run) -> None:
    """A sender of batches: what is not answered with 200 is sent again, to the next server."""
    batch: list[Call] = []
    while not run.over.wait(0.02):
        url = run.url
        if url is None:
            continue
        batch = batch or [fresh() for _ in range(BATCH)]
        headers = {"authorization": f"Bearer {run.key}", "content-type": "application/x-ndjson"}
        body = b"".join(map(encode, batch))
        try:
            reply = httpx.post(f"{url}/api/calls", content=body, headers=headers, timeout=10)
        except httpx.HTTPError:
            run.resent += 1
            continue
        if reply.status_code == 200:
            run.posted += [str(call.operation) for call in batch]
            batch = []
        elif reply.status_code not in (429, 503):
            run.problems.append(f"a batch was answered with {reply.status_code}")


def fresh() -> Call:
    name = uuid.uuid4()
    return Call(call_id=str(name), ts=time.time_ns() // 1000, operation=name.hex, status=200)


# -- the run ---------------------------------------------------------------------------------------


def shares(kills: int) -> tuple[int, int, int]:
    """How many writers, collectors and servers are killed."""
    writers, collectors = kills * WRITERS // 10, kills * COLLECTORS // 10
    return writers, collectors, kills - writers - collectors


def lane(run: Run, name: str, victims: Iterable[Victim]) -> None:
    chance = run.chance(name)
    for victim in victims:
        if run.late:
            return
        victim(run, chance)


def owners(run: Run, collectors: int, servers: int) -> list[Victim]:
    """Collectors and servers in random order: one process holds the ledger at a time."""
    order: list[Victim] = [*[collector] * collectors, *[server] * servers]
    run.chance("order").shuffle(order)
    return order


def at_once(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def upstream(run: Run) -> Iterator[None]:
    process = start(run, "benchmarks.faults_upstream")
    assert process.stdout
    run.host = f"127.0.0.1:{int(process.stdout.readline())}"
    try:
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def torment(run: Run, kills: int) -> None:
    """All kills; afterwards nothing of the run lives any more."""
    writers, collectors, servers = shares(kills)
    order = owners(run, collectors, servers)
    sender = threading.Thread(target=post, args=(run,))
    sender.start()
    with upstream(run):
        at_once(
            lambda: lane(run, "writers", [writer] * writers),
            lambda: lane(run, "owners", order),
        )
    run.over.set()
    sender.join()


def prepare(run: Run) -> None:
    (run.folder / "notes").mkdir()
    key, kept = make_key("faults")
    with Ledger.open(run.places) as ledger:
        add_key(ledger.cursor(), kept)
    run.key = key


def examined(run: Run) -> Verdict:
    """Open without a hand, collect a last time (and once more), and compare."""
    with Ledger.open(run.places) as ledger:
        collect(ledger, run.places)
        again = collect(ledger, run.places)
        cursor = ledger.cursor()
        rows = [Row(*row) for row in cursor.execute(ROWS).fetchall()]
        quarantined = cursor.execute("select count(*) from quarantine").fetchone() or (0,)
        waiting = cursor.execute("select count(*) from open_calls").fetchone() or (0,)
    if again.new or waiting[0]:
        run.problems.append(f"a second look brought {again.new} calls; {waiting[0]} stand open")
    acknowledged, long = [*run.posted, *run.heaped], []
    for name, death in run.deaths.items():
        path = run.folder / "notes" / name
        ended, begun = noted(path.read_bytes() if path.exists() else b"")
        acknowledged += ended
        long += [each for each, at in begun.items() if death - at > MARKED_AFTER]
    return judge(acknowledged, long, rows, quarantined[0])


def complaints(run: Run) -> list[str]:
    lines = (run.folder / "complaints").read_text(errors="replace").splitlines()
    return [*run.problems, *dict.fromkeys(line for line in lines if line.strip())]


def report(run: Run, verdict: Verdict, seconds: float) -> None:
    kills = ", ".join(f"{count} {what}s" for what, count in sorted(run.killed.items()))
    phases = ", ".join(f"{count} × {phase}" for phase, count in run.phases.most_common())
    print(f"kills: {run.killed.total()} in {seconds:.0f} s, seed {run.seed}: {kills}")
    print(f"owners were hit at: {phases}")
    recorded = verdict.acknowledged - len(run.posted) - len(run.heaped)
    print(
        f"acknowledged: {verdict.acknowledged:,} = {recorded:,} by killed writers "
        f"+ {len(run.posted):,} by POST + {len(run.heaped):,} in heaps"
    )
    print(f"batches cut off by a kill and sent again: {run.resent}")
    print(f"lost: {len(verdict.lost)}")
    print(f"doubled: {len(verdict.doubled)}")
    print(f"ended, not acknowledged yet when killed: {verdict.unacknowledged:,}")
    print(f"in flight when killed: {verdict.in_flight:,} rows of outcome lost")
    print(
        f"  of {verdict.long} under way for over {MARKED_AFTER} s without a row: {verdict.missed}"
    )
    print(f"quarantined lines: {verdict.quarantined}")
    for each in complaints(run)[:20]:
        print(f"problem: {each}")


def options(arguments: Sequence[str]) -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    made.add_argument("--kills", type=int, default=500)
    made.add_argument("--seconds", type=float, default=900.0, help="no kill begins later")
    made.add_argument("--seed", type=int, default=7)
    return made.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> int:
    given = options(arguments)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), given.seed, begun + given.seconds)
        prepare(run)
        torment(run, given.kills)
        verdict = examined(run)
        report(run, verdict, time.monotonic() - begun)
        return int(not verdict.good or bool(complaints(run)))
