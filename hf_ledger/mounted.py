"""What the server does for gateways and routers: tells them what holds, signs audits, is one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from hf_ledger.gateway import plan_of, token_of
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from hf_ledger.ingest.doors.gateway.limits.exchanging import Transport
    from hf_ledger.ingest.doors.gateway.opening import Gateway
    from hf_ledger.serve import Desk

#: What the server answers on the gateway's paths while it has no token to call with.
OFF = (
    b'{"error":{"code":"gateway_off","message":"This server has no Hugging Face token to call '
    b'with: hf-ledger token encrypt.","type":"gateway","request_id":null}}'
)


class Mounted:
    """The gateway inside the server: its paths are there before it is, and without a token too."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.gateway is not None:
            await self.gateway.door(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(OFF))]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": OFF})

    @contextlib.asynccontextmanager
    async def running(
        self, settings: Settings, places: Places, transport: Transport
    ) -> AsyncIterator[str | None]:
        """The gateway for as long as the block runs; gives why there is none, where it should be.

        Without any token it is off, and that is no mistake.
        """
        from hf_ledger.ingest.doors.gateway.opening import Gateway

        try:
            token = token_of(settings, places)
        except Unusable as error:
            yield str(error) if has_token(places) else None
            return
        self.gateway = Gateway(places, plan_of(settings), token, transport)
        await self.gateway.start()
        try:
            yield None
        finally:
            gateway, self.gateway = self.gateway, None
            await gateway.close()


def has_token(places: Places) -> bool:
    """Whether somebody has encrypted a token for a gateway here."""
    return "HF_API_TOKEN_ENCRYPTED" in os.environ or (places.keys / "hf-token").exists()


@contextlib.contextmanager
def telling_gateways(desk: Desk) -> Iterator[None]:
    """Publish keys, budgets and prices now and whenever a price begins or ends."""
    from hf_ledger.ingest.doors.gateway.publishing import Publisher

    desk.own.zone = desk.settings.zone
    publisher = Publisher(desk.own, desk.places)
    publisher.start()
    try:
        yield
    finally:
        publisher.stop()


@contextlib.contextmanager
def telling_routers(desk: Desk) -> Iterator[None]:
    """Publish how every place that was called has done in the last minutes, every few seconds."""
    from hf_ledger.ingest.doors.router.telling import RouterPublisher

    publisher = RouterPublisher(desk.own, desk.places)
    publisher.start()
    try:
        yield
    finally:
        publisher.stop()


@contextlib.contextmanager
def witnessing(desk: Desk) -> Iterator[None]:
    """Sign how far the audit of every gateway has gone, and remove what is older than is kept."""
    from hf_ledger.ingest.doors.gateway.audit.checkpoints import Keeper

    keeper = Keeper(desk.places, desk.settings.audit_days)
    keeper.start()
    try:
        yield
    finally:
        keeper.close()


@contextlib.asynccontextmanager
async def calling(desk: Desk, mounted: Mounted) -> AsyncIterator[str | None]:
    """The gateway on this server's port; gives why it is off where it should not be."""
    from hf_ledger.ingest.doors.gateway.limits.transports import Direct

    assert desk.bank is not None
    async with mounted.running(desk.settings, desk.places, Direct(desk.bank)) as off:
        yield off
