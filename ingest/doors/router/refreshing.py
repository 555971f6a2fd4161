"""Bringing what is discovered up to date: asked by one process, kept for all of this user."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from hf_ledger.ingest.doors.router.discovery import (
    ENDPOINTS,
    ROUTER,
    Ask,
    Server,
    discover,
    latest,
)
from hf_ledger.ingest.doors.router.found import DECODER, Discovered, Source
from hf_ledger.ingest.doors.router.stated import Stated, Where, base_of
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.watched_file import publish_file

if TYPE_CHECKING:
    import httpx2

    from hf_ledger.ingest.doors.router.registry import Registry

NOT_KEPT = "What was discovered can't be kept ({why}): make {folder} writable, then try again."


async def refresh(
    registry: Registry,
    places: Places,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    environment: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[Source, ...]:
    """Ask what the settings name, keep what was said, and give each source as it stands now.

    A source that fails keeps its last good copy. Raises `Unusable` where the copy can't be written
    or the client extra is missing.
    """
    now = registry.tried_at = clock()
    stated = registry.stated
    ask = ask_of(stated, os.environ if environment is None else environment)
    fresh = await discover(ask, now, transport)
    return await asyncio.to_thread(keep, places, fresh, stated)


def keep(places: Places, fresh: Sequence[Source], stated: Stated) -> tuple[Source, ...]:
    """The file with these looks in it; of two processes at once, the newer look of each source."""
    path = places.discovered_targets
    known = read(places)
    sources = {name: each for name, each in known.items() if still_named(name, stated)}
    sources |= {each.name: latest(known, each) for each in fresh}
    try:
        publish_file(places, path, msgspec.json.encode(Discovered(sources=sources)))
    except OSError as error:
        raise Unusable(NOT_KEPT.format(why=error.strerror, folder=path.parent)) from error
    return tuple(sources.values())


def read(places: Places) -> dict[str, Source]:
    """What the file holds; nothing where it is none that can be understood."""
    try:
        return DECODER.decode(places.discovered_targets.read_bytes()).sources
    except (OSError, msgspec.MsgspecError, ValueError):
        return {}


def still_named(source: str, stated: Stated) -> bool:
    return source in (ROUTER, ENDPOINTS) or source in dict(servers(stated, {}))


def ask_of(stated: Stated, environment: Mapping[str, str]) -> Ask:
    """What there is to ask: Hugging Face only where something of the settings goes there."""
    where = above(stated.where, environment)
    token = environment.get(where.token_variable)
    listed = where.endpoint_namespace and token
    base = where.endpoints_url.rstrip("/")
    return Ask(
        router=where.router_url.rstrip("/") if asks_router(stated) else None,
        endpoints=f"{base}/v2/endpoint/{where.endpoint_namespace}" if listed else None,
        endpoints_token=token if listed else None,
        servers=tuple(Server(*each) for each in dict(servers(stated, environment)).items()),
    )


def above(where: Where, environment: Mapping[str, str]) -> Where:
    """The environment stands above the file, as for the server."""
    names = Where.__struct_fields__
    told = {name: environment.get(f"HF_LEDGER_{name.upper()}") for name in names}
    return msgspec.structs.replace(where, **{name: each for name, each in told.items() if each})


def asks_router(stated: Stated) -> bool:
    """Who has only servers of their own shall not meet Hugging Face unasked."""
    kinds = {said.host_kind for said in stated.targets.values()}
    return not kinds or "router" in kinds or any(said.models for said in stated.routes.values())


def servers(stated: Stated, environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Base address and token of each server of one's own; the first that has a token counts."""
    named = [said for said in stated.targets.values() if said.host_kind == "self_hosted"]
    tokens = [
        (base_of(said.url) or "", environment.get(said.token_variable or "")) for said in named
    ]
    yield from sorted(tokens, key=lambda each: each[1] is not None)
