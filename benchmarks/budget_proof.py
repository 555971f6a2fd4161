"""Does a budget hold over several gateways, with the owner or a gateway killed in the middle?

`python -m benchmarks budget-proof [--runs 50] [--clients 200] [--seed 1] [--kill owner|gateway]`.
Each run: 1.00 USD, calls that may cost up to 2 % of it and cost anything below, clients that come
back until they are refused for good. What the provider charged, and what the journal has settled,
must be at most 1.00 USD and at least 0.90. In every second run the owner is killed (SIGKILL) and
started again, or a gateway is killed, whose share of the budget then counts as spent.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from aiohttp import ClientError, ClientSession, TCPConnector

from benchmarks.limits_processes import HEADERS, Processes, proof_key, running
from benchmarks.limits_upstream import PROVIDER
from hf_ledger.ingest.doors.gateway.limits.books import Books
from hf_ledger.ingest.doors.gateway.limits.money import usd
from hf_ledger.ingest.doors.gateway.state import Budget, Limits, Price, State
from hf_ledger.ingest.places import Places

MODEL = "proof/model"
LIMIT, LEAST = Decimal("1.00"), Decimal("0.90")
MAX_TOKENS = 1000
#: USD per million output tokens: MAX_TOKENS of them are 2 % of the budget.
OUTPUT_USD = Decimal(20)
RUN_SECONDS = 120.0

STATE = State(
    keys=(proof_key(Limits(capacity=10**6, per_second=10**6, concurrent=10**4)),),
    budgets=(Budget(budget_id="proof", usd=str(LIMIT)),),
    prices=(
        Price(provider=PROVIDER, model=MODEL, price_id="proof", input="0", output=str(OUTPUT_USD)),
    ),
)


Victim = Literal["owner", "gateway"]


@dataclass
class Result:
    """One run: what was charged, what was settled, and how requests ended."""

    killed: Victim | None
    seconds: float = 0.0
    charged: Decimal = Decimal(0)
    settled: Decimal = Decimal(0)
    unaccounted: Decimal = Decimal(0)
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        used = self.settled if self.killed == "gateway" else self.charged
        in_limits = self.charged <= self.settled <= LIMIT and used >= LEAST
        return in_limits and not self.ends["never refused"]

    def __str__(self) -> str:
        ends = ", ".join(f"{number} {end}" for end, number in sorted(self.ends.items()))
        return (
            f"{'held' if self.holds else 'BROKEN'}: charged {self.charged:.6f}, "
            f"settled {self.settled:.6f} (unaccounted {self.unaccounted:.6f}), "
            f"{self.seconds:.1f} s{f', {self.killed} killed' if self.killed else ''}; {ends}"
        )


async def client(session: ClientSession, urls: Sequence[str], seed: int, result: Result) -> None:
    """Ask again and again until refused for good."""
    random_ = random.Random(seed)
    body = {"model": MODEL, "messages": [], "max_tokens": MAX_TOKENS}
    url = random_.choice(urls)
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        status = 0
        with suppress(ClientError):
            async with session.post(url, json=body, headers=HEADERS) as reply:
                status = reply.status
                await reply.read()
        result.ends[str(status or "no answer")] += 1
        if status == 402:
            return
        if not status:
            url = random_.choice(urls)
        if status != 200:
            await asyncio.sleep(random_.uniform(0.05, 0.3))
    result.ends["never refused"] += 1


async def charged(session: ClientSession, processes: Processes) -> Decimal:
    """What the provider says that it charged."""
    async with session.get(f"{processes.upstream}/total") as reply:
        tokens: int = (await reply.json())["output_tokens"]
    return tokens * OUTPUT_USD / 10**6


async def fault(
    session: ClientSession, processes: Processes, random_: random.Random, victim: Victim
) -> None:
    """Kill one when some part of the budget is spent; another owner is started soon after."""
    part = Decimal(random_.uniform(0.1, 0.8))
    while await charged(session, processes) < part:
        await asyncio.sleep(0.01)
    if victim == "gateway":
        processes.kill_gateway()
        return
    await asyncio.to_thread(processes.kill_owner)
    await asyncio.sleep(random_.uniform(0, 0.5))
    await asyncio.to_thread(processes.restart_owner)


async def driven(processes: Processes, result: Result, clients: int, seed: int) -> None:
    """All clients at once, spread over the gateways."""
    random_ = random.Random(seed)
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        tasks = [
            client(session, processes.gateways, seed * clients + number, result)
            for number in range(clients)
        ]
        if result.killed:
            tasks.append(fault(session, processes, random_, result.killed))
        await asyncio.gather(*tasks)
        result.charged = await charged(session, processes)


def run(folder: Path, seed: int, *, clients: int, kill: Victim | None = None) -> Result:
    """One run in a folder of its own."""
    places, result = Places(folder), Result(killed=kill)
    begun = time.monotonic()
    with running(places, STATE, seed) as processes:
        asyncio.run(driven(processes, result, clients, seed))
    (standing,) = Books.read(places, STATE).standings(time.time())
    result.settled, result.unaccounted = usd(standing.settled), usd(standing.unaccounted)
    result.seconds = time.monotonic() - begun
    return result


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks budget-proof")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill", choices=("owner", "gateway"), default="owner")
    given = parser.parse_args(arguments)
    broken = 0
    for number in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            kill = given.kill if number % 2 else None
            result = run(Path(folder), given.seed + number, clients=given.clients, kill=kill)
        broken += not result.holds
        print(f"{number + 1:3d} {result}", flush=True)
    print(f"{given.runs - broken} of {given.runs} runs held.")
    return 1 if broken else 0
