"""A request of a client other than httpx, in the form that the recorder reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from hf_ledger.ingest.doors.hook.hosts import netloc_of

RawHeaders = list[tuple[bytes, bytes]]


class Address:
    """A URL as text, and what the host filter wants of it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    @property
    def host(self) -> str:
        return urlsplit(self._text).hostname or ""

    @property
    def netloc(self) -> bytes:
        return netloc_of(self._text).encode("ascii", "replace")


class Headers(NamedTuple):
    raw: RawHeaders


class Asking:
    """What httpx's request would tell; `content` raises as its own does where it is streamed."""

    def __init__(
        self, method: str, address: str, headers: Mapping[str, str | bytes], body: bytes | None
    ) -> None:
        self.method = method.upper()
        self.url = Address(address)
        self._headers = headers
        self._body = body

    @property
    def headers(self) -> Headers:
        return Headers(raw_headers(self._headers.items()))

    @property
    def content(self) -> bytes:
        if self._body is None:
            raise RuntimeError("the body is streamed and can be read only once")
        return self._body


def raw_headers(headers: Iterable[tuple[str | bytes, str | bytes]]) -> RawHeaders:
    """Headers as they stand on the wire."""
    return [(raw(name), raw(value)) for name, value in headers]


def raw(text: str | bytes) -> bytes:
    return text.encode("latin-1", "replace") if isinstance(text, str) else text
