"""Connections to targets: one pool for each target and event loop, closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hf_ledger.ingest.doors.client import EXTRA_MISSING
from hf_ledger.ingest.doors.hook.witness import BLANK, blanked, witness
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable

SET_COOKIE = "set-cookie"


Kept = TypeVar("Kept")


class PerLoop(Generic[Kept]):
    """One of something for each event loop, made when it is first asked for there."""

    def __init__(self, make: Callable[[], Kept]) -> None:
        self._make = make
        self._of: dict[asyncio.AbstractEventLoop, Kept] = {}

    def here(self) -> Kept:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._of:
            self._of = {each: kept for each, kept in self._of.items() if not each.is_closed()}
            self._of[loop] = self._make()
        return self._of[loop]

    def drop(self) -> Kept:
        """The running loop's, which is forgotten here."""
        return self._of.pop(asyncio.get_running_loop(), None) or self._make()


class Pools:
    """HTTP clients as hub makes them (its factory, proxies and all), kept for the next call."""

    def __init__(self) -> None:
        self._of: PerLoop[dict[tuple[str, str | None], Any]] = PerLoop(dict)

    def client(self, target: Target) -> Any:
        """This target's httpx2.AsyncClient in the running loop."""
        mine = self._of.here()
        key = (target.name, target.url)
        if key not in mine:
            mine[key] = _opened()
        return mine[key]

    async def close(self) -> None:
        """Close those of the running loop; another loop's can only be closed there."""
        for each in self._of.drop().values():
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
