"""The way to Hugging Face: one pool of connections, and the token put on at the last moment.

aiohttp's client: at 64 requests at once it takes 6,800 a second on one core, httpx's 210.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from hf_ledger.ingest.doors.gateway.refusal import Refused

#: Nothing is added to what the client sent, and nothing is unpacked.
LEFT_ALONE = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
REMEMBERED = 1_024

UNREACHABLE = "Hugging Face can't be reached from this gateway: try again in a moment."
TOO_LATE = "Hugging Face did not answer in time: ask for less, or stream."
BROKEN = "Hugging Face's reply ended before it was whole: try again."

Token = Callable[[], str]


class Upstream:
    """Sends requests on; made inside the event loop, closed with it.

    `connect_s` is for the connection, `silent_s` for how long a reply may say nothing.
    """

    def __init__(
        self,
        token: Token,
        *,
        bill_to: str | None = None,
        connect_s: float = 10,
        silent_s: float = 300,
        most: int = 2_000,
        proxy: str | None = None,
    ) -> None:
        self._token = token
        self._bill_to = bill_to
        self._proxy = proxy
        self._urls: dict[str, URL] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=most, ttl_dns_cache=60, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=connect_s, sock_connect=connect_s, sock_read=silent_s
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=LEFT_ALONE,
        )

    async def send(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes,
        token: str | None = None,
    ) -> aiohttp.ClientResponse:
        """The head of the reply; its body is still to be read. Raises aiohttp's errors.

        `token` is that of another server than Hugging Face ("" for none), which never sees ours.
        """
        shown = self._token() if token is None else token
        if shown:
            headers.append(("Authorization", f"Bearer {shown}"))
        if self._bill_to and token is None:
            headers.append(("X-HF-Bill-To", self._bill_to))
        return await self._session.request(
            method,
            self._url(url),
            headers=headers,
            data=body or None,
            allow_redirects=False,
            # A server of one's own may be exempt: what may go only there passes no stranger.
            proxy=self._proxy if token is None else proxy_of(url),
        )

    def _url(self, text: str) -> URL:
        found = self._urls.get(text)
        if found is None:
            if len(self._urls) >= REMEMBERED:
                self._urls.clear()
            found = self._urls[text] = URL(text, encoded=True)
        return found

    async def close(self) -> None:
        await self._session.close()


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for this address.

    Looked up once: the client's own `trust_env` looks it up in a thread with every request.
    """
    split = urlsplit(url)
    if not split.hostname or proxy_bypass(split.hostname):
        return None
    return getproxies().get(split.scheme)


def refusal_of(error: BaseException) -> Refused:
    """What the client is told of a reply that never came, or not whole."""
    if isinstance(error, TimeoutError):
        return Refused(504, "upstream_timeout", TOO_LATE)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Refused(502, "upstream_broke_off", BROKEN)
    return Refused(502, "upstream_unreachable", UNREACHABLE)
