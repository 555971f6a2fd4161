"""The API over loopback HTTP: the real door and routes behind a real server, no pages beside it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from factories_imports import MIDNIGHT
from starlette.applications import Starlette

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.api.door import Door
from hf_ledger.ingest.doors.api.keys import add_key, make_key
from hf_ledger.ingest.doors.api.routes import api_routes
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.lines import encode

NDJSON = "application/x-ndjson"


def posted(number: int = 1, **changes: Any) -> Call:
    """A call of another host; the same number is the same call."""
    given: dict[str, Any] = {
        "call_id": str(uuid.UUID(int=(0x01980000_0000_7000_8000 << 48) + number)),
        "ts": MIDNIGHT + number,
        "app": "shop",
        "provider": "cerebras",
        "host_kind": "router",
        "requested_model": "openai/gpt-oss-120b",
        "task": "chat-completion",
        "uncached_input_tokens": 1000,
        "output_tokens": 100,
        "tokens_source": "usage",
        "status": 200,
    }
    return Call(**{**given, **changes})


def batch(*calls: Call) -> bytes:
    return b"".join(map(encode, calls))


@dataclass
class Api:
    """A running server, its ledger and a good key."""

    url: str
    ledger: Ledger
    places: Places
    door: Door
    key: str
    key_id: str

    def post(self, content: bytes, *, key: str | None = "", **headers: str) -> httpx.Response:
        """A batch of call lines; `key=None` sends none."""
        given = {"content-type": NDJSON}
        if key is not None:
            given["authorization"] = f"Bearer {key or self.key}"
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        return httpx.post(f"{self.url}/api/calls", content=content, headers=given, timeout=20)

    def traces(self, body: Any, **headers: str) -> httpx.Response:
        given = {"content-type": "application/json"}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(f"{self.url}/v1/traces", content=content, headers=given, timeout=20)

    def rows(self, columns: str = "*") -> list[dict[str, Any]]:
        """What the ledger holds when everything that was acknowledged is collected."""
        collect(self.ledger, self.places)
        with closing(self.ledger.cursor()) as cursor:
            found = cursor.execute(f"select {columns} from entries order by ts, call_id")
            names = [each[0] for each in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def new_key(ledger: Ledger, name: str = "web-1") -> tuple[str, str]:
    """A key and its id."""
    key, kept = make_key(name)
    with closing(ledger.cursor()) as cursor:
        add_key(cursor, kept)
    return key, kept.key_id


@contextmanager
def running(door: Door) -> Iterator[str]:
    """The routes on a free loopback port."""
    config = uvicorn.Config(
        Starlette(routes=api_routes(door)), port=0, log_level="critical", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


@contextmanager
def api(places: Places, **limits: Any) -> Iterator[Api]:
    """A server over a ledger of its own."""
    with Ledger.open(places) as ledger, closing(Door(ledger, places, **limits)) as door:
        key, key_id = new_key(ledger)
        with running(door) as url:
            yield Api(url, ledger, places, door, key, key_id)
