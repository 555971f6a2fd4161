"""Speak with a ledger's server on another host: where it is, with which key, and what it answers.

Only the standard library is used: this runs in other people's programs. Certificates are checked,
no redirect is followed, and the key stands in no message.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from hf_ledger.ingest.errors import Usage

SERVER_VARIABLE = "HF_LEDGER_SERVER"
KEY_VARIABLE = "HF_LEDGER_KEY"
HTTP_VARIABLE = "HF_LEDGER_ALLOW_HTTP"

#: Asked of the server with each batch, so that a notice sent twice counts once.
SEGMENT_HEADER = "x-hf-ledger-segment"

TIMEOUT_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 3600.0
MOST_ANSWER = 1 << 20
COMPRESSION = 3

_KEY = re.compile(r"hfl_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", re.ASCII)

NO_KEY = f"{SERVER_VARIABLE} is set without {KEY_VARIABLE}: hf-ledger key create makes one there."
NOT_A_KEY = f"{KEY_VARIABLE} is no key of a ledger: they begin with hfl_."
NOT_AN_ADDRESS = f"{SERVER_VARIABLE} is no address as https://ledger.example:8501."
NOT_SAFE = (
    f"{SERVER_VARIABLE} is http:// and not this machine, so that anybody on the way reads the key: "
    f"use https://, or set {HTTP_VARIABLE}=1."
)

#: What a status means to the person who looks after the sending host.
SENTENCES = {
    401: "401: the key is unknown or revoked there",
    403: "403: something before the server refuses this host",
    404: "404: no hf-ledger answers at this address",
    413: "413: the batch is too large",
    429: "429: the server asks to wait",
    503: "503: the server asks to wait",
}


@dataclass(frozen=True)
class Target:
    """A server and the key for it."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is None where nothing did."""

    status: int | None
    said: str
    retry_after: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


def target_of(environment: Mapping[str, str]) -> Target | None:
    """Where calls shall be sent; None where nobody said so. Raises `Usage` for what can't be."""
    url = environment.get(SERVER_VARIABLE, "").strip().rstrip("/")
    if not url:
        return None
    key = environment.get(KEY_VARIABLE, "").strip()
    if not key:
        raise Usage(NO_KEY)
    if not _KEY.fullmatch(key):
        raise Usage(NOT_A_KEY)
    _check(url, plain=environment.get(HTTP_VARIABLE, "") in ("1", "true", "yes"))
    return Target(url, key)


def _check(url: str, *, plain: bool) -> None:
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        raise Usage(NOT_AN_ADDRESS) from None
    extra = split.username or split.password or split.query or split.fragment
    if split.scheme not in ("http", "https") or not host or extra or not url.isprintable():
        raise Usage(NOT_AN_ADDRESS)
    if split.scheme == "http" and not plain and not is_loopback(host):
        raise Usage(NOT_SAFE)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def post_lines(target: Target, segment: str, lines: bytes) -> Answer:
    """Post whole lines of one segment."""
    headers = {
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip",
        SEGMENT_HEADER: segment,
    }
    return _ask(target, "/api/calls", headers, gzip.compress(lines, COMPRESSION))


def fetch_hash_key(target: Target) -> Answer:
    """Ask for the key with which that ledger's prompts are hashed."""
    return _ask(target, "/api/fingerprint-key", {}, None)


def _ask(target: Target, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    """One exchange; what goes wrong is an answer too."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    given = {**headers, "authorization": f"Bearer {target.key}", "user-agent": "hf-ledger"}
    request = Request(f"{target.url}{path}", body, given)
    try:
        with _opener(target).open(request, timeout=TIMEOUT_SECONDS) as reply:
            return Answer(reply.status, str(reply.status), body=_object(reply.read(MOST_ANSWER)))
    except HTTPError as error:
        with error:
            return _refused(error.code, error.headers.get("retry-after"), error.read(MOST_ANSWER))
    except (OSError, HTTPException) as error:
        return Answer(None, f"no answer ({_reason(error)})")


def _opener(target: Target) -> Any:
    """Proxies of the environment serve for other hosts alone; redirects would carry the key on."""
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    here = is_loopback(urlsplit(target.url).hostname or "")
    return build_opener(Stay, *([ProxyHandler({})] if here else []))


def _refused(status: int, retry_after: str | None, body: bytes) -> Answer:
    said = SENTENCES.get(status, f"{status}: not what hf-ledger answers")
    return Answer(status, said, _seconds(retry_after), _object(body))


def _reason(error: Exception) -> str:
    """Names what went wrong; the message of an exception could quote what was sent."""
    inner = getattr(error, "reason", error)
    said = getattr(inner, "strerror", None)
    return str(said) if isinstance(said, str) and said else type(inner).__name__


def _seconds(stated: str | None) -> float | None:
    """`Retry-After` in seconds, within an hour; a date in it counts as not stated."""
    text = (stated or "").strip()
    return min(float(text), LONGEST_WAIT_SECONDS) if text.isascii() and text.isdigit() else None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
