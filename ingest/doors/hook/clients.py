"""The place where calls are seen: one method of each client class of httpx and httpx2.

Other clients have modules of their own, loaded with the client.

`_send_single_request` sees every attempt, redirects and failures too. It is private, so a test pins
it for the versions we support; where it is missing the public `send` is wrapped, which still sees
every call but not the parts of a redirect.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.hook.flight import Trip
from hf_ledger.ingest.doors.hook.later import never
from hf_ledger.ingest.doors.hook.layers import recorded
from hf_ledger.ingest.doors.hook.tees import Tees, tees_for

#: Clients that are nothing like httpx → the module that hooks them.
OTHERS = {
    "requests": "hf_ledger.ingest.doors.hook.requests_client",
    "aiohttp": "hf_ledger.ingest.doors.hook.aiohttp_client",
}
LIBRARIES = ("httpx", "httpx2", *OTHERS)
PRIVATE, PUBLIC = "_send_single_request", "send"

#: Our wrappers → what they wrap. `alias_httpx()` gives one class two names; a mark on the function
#: itself would be copied by other people's wrappers around it.
ORIGINALS: dict[Any, Any] = {}

Begin = Callable[[Any], Trip | None]


class Door(NamedTuple):
    """What the wrappers need: how a trip begins, and the guard around all of it."""

    begin: Begin
    shield: Any  # Shield


def hook_library(library: ModuleType, door: Door) -> str | None:
    """Wrap both clients of this library; gives the method's name, None where there is none."""
    if library.__name__ in OTHERS:
        return other(library).hook(library, door)  # type: ignore[no-any-return]
    name = method_of(library.Client)
    if name is None:
        return None
    tees = tees_for(library, door.shield)
    wrap_method(library.Client, name, lambda original: _sync(original, door, tees))
    wrap_method(library.AsyncClient, name, lambda original: _async(original, door, tees))
    return name


def wrap_method(owner: Any, name: str, wrapped: Callable[[Any], Any]) -> None:
    """Put a wrapper in a method's place, once."""
    original = getattr(owner, name)
    if original not in ORIGINALS:
        wrapper = wrapped(original)
        ORIGINALS[wrapper] = original
        setattr(owner, name, wrapper)


def unwrap_method(owner: Any, name: str) -> None:
    """Put the original back, where nobody has wrapped it since."""
    original = ORIGINALS.pop(getattr(owner, name, None), None)
    if original is not None:
        setattr(owner, name, original)


def other(library: ModuleType) -> Any:
    """The module that hooks a client that is nothing like httpx."""
    return import_module(OTHERS[library.__name__])


def method_of(client: type) -> str | None:
    """The method to wrap: the private one, else the public one."""
    return next((name for name in (PRIVATE, PUBLIC) if hasattr(client, name)), None)


def unhook_library(library: ModuleType) -> None:
    """Put the originals back, where nobody has wrapped them since."""
    if library.__name__ in OTHERS:
        other(library).unhook(library)
        return
    for owner in (library.Client, library.AsyncClient):
        for name in (PRIVATE, PUBLIC):
            unwrap_method(owner, name)


def _sync(original: Callable[..., Any], door: Door, tees: Tees) -> Callable[..., Any]:
    begin, shield = door
    tee, whole, outgoing = tees.sync, tees.body, tees.outgoing

    @functools.wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        trip = shield(begin, request)
        if trip is None:
            return original(self, request, *args, **kwargs)
        response, body = None, request.stream
        if type(body) is whole:
            request.stream = outgoing(body, trip)
        token = recorded.set(True)
        try:
            response = original(self, request, *args, **kwargs)
        finally:
            recorded.reset(token)
            if type(body) is whole:
                request.stream = body
            if response is None:
                shield(trip.failed, sys.exception())
        if not shield(trip.answered, response, tee):
            trip.abandon()
        return response

    return send


def _async(
    original: Callable[..., Awaitable[Any]], door: Door, tees: Tees
) -> Callable[..., Awaitable[Any]]:
    begin, shield = door
    tee, whole, outgoing = tees.asynchronous, tees.body, tees.outgoing

    @functools.wraps(original)
    async def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        trip = shield(begin, request)
        if trip is None:
            return await original(self, request, *args, **kwargs)
        response, body = None, request.stream
        if type(body) is whole:
            request.stream = outgoing(body, trip)
        token = recorded.set(True)
        try:
            response = await original(self, request, *args, **kwargs)
        finally:
            recorded.reset(token)
            if type(body) is whole:
                request.stream = body
            if response is None:
                shield(trip.failed, sys.exception())
        if not shield(trip.answered, response, tee):
            trip.abandon()
        return response

    return send


def unhook_all() -> None:
    """Undo both: wrapped methods and the wait for imports."""
    never(LIBRARIES)
    for name in LIBRARIES:
        if name in sys.modules:
            unhook_library(sys.modules[name])
    # A wrapper that somebody still holds sees nothing any more: it must not count as hooked.
    ORIGINALS.clear()
