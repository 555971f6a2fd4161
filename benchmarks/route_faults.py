"""What the router does with every kind of failure, under each policy: attempts, time, cost.

`python -m benchmarks route-faults` prints the tables of docs/router.md. Two targets: `bad` fails in
one way, `good` answers; prices, weights, keys and advice are such that every policy asks `bad`
first. All of it on loopback, over the practice server.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.route_places import installed
from benchmarks.route_upstream import Reply, upstream
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.gateway.state_file import publish
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.doors.router.advice import Rule
from hf_ledger.ingest.doors.router.advice import write as advise
from hf_ledger.ingest.doors.router.routed import Attempt, RouteFailed
from hf_ledger.ingest.doors.router.router import AsyncRouter
from hf_ledger.ingest.doors.router.wanted import CHAT, POLICIES, Wanted
from hf_ledger.ingest.places import Places
from hf_ledger.practice.serving import bound, server

GOOD = "meta-llama/Llama-3.1-8B-Instruct"
INPUTS = {"messages": [{"role": "user", "content": "one two three"}]}
#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
LIMITED: dict[str, Reply] = {
    "limited/soon": Reply(429, {"retry-after": "1"}),
    "limited/later": Reply(429, {"retry-after": "60"}),
    "limited/silent": Reply(429),
}

#: Failure → model of the bad target; of `practice/…` the practice server knows what to do.
FAULTS = {
    "400": "practice/400",
    "401": "practice/401",
    "402": "practice/402",
    "403": "practice/403",
    "404": "practice/404",
    "410": "practice/410",
    "422": "practice/plain-text",
    "422, longer than its context": "practice/422",
    "429": "limited/silent",
    "429, Retry-After: 1": "limited/soon",
    "429, Retry-After: 60": "limited/later",
    "500": "practice/500",
    "502": "practice/502",
    "503, the model loads": "practice/loading",
    "504": "practice/504",
    "overloaded": "practice/overloaded",
    "no reply": "practice/hang",
    "connection refused": "nowhere/model",
    "cut in mid-body": "practice/cut,words=40",
    "error in the stream": "practice/error-in-stream,words=40",
    "slow (0.8 s)": "practice/slow=0.8",
}
STREAMED = "streamed"
ALONE = "alone"
HEDGED = "hedged"
WAYS = (*POLICIES, ALONE, HEDGED, STREAMED)
HEDGE_AFTER_S = 0.3


class Cell(NamedTuple):
    """What became of one request."""

    attempts: tuple[Attempt, ...]
    seconds: float
    answered: bool

    @property
    def course(self) -> str:
        return ", ".join(f"{each.target.name}: {each.then}" for each in self.attempts)

    @property
    def cost(self) -> Decimal | None:
        costs = [each.cost for each in self.attempts]
        return None if None in costs else sum((each for each in costs if each), Decimal(0))


class Servers(NamedTuple):
    practice: str
    limits: str

    def url(self, model: str) -> str:
        owner = model.partition("/")[0]
        return {"nowhere": NOWHERE, "limited": self.limits}.get(owner, self.practice)


@contextmanager
def serving() -> Iterator[Servers]:
    """The practice server and one that is over its rate limit, in this process."""
    import threading

    listener, running = bound(0), server()
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        with upstream(lambda model: LIMITED[model.partition(":")[0]]) as limits:
            yield Servers(f"http://127.0.0.1:{listener.getsockname()[1]}", limits.url)
    finally:
        running.should_exit = running.force_exit = True
        thread.join(10)
        listener.close()


def placed(folder: Path, servers: Servers, model: str, way: str) -> Places:
    """An installation with both targets, their prices and an advice."""
    own = way == "hybrid"
    bad: dict[str, Any] = {"url": servers.url(model), "model": model}
    bad |= {"kind": "self_hosted"} if own else {"kind": "router", "provider": "novita"}
    good = {"kind": "router", "url": servers.practice, "model": GOOD, "provider": "novita"}
    targets = {"bad": bad} if way == ALONE else {"bad": bad, "good": good}
    places = installed(folder, targets, servers.practice)
    prices = [
        Price(provider="novita", model=each, price_id=each, input=usd, output=usd)
        for each, usd in ((model, "0.01"), (GOOD, "0.10"))
    ]
    publish(places, State(prices=tuple(prices)))
    now = datetime.now(UTC)
    rule = Rule(
        task=CHAT,
        from_model=model,
        to_model=GOOD,
        share=0.0,
        certificate_id="benchmark",
        certified_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=1),
    )
    advise(places, [rule], now)
    return places


def asked_for(router: AsyncRouter, way: str, wanted: Wanted) -> Wanted:
    """A request that asks the bad target first."""
    # Of the practice server's models more are discovered, which would be asked elsewhere.
    wanted = replace(wanted, targets=("bad", "good"))
    if way == HEDGED:
        return replace(wanted, hedge_after_s=HEDGE_AFTER_S)
    if way not in POLICIES:
        return wanted
    wanted = replace(wanted, policy=way, weights={"bad": 100.0} if way == "split" else {})
    return bad_first(router, wanted) if way == "sticky" else wanted


def bad_first(router: AsyncRouter, wanted: Wanted) -> Wanted:
    """A key that sticks to the bad target."""
    parts = router._parts
    for number in count():
        keyed = replace(wanted, sticky=f"session {number}")
        if parts.ranker.rank(keyed, parts.targets(), 0.0).ranked[0].target.name == "bad":
            return keyed
    raise AssertionError


async def measured(places: Places, way: str, wanted: Wanted) -> Cell:
    """One request; connections are opened before, so that it is not their time."""
    async with AsyncRouter.open(places) as router:
        for target in router._parts.targets():
            router._pools.client(target)
        now = asyncio.get_running_loop().time
        began = now()
        try:
            asked = asked_for(router, way, wanted)
            attempts = await (streamed if way == STREAMED else whole)(router, asked)
            return Cell(attempts, now() - began, True)
        except RouteFailed as error:
            return Cell(error.attempts, now() - began, False)


async def whole(router: AsyncRouter, wanted: Wanted) -> tuple[Attempt, ...]:
    return (await router.run(wanted, INPUTS)).attempts


async def streamed(router: AsyncRouter, wanted: Wanted) -> tuple[Attempt, ...]:
    async with router.stream(wanted, INPUTS) as answer:
        async for _ in answer:
            pass
    return answer.routed.attempts


def cell(servers: Servers, model: str, way: str, wanted: Wanted) -> Cell:
    """One failure in one way, in an installation of its own."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return asyncio.run(measured(placed(Path(folder), servers, model, way), way, wanted))
        finally:
            recording.stop()


