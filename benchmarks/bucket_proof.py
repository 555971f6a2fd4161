"""Do rate limits hold over several gateways, with the owner killed in the middle?

`python -m benchmarks bucket-proof [--runs 10] [--clients 60] [--seconds 4] [--seed 1]`. Clients ask
three gateways as fast as they can. In no window, of whatever length, may more requests have been
let pass than the bucket's capacity and what it gained meanwhile. In every second run the owner is
killed (SIGKILL) and started again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, ClientSession, TCPConnector

from benchmarks.limits_processes import HEADERS, Processes, proof_key, running
from hf_ledger.ingest.doors.gateway.audit.exporting import exported
from hf_ledger.ingest.doors.gateway.audit.records import Decided, record_of
from hf_ledger.ingest.doors.gateway.state import Limits, State
from hf_ledger.ingest.places import Places

CAPACITY, PER_SECOND = 40, 50.0
#: From a token's being taken to the moment's being noted, and the note's own clock.
NOTED_SECONDS = 0.02

STATE = State(
    keys=(proof_key(Limits(capacity=CAPACITY, per_second=PER_SECOND, concurrent=10**4)),),
)


@dataclass
class Result:
    """One run: when requests were let pass, in nanoseconds."""

    killed: bool
    seconds: float
    admitted: list[int] = field(default_factory=list)
    refused: int = 0

    @property
    def excess(self) -> float:
        return most_above(sorted(self.admitted), CAPACITY, PER_SECOND)

    @property
    def holds(self) -> bool:
        return self.excess <= PER_SECOND * NOTED_SECONDS and len(self.admitted) > CAPACITY

    def __str__(self) -> str:
        allowed = CAPACITY + PER_SECOND * self.seconds
        return (
            f"{'held' if self.holds else 'BROKEN'}: {len(self.admitted)} let pass of at most "
            f"{allowed:.0f}, {self.refused} refused, {-self.excess:.2f} below the law at its "
            f"closest{', owner killed' if self.killed else ''}"
        )


def most_above(moments: Sequence[int], capacity: int, per_second: float) -> float:
    """By how much any window has more than `capacity + per_second × t`; negative: below it.

    Windows from one moment to another suffice: a longer one of the same moments may hold more.
    """
    worst, lowest = float("-inf"), float("inf")
    for number, moment in enumerate(moments):
        # With g(n) = n − rate × t(n) a window from i to j is above the law by g(j) − g(i) + 1 − C.
        level = number - per_second * (moment - moments[0]) / 10**9
        lowest = min(lowest, level)
        worst = max(worst, level - lowest + 1 - capacity)
    return worst


async def client(session: ClientSession, url: str, random_: random.Random, result: Result) -> None:
    """Ask as often as it goes, whatever is answered."""
    deadline = time.monotonic() + result.seconds
    body = {"model": "proof/model", "messages": [], "max_tokens": 1}
    while time.monotonic() < deadline:
        with suppress(ClientError):
            async with session.post(url, json=body, headers=HEADERS) as reply:
                result.refused += reply.status == 429
        await asyncio.sleep(random_.uniform(0, 0.1))


async def driven(processes: Processes, result: Result, clients: int, seed: int) -> None:
    random_ = random.Random(seed)
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        tasks = [
            client(session, random_.choice(processes.gateways), random_, result)
            for _ in range(clients)
        ]
        if result.killed:
            tasks.append(fault(processes, random_.uniform(0.2, result.seconds / 2)))
        await asyncio.gather(*tasks)


async def fault(processes: Processes, after: float) -> None:
    await asyncio.sleep(after)
    await asyncio.to_thread(processes.kill_owner)
    await asyncio.to_thread(processes.restart_owner)


def run(
    folder: Path,
    seed: int,
    *,
    clients: int,
    seconds: float,
    kill: bool,
) -> Result:
    """One run in a folder of its own; when requests were let pass, the audit says."""
    places, result = Places(folder), Result(killed=kill, seconds=seconds)
    with running(places, STATE, seed) as processes:
        asyncio.run(driven(processes, result, clients, seed))
    records = map(record_of, exported(places))
    result.admitted = [
        each.ts * 1_000 for each in records if isinstance(each, Decided) and each.refused_by is None
    ]
    return result


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks bucket-proof")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    broken = 0
    for number in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            result = run(
                Path(folder),
                given.seed + number,
                clients=given.clients,
                seconds=given.seconds,
                kill=number % 2 == 1,
            )
        broken += not result.holds
        print(f"{number + 1:3d} {result}", flush=True)
    print(f"{given.runs - broken} of {given.runs} runs held.")
    return 1 if broken else 0
