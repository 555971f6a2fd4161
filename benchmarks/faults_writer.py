"""A program that records and is killed: it notes each reply it has seen the end of, right after.

`python -m benchmarks.faults_writer LIBRARY MANNER HOST ACKNOWLEDGED`. The notes go into a file
outside the ledger with one appending `write` each: a name for a call that ended, "?name time" for
the beginning of a slow one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.faults_upstream import SLOW

AT_ONCE = 8
SLOW_EVERY = 60
BULK_PAUSE = 0.0001

Note = Callable[[str], None]


def notes(path: str) -> Note:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(text: str) -> None:
        os.write(fd, f"{text}\n".encode())

    return note


def asked(number: int, name: str, note: Note) -> dict[str, Any]:
    """A request's body; every other one streams, some are slow."""
    slow = number % SLOW_EVERY == SLOW_EVERY // 2
    if slow:
        note(f"?{name} {time.time()}")
    model = SLOW if slow else "meta-llama/Llama-3.1-8B-Instruct"
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": model, "messages": messages, "stream": number % 2 == 0}


def threads(library: Any, url: str, note: Note) -> None:
    import hf_ledger

    counter, client = itertools.count(), library.Client(timeout=30)

    def work() -> None:
        for number in counter:
            name = uuid.uuid4().hex
            body = asked(number, name, note)
            with hf_ledger.operation(name), client.stream("POST", url, json=body) as reply:
                reply.read()
            note(name)

    workers = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    print("ready", flush=True)


async def tasks(library: Any, url: str, note: Note) -> None:
    import hf_ledger

    counter = itertools.count()

    async def work(client: Any) -> None:
        for number in counter:
            name = uuid.uuid4().hex
            body = asked(number, name, note)
            with hf_ledger.operation(name):
                async with client.stream("POST", url, json=body) as reply:
                    await reply.aread()
            note(name)

    async with library.AsyncClient(timeout=30) as client:
        print("ready", flush=True)
        await asyncio.gather(*(work(client) for _ in range(AT_ONCE)))


def bulk(note: Note) -> None:
    """Lines as fast as they can be had, for batches large enough to be hit in the middle."""
    from hf_ledger.ingest.call import Call
    from hf_ledger.ingest.places import Places
    from hf_ledger.ingest.spool.segments import Segments

    segments = Segments(Places.default().spool)
    print("ready", flush=True)
    while True:
        name, now = uuid.uuid4().hex, time.time_ns() // 1000
        call = Call(call_id=str(uuid.uuid4()), ts=now, operation=name, prefix=[1, 2], status=200)
        if segments.write(call):
            note(name)
        time.sleep(BULK_PAUSE)


def main(library: str, manner: str, host: str, acknowledged: str) -> None:
    note = notes(acknowledged)
    if manner == "bulk":
        bulk(note)
        return
    import hf_ledger

    hf_ledger.record(app=f"{library}-{manner}", hosts=[f"{host}=router"])
    url, client = f"http://{host}/v1/chat/completions", import_module(library)
    if manner == "tasks":
        asyncio.run(tasks(client, url, note))
    else:
        threads(client, url, note)


if __name__ == "__main__":
    main(*sys.argv[1:5])
