"""Gateways beside each other in one run: what each adds to a call, and how much a core carries.

    python -m benchmarks gateway [--only ours,floor] [--seconds 2] [--rounds 3] [--profile]

Each gateway has core 1; the load, the stub it calls and the ledger's owner share core 0. All are up
at once and take their turns within a round, so that each round sees the same machine. Nothing is
subtracted: the direct calls stand beside the others. Everything is on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.gateway_contenders import CONTENDERS, Contender, Started
from benchmarks.gateway_load import Address, Measured, closed_loop, open_loop, poisson
from benchmarks.gateway_processes import (
    LOAD_CORE,
    NotMeasured,
    Running,
    chats_asked,
    free_port,
)
from benchmarks.gateway_table import Figures, Result, show
from benchmarks.peers import on_core

SECONDS, ROUNDS = 2.0, 3
LIMIT_S = 330.0  # no further round is begun after it
OPEN_STREAMS, RAMP_S = 500, 0.44
WARM_UP_S = 0.5

Load = Callable[[Address, float, int], Awaitable[Measured]]


def closed(connections: int, *, stream: bool = False) -> Load:
    def load(address: Address, seconds: float, _: int) -> Awaitable[Measured]:
        return closed_loop(address, address.request(stream=stream), connections, seconds)

    return load


def arriving(rate: float) -> Load:
    def load(address: Address, seconds: float, number: int) -> Awaitable[Measured]:
        return open_loop(address, address.request(), poisson(rate, seconds, number))

    return load


#: What is done in each round; the number of the round is the seed.
PHASES: dict[str, Load] = {
    "c1": closed(1),
    "100/s": arriving(100),
    "200/s": arriving(200),
    "c64": closed(64),
    "stream": closed(1, stream=True),
}


@dataclass
class Entrant:
    """A contender that runs, with its figures so far."""

    contender: Contender
    started: Started
    result: Result = field(default_factory=Result)

    @property
    def name(self) -> str:
        return f"{self.contender.name} {self.started.version}".strip()

    @property
    def address(self) -> Address:
        return self.started.address

    def cpu_s(self) -> float:
        return self.started.running.cpu_s() if self.started.running else 0.0

    def resident_mb(self) -> float:
        return self.started.running.resident_mb() if self.started.running else 0.0


class Bench:
    """The stub upstream and those that call it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.upstream = free_port()
        command = (sys.executable, "-m", "benchmarks.gateway_upstream", str(self.upstream))
        stub = Running(command, {}, LOAD_CORE, stack)
        stub.until_answering(self.upstream, Address(self.upstream).request())

    def enter(self, contender: Contender) -> Entrant | None:
        """It runs and has answered once; a contender that can't is named with the reason."""
        folder = self.folder / f"{contender.group}{len(list(self.folder.iterdir()))}"
        with ExitStack() as its:
            try:
                entrant = Entrant(contender, contender.started(self.upstream, folder, its))
                if running := entrant.started.running:
                    request = entrant.address.request()
                    entrant.result.start_s = running.until_answering(entrant.address.port, request)
            except NotMeasured as why:
                print(f"- {contender.name}: skipped, {why}", flush=True)
                return None
            self.stack.push(its.pop_all())
        return entrant

    async def measure(self, entrant: Entrant, load: Load, seconds: float, seed: int) -> Figures:
        """One phase: what the load saw, what it cost, and whether the upstream was asked at all."""
        asked, used = chats_asked(self.upstream), entrant.cpu_s()
        owner = entrant.started.owner
        owner_used = owner.cpu_s() if owner else 0.0
        measured = await load(entrant.address, seconds, seed)
        figures = Figures.of(measured, entrant.cpu_s() - used)
        figures.owner_cpu_s = (owner.cpu_s() if owner else 0.0) - owner_used
        figures.unasked = max(0, figures.good - (chats_asked(self.upstream) - asked))
        return figures

    async def warm(self, entrant: Entrant) -> None:
        for load in (closed(8), closed(2, stream=True)):
            await load(entrant.address, WARM_UP_S, 0)

    async def hold_streams(self, entrant: Entrant, seconds: float) -> None:
        """Many slow streams at once, while memory is watched."""
        request = entrant.address.request(stream=True, mode="paced")
        watching = asyncio.create_task(watched(entrant, entrant.result.stream_mb))
        measured = await closed_loop(entrant.address, request, OPEN_STREAMS, seconds, RAMP_S)
        watching.cancel()
        entrant.result.streams = Figures.of(measured, 0.0)


async def watched(entrant: Entrant, seen: list[float]) -> None:
    while True:
        seen.append(entrant.resident_mb())
        await asyncio.sleep(0.2)


async def compete(bench: Bench, entrants: list[Entrant], seconds: float, rounds: int) -> None:
    begun = time.perf_counter()
    for entrant in entrants:
        await bench.warm(entrant)
    for number in range(rounds):
        if number and time.perf_counter() - begun > LIMIT_S * number / (number + 1):
            print(f"stopped after {number} rounds: the time is up", flush=True)
            break
        # Each round begins with another one.
        start = number % len(entrants)
        for entrant in entrants[start:] + entrants[:start]:
            for name, load in PHASES.items():
                figures = await bench.measure(entrant, load, seconds, number)
                entrant.result.phases.setdefault(name, []).append(figures)
                entrant.result.resident_mb = max(entrant.result.resident_mb, entrant.resident_mb())
    for entrant in entrants:
        await bench.hold_streams(entrant, 2 * seconds)


@contextmanager
def on_load_core() -> Iterator[None]:
    """The load's core for this process, for the while."""
    before = os.sched_getaffinity(0)
    on_core(LOAD_CORE)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks gateway")
    groups = list(dict.fromkeys(each.group for each in CONTENDERS))
    parser.add_argument("--only", default=",".join(groups), help=f"of {', '.join(groups)}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each phase")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--profile", action="store_true", help="where the last of them spends its time"
    )
    asked = parser.parse_args(arguments)
    asked.groups = asked.only.split(",")
    if unknown := set(asked.groups) - set(groups):
        parser.error(f"no gateway {', '.join(sorted(unknown))}; there are {', '.join(groups)}")
    return asked


def main(arguments: list[str] | None = None) -> int:
    asked = options(arguments or [])
    if not hasattr(os, "sched_setaffinity"):
        print("gateways are measured on Linux only: cores are given out there, and /proc is read")
        return 2
    if asked.profile:
        from benchmarks.gateway_profile import profile

        return profile(asked.seconds, asked.groups[-1])
    chosen = [each for each in CONTENDERS if each.group in asked.groups]
    with on_load_core(), ExitStack() as stack:
        bench = Bench(stack)
        entrants = [it for each in chosen if (it := bench.enter(each))]
        load = os.getloadavg()[0]
        uvloop.run(compete(bench, entrants, asked.seconds, asked.rounds))
        show({each.name: each.result for each in entrants}, load)
    return 0
