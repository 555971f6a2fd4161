"""A practice server on a free loopback port, for as long as a test needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hf_ledger.practice.serving import bound, server


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