# -- the tables ------------------------------------------------------------------------------------


def usd(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"{cost.normalize():f}"


def policies_table(cells: Mapping[str, Mapping[str, Cell]]) -> Iterator[str]:
    """What the router did, and the seconds under each policy; a course of its own stands there."""
    yield f"| failure of `bad` | attempts | {' | '.join(POLICIES)} | USD |"
    yield f"|---|---|{'--:|' * len(POLICIES)}--:|"
    for fault, ways in cells.items():
        usual = ways[POLICIES[0]]
        times = [
            f"{ways[each].seconds:.2f}"
            if ways[each].course == usual.course
            else f"{ways[each].course} {ways[each].seconds:.2f}"
            for each in POLICIES
        ]
        yield f"| {fault} | {usual.course} | {' | '.join(times)} | {usd(usual.cost)} |"


def ways_table(cells: Mapping[str, Mapping[str, Cell]]) -> Iterator[str]:
    ways = (ALONE, HEDGED, STREAMED)
    yield f"| failure of `bad` | {' | '.join(f'{each} | s | USD' for each in ways)} |"
    yield f"|---|{'---|--:|--:|' * len(ways)}"
    for fault, done in cells.items():
        told = [
            f"{done[way].course} | {done[way].seconds:.2f} | {usd(done[way].cost)}" for way in ways
        ]
        yield f"| {fault} | {' | '.join(told)} |"


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks route-faults")
    parser.add_argument("--attempt", type=float, default=1.0, help="seconds for an attempt")
    parser.add_argument("--total", type=float, default=6.0, help="seconds for all of them")
    given = parser.parse_args(arguments)
    wanted = Wanted(attempt_s=given.attempt, total_s=given.total)
    with serving() as servers:
        cell(servers, FAULTS["400"], ALONE, wanted)  # imports are nobody's time
        cells = {
            fault: {way: cell(servers, model, way, wanted) for way in WAYS}
            for fault, model in FAULTS.items()
        }
    print("\n".join(policies_table(cells)))
    print()
    print("\n".join(ways_table(cells)))
    return 0
