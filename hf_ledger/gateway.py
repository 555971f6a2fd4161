"""A gateway inside the server, or beside it: then one process, one port, no DuckDB.

Any number of them may run; each keeps its own lines and audit and leases money from the owner.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from hf_ledger.ingest.doors.gateway.opening import Gateway, Plan
    from hf_ledger.ingest.doors.gateway.upstream import Token


def plan_of(settings: Settings) -> Plan:
    """What the settings say of a gateway. Raises `Unusable` for a target without its token."""
    from hf_ledger.ingest.doors.gateway.opening import Plan
    from hf_ledger.ingest.doors.replays.replaying import Judging

    named = {name: target for name, target in settings.targets.items() if target.url}
    return Plan(
        upstream=settings.router_url,
        bill_to=settings.gateway_bill_to or None,
        silent_s=settings.gateway_silent_seconds,
        body_bytes=settings.gateway_body_mib << 20,
        default_max_tokens=settings.gateway_max_tokens,
        owner_lost=settings.owner_lost,
        audit_lost=settings.audit_lost,
        own_key_providers=settings.own_key_providers,
        policy=settings.compliance.policy(),
        judging=Judging(
            settings.replay_embedding_model or None, settings.replay_judge_model or None
        ),
        targets={name: base_of(target.url or "") for name, target in named.items()},
        tokens={
            name: os.environ[target.token_variable]
            for name, target in named.items()
            if target.token_variable and target.token_variable in os.environ
        },
    )


def base_of(url: str) -> str:
    """A target's address without the path that is asked for."""
    return url.rstrip("/").removesuffix("/v1")


def token_of(settings: Settings, places: Places) -> Token:
    """Gives the Hugging Face token for one request. Raises `Unusable` where there is none."""
    return settings.vault(places).token


def serve_gateway(
    settings: Settings, places: Places, listener: socket.socket, say: Callable[[str], None]
) -> None:
    """Run a gateway until SIGTERM or Ctrl-C; raises `Unusable` before anything is started."""
    import uvicorn

    from hf_ledger.ingest.doors.gateway.limits.transports import OverSocket
    from hf_ledger.ingest.doors.gateway.listening import Patient
    from hf_ledger.ingest.doors.gateway.opening import Gateway

    plan, token = plan_of(settings), token_of(settings, places)
    places.make()

    def open_() -> Gateway:
        return Gateway(places, plan, token, OverSocket(places))

    def ready() -> None:
        say(welcome(settings.host, listener.getsockname()[1]))

    config = uvicorn.Config(
        Alone(open_, ready),
        http=Patient,
        ws="none",
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how one stops it, no failure
        uvicorn.Server(config).run(sockets=[listener])


class Alone:
    """The gateway as a whole application: every path is its door's, but for its health.

    Without a router and its middleware between: they would be a tenth of a request's time.
    """

    def __init__(self, make: Callable[[], Gateway], ready: Callable[[], None]) -> None:
        self._make = make
        self._ready = ready
        self._gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] == "/healthz":
            await healthy(send)
        elif self._gateway is not None:
            await self._gateway.door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._gateway = gateway = self._make()
        await gateway.start()
        settle_down()
        await send({"type": "lifespan.startup.complete"})
        self._ready()
        await receive()
        await gateway.close()
        await send({"type": "lifespan.shutdown.complete"})


async def healthy(send: Send) -> None:
    """That the process answers; not that upstream does."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"15")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status":"ok"}'})


def settle_down() -> None:
    """What was loaded stays; what requests make is freed by its count, hardly ever in circles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


def welcome(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return (
        f"\nhf-ledger gateway is at http://{shown}:{port}\n\n"
        f"Base URL for clients: http://{shown}:{port}/v1, with a key of hf-ledger key create\n\n"
        "Stop with Ctrl-C."
    )
