"""A gateway on a free loopback port before the practice server, with a witness in between."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hf_ledger.ingest.doors.gateway.asking import Asking, Check, Outcome
from hf_ledger.ingest.doors.gateway.door import Door, Limits
from hf_ledger.ingest.doors.gateway.listening import Patient
from hf_ledger.ingest.doors.gateway.recording import Recorder
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key, State
from hf_ledger.ingest.doors.gateway.upstream import Upstream
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.practice.app import practice_app
from hf_ledger.practice.serving import bound

TOKEN = "hf_marker_token_of_the_gateway"
SECRET = "hfl_0000000a_" + "k" * 43
KEY = Key(key_id="0000000a", key_hash="-", name="tests", user="u-1", team="t-1")
CHAT = "/v1/chat/completions"
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


@dataclass
class Seen:
    """One exchange as the server behind the gateway saw it."""

    path: str
    headers: dict[str, str]
    asked: bytes = b""
    answered: bytes = b""
    left: bool = False  # the gateway hung up before the end


@dataclass
class Witness:
    """Stands before an application and keeps every byte that goes in and out."""

    app: ASGIApp
    seen: list[Seen] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope.get("headers", [])}
        one = Seen(scope["path"], headers)
        self.seen.append(one)

        async def received() -> Message:
            message = await receive()
            one.asked += message.get("body", b"")
            one.left = one.left or message["type"] == "http.disconnect"
            return message

        async def sent(message: Message) -> None:
            one.answered += message.get("body", b"")
            await send(message)

        await self.app(scope, received, sent)


class OneKey:
    """Knows one key, so that a test of the door needs no file."""

    def __init__(self, key: Key) -> None:
        self.key = key

    def identify(self, raw: str | None, asking: Asking) -> Key:
        if raw != SECRET:
            raise Refused(401, "invalid_key", "This key is not known here.")
        return self.key


class Noted:
    """A check that lets everything pass, and notes what it saw."""

    name = "noted"

    def __init__(self) -> None:
        self.asked: list[Asking] = []
        self.ended: list[Outcome] = []

    def check(self, asking: Asking) -> None:
        self.asked.append(asking)

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        self.ended.append(outcome)


@dataclass
class Running:
    """A gateway that runs: where, what it keeps, and what went upstream."""

    port: int
    places: Places
    front: Witness  # between clients and the gateway
    witness: Witness  # between the gateway and the server
    door: Door
    noted: Noted
    refused: list[Outcome] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str = CHAT, **options: Any) -> httpx.Response:
        """A request with the good key; a chat where no body is given."""
        if not {"json", "content", "data"} & options.keys():
            options["json"] = chat()
        options["headers"] = {"authorization": f"Bearer {SECRET}", **options.pop("headers", {})}
        return httpx.post(self.url + path, timeout=20, **options)


def chat(text: str = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


@contextlib.contextmanager
def running(app: ASGIApp, lifespan: str = "on") -> Iterator[int]:
    """The application in a thread of its own on a free port, until the block ends."""
    listener = bound(0)
    config = uvicorn.Config(
        app,
        http=Patient,
        log_level="critical",
        access_log=False,
        ws="none",
        lifespan=lifespan,  # type: ignore[arg-type]
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextlib.contextmanager
def gateway(
    root: Path,
    *,
    key: Key = KEY,
    state: State | None = None,
    checks: Sequence[Check] = (),
    upstream: ASGIApp | None = None,
    upstream_url: str | None = None,
    silent_s: float = 20,
    **limits: Any,
) -> Iterator[Running]:
    """A gateway of one key before `upstream`, by default the practice server."""
    places = Places(root / "ledger")
    places.make()
    witness, noted = Witness(upstream or practice_app()), Noted()
    with contextlib.ExitStack() as stack:
        behind = upstream_url
        if behind is None:
            behind = f"http://127.0.0.1:{stack.enter_context(running(witness, 'off'))}"
        settings = WireSettings(extra_hosts={behind.removeprefix("http://"): "router"})
        recorder = Recorder(places.spool, places.keys, settings)
        refused: list[Outcome] = []
        door = Door(
            replace(Limits(behind), **limits),
            lambda: state or State(keys=(key,)),
            OneKey(key),
            (*checks, noted),
            recorder,
            lambda _asking, call: Decimal(0) if call.outcome == "error" else Decimal("0.001"),
            refused=lambda _asking, outcome, _by: refused.append(outcome),
        )
        front = Witness(app_of(door, silent_s))
        port = stack.enter_context(running(front))
        yield Running(port, places, front, witness, door, noted, refused)


def app_of(door: Door, silent_s: float) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        door.upstream = Upstream(lambda: TOKEN, connect_s=5, silent_s=silent_s)
        yield
        await door.upstream.close()
        door.recorder.close()

    return Starlette(routes=[Route("/{path:path}", door)], lifespan=lifespan)
