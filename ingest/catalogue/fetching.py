"""Asking Hugging Face for prices, routes and endpoint states: the only module here that goes out.

Addresses and the client are given, so that tests answer over loopback. Nothing of a reply but what
the readers take, and nothing of the token, reaches a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit

import httpx2

from hf_ledger.ingest.catalogue.endpoints import State, states_of
from hf_ledger.ingest.catalogue.lists import (
    Hardware,
    PriceList,
    Route,
    decoded,
    digest,
    hardware_of,
    price_list,
    routes_of,
)
from hf_ledger.ingest.errors import Unusable

ROUTER = "https://router.huggingface.co"
HUB = "https://huggingface.co"
ENDPOINTS = "https://api.endpoints.huggingface.cloud"

TIMEOUT_SECONDS = 30.0
LARGEST_REPLY = 64 * 2**20
MOST_PAGES = 50

MAPPINGS = (
    "/api/models?inference_provider=all&expand[]=inferenceProviderMapping"
    "&expand[]=pipeline_tag&limit=1000"
)


@dataclass(frozen=True)
class Addresses:
    """Where to ask: base URLs without a path; token and namespace only where they are needed."""

    router: str = ROUTER
    hub: str = HUB
    endpoints: str = ENDPOINTS
    namespace: str | None = None
    token: str | None = None


def client() -> httpx2.Client:
    """A client that gives up after half a minute and follows no redirect with a token."""
    return httpx2.Client(timeout=TIMEOUT_SECONDS, headers={"user-agent": "hf-ledger"})


def fetch_list(http: httpx2.Client, addresses: Addresses, now: datetime) -> PriceList:
    """The router's public list. Raises `Unusable` where it can't be had or is no list."""
    url = f"{addresses.router.rstrip('/')}/v1/models"
    return price_list(body_of(http, url), source_of(url), now)


def fetch_routes(http: httpx2.Client, addresses: Addresses) -> tuple[list[Route], str]:
    """The Hub's mappings, page by page on the same host, and the SHA-256 of all pages.

    Raises `Unusable` where they can't be had.
    """
    url: str | None = addresses.hub.rstrip("/") + MAPPINGS
    found: list[Route] = []
    pages = []
    for _ in range(MOST_PAGES):
        if url is None:
            break
        reply = answer(http, url)
        found += routes_of(reply.content, source_of(url))
        pages.append(reply.content)
        url = following(reply, url)
    return found, digest(b"".join(pages))


def following(reply: httpx2.Response, url: str) -> str | None:
    """The next page, where one is named and lies on the same host."""
    link = reply.links.get("next", {}).get("url")
    then = urljoin(url, link) if link else None
    return then if then and urlsplit(then).netloc == urlsplit(url).netloc else None


def fetch_hardware(http: httpx2.Client, addresses: Addresses) -> tuple[list[Hardware], str, str]:
    """What replica hours cost now, where it stands, and the SHA-256 of the reply; needs a token."""
    url = f"{addresses.endpoints.rstrip('/')}/v2/provider"
    if addresses.namespace:
        url += f"/{addresses.namespace}"
    body = body_of(http, url, addresses.token)
    return hardware_of(body, source_of(url)), source_of(url), digest(body)


def fetch_states(http: httpx2.Client, addresses: Addresses, now: datetime) -> list[State]:
    """The state of every endpoint of the namespace just now; needs a token."""
    url = f"{addresses.endpoints.rstrip('/')}/v2/endpoint/{addresses.namespace}"
    return states_of(decoded(body_of(http, url, addresses.token), source_of(url)), now)


def body_of(http: httpx2.Client, url: str, token: str | None = None) -> bytes:
    return answer(http, url, token).content


def answer(http: httpx2.Client, url: str, token: str | None = None) -> httpx2.Response:
    """A reply of status 200, or `Unusable` with one sentence."""
    source = source_of(url)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        reply = http.get(url, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        raise Unusable(f"{source} can't be reached ({type(error).__name__}).") from error
    if reply.status_code in (401, 403):
        raise Unusable(f"{source} refused the token ({reply.status_code}): give one that may read.")
    if reply.status_code != 200:
        raise Unusable(f"{source} answered {reply.status_code}: try again later.")
    if len(reply.content) > LARGEST_REPLY:
        raise Unusable(f"{source} answered with more than {LARGEST_REPLY:,} bytes: not taken.")
    return reply


def source_of(url: str) -> str:
    """Where a figure was read: host and path, no query, no credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"
