"""Asking routers, the endpoints' API and servers of one's own what they serve.

The only module of the router that goes out by itself. Each source is given a few seconds and a few
megabytes, follows no redirect, and fails alone, with one clause that holds nothing of its reply. A
dedicated endpoint itself is never asked: that would wake it, or keep it from scaling to zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_ledger.ingest.doors.router.engines import MODELS, PATHS, read_server
from hf_ledger.ingest.doors.router.facts import decoded
from hf_ledger.ingest.doors.router.found import Found, Source
from hf_ledger.ingest.doors.router.listings import read_endpoints, read_router
from hf_ledger.ingest.errors import Unusable

if TYPE_CHECKING:
    import httpx2

#: For all that one source is asked.
SOURCE_S = 5.0
LARGEST_REPLY = 8 << 20

#: A look of another process that is so much newer counts; one from further ahead is of a clock
#: that was wrong.
CONCURRENT_S = 60.0

ROUTER = "router"
ENDPOINTS = "endpoints"

STATUSES = {
    401: "the token was refused (401)",
    403: "the token was refused (403)",
    404: "it has no list of models (404)",
    429: "it is over its rate limit (429)",
    503: "it is loading or overloaded (503)",
}


class Server(NamedTuple):
    """A server of the settings: its base address, and the token that it alone gets."""

    url: str
    token: str | None = None


class Listing(NamedTuple):
    """One list at one address, and how it is read."""

    name: str
    url: str
    token: str | None
    read: Callable[[Any], tuple[Found, ...]]


class Ask(NamedTuple):
    """What is to be asked; an address is None where that source is left alone."""

    router: str | None = None
    endpoints: str | None = None  # the namespace's list, whole address
    endpoints_token: str | None = None
    servers: tuple[Server, ...] = ()


class Failed(Exception):  # noqa: N818 - never leaves this module
    """Why a source told nothing, as one clause."""


async def discover(
    ask: Ask, now: float, transport: httpx2.AsyncBaseTransport | None = None
) -> list[Source]:
    """What each source says, all at once; one that failed says since when and why.

    Raises `Unusable` where httpx2 isn't installed.
    """
    async with client(transport) as http:
        lists = [listed(http, each, now) for each in listings(ask)]
        return await asyncio.gather(*lists, *(server(http, each, now) for each in ask.servers))


def listings(ask: Ask) -> list[Listing]:
    found = []
    if ask.router:
        found.append(Listing(ROUTER, ask.router + MODELS, None, read_router))
    if ask.endpoints:
        found.append(Listing(ENDPOINTS, ask.endpoints, ask.endpoints_token, read_endpoints))
    return found


def client(transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    try:
        import httpx2
    except ImportError as error:
        missing = "Discovery needs the client extra: pip install 'hf-ledger[client]'."
        raise Unusable(missing) from error
    headers = {"user-agent": "hf-ledger", "accept-encoding": "identity"}
    return httpx2.AsyncClient(transport=transport, timeout=SOURCE_S, headers=headers)


async def listed(http: httpx2.AsyncClient, asked: Listing, now: float) -> Source:
    answer = await attempt(http, asked.url, asked.token)
    if isinstance(answer, Failed):
        return failed(asked.name, now, str(answer))
    return told(asked.name, now, asked.read(answer))


async def server(http: httpx2.AsyncClient, asked: Server, now: float) -> Source:
    """A server, by every path at which one of the engines describes itself."""
    url, token = asked
    answers = await asyncio.gather(*(attempt(http, url + path, token) for path in PATHS))
    said = dict(zip(PATHS, answers, strict=True))
    replies = {path: reply for path, reply in said.items() if not isinstance(reply, Failed)}
    found = read_server(replies, asked.url)
    why = said[MODELS]
    if not found and isinstance(why, Failed):
        return failed(asked.url, now, str(why))
    return told(asked.url, now, found)


async def attempt(http: httpx2.AsyncClient, url: str, token: str | None) -> Any:
    """The JSON there, or why there is none."""
    import httpx2

    try:
        async with asyncio.timeout(SOURCE_S):
            return await json_of(http, url, token)
    except Failed as why:
        return why
    except (TimeoutError, httpx2.TimeoutException):
        return Failed("it did not answer in time")
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError) as error:
        return Failed(f"it can't be reached ({type(error).__name__})")


async def json_of(http: httpx2.AsyncClient, url: str, token: str | None) -> Any:
    """The JSON of a reply of status 200. Raises `Failed`, and what the client raises."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with http.stream("GET", url, headers=headers) as reply:
        if reply.status_code != 200:
            answered = f"it answered {reply.status_code}"
            raise Failed(STATUSES.get(reply.status_code, answered))
        found = decoded(await bounded(reply))
    if found is None:
        raise Failed("it answered with no JSON")
    return found


async def bounded(reply: httpx2.Response) -> bytes:
    """The body as it came over the wire, no longer than is read. Raises `Failed`."""
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise Failed("it packed its answer, which was not asked for")
    body = bytearray()
    async for chunk in reply.aiter_raw():
        body += chunk
        if len(body) > LARGEST_REPLY:
            raise Failed(f"it answered with more than {LARGEST_REPLY:,} bytes")
    return bytes(body)


def told(name: str, now: float, found: tuple[Found, ...]) -> Source:
    """An answer that names no model is a failure too: nothing was learnt, and nothing is lost."""
    if not found and name != ENDPOINTS:
        return failed(name, now, "it named no model")
    return Source(name=name, asked_at=now, seen_at=now, found=found)


def failed(name: str, now: float, why: str) -> Source:
    return Source(name=name, asked_at=now, failed_since=now, why=why)


def latest(known: Mapping[str, Source], fresh: Source) -> Source:
    """Two looks as one: the newer says how it stands, and the newer good copy is kept."""
    before = known.get(fresh.name)
    if before is None or before.asked_at - fresh.asked_at >= CONCURRENT_S:
        return fresh
    older, newer = sorted((before, fresh), key=lambda each: each.asked_at)
    if newer.why is None:
        return newer
    copy = max((older, newer), key=lambda each: each.seen_at or 0.0)
    return Source(
        name=newer.name,
        asked_at=newer.asked_at,
        seen_at=copy.seen_at,
        failed_since=newer.failed_since if older.why is None else older.failed_since,
        why=newer.why,
        found=copy.found,
    )
