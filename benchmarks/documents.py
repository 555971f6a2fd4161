"""What processing a document adds to its calls, and what it holds in memory.

The same 1,000 calls go to a server that takes 20 ms, through the same client, ten at once: by
`asyncio.gather` under a semaphore, and by `process` with no cache, with its memory and with the
disk. Runs alternate, so that all see the same machine; each has texts of its own.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hf_ledger.ingest.doors.documents.caching import Cache, Kind, open_cache
from hf_ledger.ingest.doors.documents.chunking import split
from hf_ledger.ingest.doors.documents.job import Answer, Job
from hf_ledger.ingest.doors.documents.processing import process
from hf_ledger.ingest.places import Places

PARTS = 1_000
DELAY_S = 0.020
AT_ONCE = 10
ROUNDS = 7
SIZE = 1_000
LARGE = 10_000_000  # characters

Given = Mapping[str, Any]
Way = Callable[[str, Answer], Awaitable[None]]


def main() -> None:
    with upstream() as url:
        asyncio.run(speed(url))
    asyncio.run(memory())


@contextmanager
def upstream() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.documents_upstream", str(DELAY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(running.stdout.readline())}/v1"
        finally:
            running.kill()


def text_of(characters: int, run: int) -> str:
    """Sentences of which no two are alike, in this run or another."""
    sentence = "Sentence {number} of run {run} says nothing, and does so at some length. "
    count = characters // len(sentence.format(number=10_000, run=run)) + 1
    return "".join(sentence.format(number=at, run=run) for at in range(count))[:characters]


def job() -> Job:
    return Job(task="chat-completion", size=SIZE, at_once=AT_ONCE, timeout_s=60)


async def speed(url: str) -> None:
    """Medians over interleaved rounds, and each against gather's."""
    from huggingface_hub import AsyncInferenceClient

    async with AsyncInferenceClient(base_url=url, token="none", timeout=60) as client:

        async def answer(
            task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
        ) -> Any:
            return await client.chat_completion(inputs["messages"], model="benchmark/model")

        with tempfile.TemporaryDirectory() as folder:
            caches: dict[Kind, Cache | None] = {
                kind: open_cache(kind, Places(Path(folder))) for kind in ("off", "memory", "disk")
            }
            ways: dict[str, Way] = {"asyncio.gather": gathered}
            for kind, cache in caches.items():
                ways[f"process, cache {kind}"] = partial(processed, cache)
            seconds = await interleaved(ways, answer)
    report(seconds)


async def interleaved(ways: Mapping[str, Way], answer: Answer) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for number in range(ROUNDS):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            text = text_of(PARTS * SIZE, number * len(ways) + order.index(name))
            gc.collect()
            began = time.perf_counter()
            await ways[name](text, answer)
            seconds[name].append(time.perf_counter() - began)
    return seconds


async def gathered(text: str, answer: Answer) -> None:
    """What one would write by hand."""
    asked, room = job(), asyncio.Semaphore(AT_ONCE)

    async def one(sent: str) -> Any:
        async with room:
            return await answer(asked.task, asked.inputs_of(sent), asked.parameters)

    chunks = split(text, asked.sizing)
    await asyncio.gather(*(one(chunk.sent(text).strip()) for chunk in chunks))


async def processed(cache: Cache | None, text: str, answer: Answer) -> None:
    done = await process(text, job(), answer, cache=cache)
    assert not done.failed
    assert not done.from_cache


def report(seconds: Mapping[str, list[float]]) -> None:
    plain = statistics.median(seconds["asyncio.gather"])
    print(f"{PARTS} calls of {DELAY_S * 1e3:.0f} ms, {AT_ONCE} at once, {ROUNDS} rounds")
    for name, found in seconds.items():
        median = statistics.median(found)
        print(
            f"{name:22} {median:6.3f} s  ({min(found):.3f} to {max(found):.3f})"
            f"  {100 * (median / plain - 1):+5.1f} %"
        )


async def memory() -> None:
    """The most that a large text takes above itself; answers as long as the parts are in it."""
    text = text_of(LARGE, 0)

    async def same(task: str, inputs: Given, parameters: Given) -> str:
        await asyncio.sleep(0)
        return str(inputs["messages"][-1]["content"])

    tracemalloc.start()
    began = time.perf_counter()
    done = await process(text, job(), same)
    took = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"{len(text):,} characters: {len(done.parts):,} parts, the most held {peak / 1e6:.0f} MB "
        f"beside the text ({took:.1f} s, watched); order kept: {done.value == text}"
    )


if __name__ == "__main__":
    main()
