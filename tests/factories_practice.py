"""A practice server on a free loopback port, for as long as a test needs it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hf_ledger
from hf_ledger.ingest.call import Call, Line, Noticed
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.lines import decode
from hf_ledger.practice.serving import bound, server

#: The practice server has cerebras answer it on the fast route and novita on the cheap one.
CHAT_MODEL = "meta-llama/Llama-3.1-8B-Instruct"


@dataclass(frozen=True)
class Practice:
    """Where it listens: `url` without a path, `host` as "127.0.0.1:port"."""

    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"


@contextmanager
def practice_server() -> Iterator[Practice]:
    """Serve in a thread; the port is bound before the caller goes on."""
    listener = bound(0)
    running = server()
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.005)
    try:
        yield Practice(listener.getsockname()[1])
    finally:
        running.should_exit = True
        running.force_exit = True
        thread.join(timeout=10)
        listener.close()


def recorded(places: Places) -> list[Line]:
    """All lines in the spool, in the order they were written; each one must be whole."""
    segments = sorted(places.spool.glob("*.ndjson"), key=lambda path: path.stat().st_mtime_ns)
    return [decode(line) for path in segments for line in path.read_bytes().splitlines()]


def calls(places: Places) -> list[Call]:
    """The calls in the spool, by start."""
    found = [line for line in recorded(places) if isinstance(line, Call)]
    return sorted(found, key=lambda call: call.ts)


def only_call(places: Places) -> Call:
    """The one call that was recorded; fails where there are more or fewer."""
    found = calls(places)
    assert len(found) == 1, f"{len(found)} calls instead of one"
    return found[0]


def counted(places: Places) -> Counter[str]:
    """What was noticed beside the calls, summed."""
    sums: Counter[str] = Counter()
    for line in recorded(places):
        if isinstance(line, Noticed):
            sums.update(line.counts)
    return sums


@contextmanager
def recording(practice: Practice, **given: Any) -> Iterator[None]:
    """Recording switched on for the practice server, and off again with everything put back."""
    hf_ledger.record(hosts=[f"{practice.host}=router"], **given)
    try:
        yield
    finally:
        stop()


def chat(text: str = "Hello there", model: str = CHAT_MODEL, **more: Any) -> dict[str, Any]:
    """A chat request's body."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}
