"""How many calls are answered where every target fails a third of its calls, each by itself.

`python -m benchmarks route-availability [--calls 2000] [--seed 7]`. Three targets that fail 30 % of
their requests leave 2.7 % of calls without an answer if each is asked once; failures that pass are
tried again, so that fewer are left.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.route_places import installed
from benchmarks.route_upstream import FAILED, OK, Reply, upstream
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.doors.router.router import AsyncRouter
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.places import Places

NAMES = ("one", "two", "three")
FAILING = 0.3
INPUTS = {"messages": [{"role": "user", "content": "one two three"}]}


class Result(NamedTuple):
    calls: int
    answered: int
    attempts: Counter[int]  # attempts → operations
    first_alone: float  # share that the first attempt alone answered
    seconds: tuple[float, ...]
    refused_statuses: int  # requests that a target failed

    @property
    def share(self) -> float:
        return self.answered / self.calls


def failing(chance: random.Random, share: float = FAILING) -> Reply:
    return FAILED if chance.random() < share else OK


async def measured(places: Places, calls: int, wanted: Wanted, at_once: int = 20) -> Result:
    """Ask so often over the targets of these settings."""
    room, attempts, seconds = asyncio.Semaphore(at_once), Counter[int](), []
    answered = first = failed = 0

    async def one(router: AsyncRouter) -> None:
        nonlocal answered, first, failed
        async with room:
            began = time.perf_counter()
            try:
                tried = (await router.run(wanted, INPUTS)).attempts
                answered += 1
            except RouteFailed as error:
                tried = error.attempts
            seconds.append(time.perf_counter() - began)
            attempts[len(tried)] += 1
            first += bool(tried) and tried[0].then == "done"
            failed += sum(each.call is not None and each.then != "done" for each in tried)

    async with AsyncRouter.open(places) as router:
        await asyncio.gather(*(one(router) for _ in range(calls)))
    return Result(calls, answered, attempts, first / calls, tuple(seconds), failed)


def run(folder: Path, calls: int, seed: int, **wanted: object) -> Result:
    """Three targets, each failing 30 % of what comes, by a random number of its own."""
    chances = {name: random.Random(f"{seed} {name}") for name in NAMES}
    with upstream(lambda model: failing(chances[model.partition("/")[2]])) as served:
        targets = {
            name: {"kind": "self_hosted", "url": served.url, "model": f"made/{name}"}
            for name in NAMES
        }
        places = installed(folder, targets)
        try:
            return asyncio.run(measured(places, calls, Wanted(**wanted)))  # type: ignore[arg-type]
        finally:
            stop()


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks route-availability")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args(arguments)
    print(
        "| attempts at most | calls | answered | by the first attempt | median | p95 | attempts |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for attempts in (1, 3, 4, 6):
        with tempfile.TemporaryDirectory() as folder:
            result = run(Path(folder), given.calls, given.seed, attempts=attempts)
        made = sum(count * times for count, times in result.attempts.items())
        spread = statistics.quantiles(result.seconds, n=20)
        print(
            f"| {attempts} | {result.calls:,} | {result.share:.2%} | {result.first_alone:.2%} | "
            f"{statistics.median(result.seconds) * 1000:.0f} ms | {spread[-1] * 1000:.0f} ms | "
            f"{made:,} |"
        )
    return 0
