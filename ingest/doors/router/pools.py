"""Connections to targets: one pool for each target and event loop, closed at the end."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from hf_ledger.ingest.doors.client import EXTRA_MISSING
from hf_ledger.ingest.doors.hook.witness import BLANK, blanked, witness
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable

SET_COOKIE = "set-cookie"


class Pools:
    """HTTP clients as hub makes them (its factory, proxies and all), kept for the next call."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Any]] = WeakKeyDictionary()

    def client(self, target: Target) -> Any:
        """This target's httpx2.AsyncClient in the running loop."""
        mine = self._of.setdefault(asyncio.get_running_loop(), {})
        key = (target.name, target.url)
        if key not in mine:
            mine[key] = _opened()
        return mine[key]

    async def close(self) -> None:
        """Close those of the running loop; another loop's can only be closed there."""
        mine = self._of.pop(asyncio.get_running_loop(), {})
        for each in mine.values():
            await each.aclose()


def _opened() -> Any:
    try:
        from huggingface_hub import get_async_session
    except ImportError as error:
        raise Unusable(EXTRA_MISSING) from error
    client = get_async_session()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], _tell_headers]}
    return client


async def _tell_headers(response: Any) -> None:
    seen = witness.get()
    if isinstance(seen, Seen):
        headers = blanked(response.headers.raw)
        if SET_COOKIE in headers:
            headers[SET_COOKIE] = BLANK
        seen.replied(response.status_code, headers)
