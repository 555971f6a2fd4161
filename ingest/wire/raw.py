"""Tolerant JSON: a reader sees only the fields it names, and never raises on what a server sent.

Fields are kept as `msgspec.Raw`, so a value of an unexpected type costs nothing and breaks nothing,
and long values (pictures, embeddings) are skipped, not built.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")
Raw = msgspec.Raw

NOTHING = msgspec.Raw(b"")
#: Token counts beyond this are a broken server, not a big prompt.
LARGEST = 2**53

#: Half of a surrogate pair alone is no Unicode, yet real programs send it; the parser would refuse.
_LONE_SURROGATE = (
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)

_NUMERIC = frozenset(bytes([digit]) for digit in b"-0123456789")

_ANY = msgspec.json.Decoder()
_TEXT = msgspec.json.Decoder(str)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T | None:
    """What the decoder makes of the body, or None; `body` may be anything at all."""
    if not body:
        # Most fields of most replies: no need to raise and catch ten times a call.
        return None
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError):
        return _decode_mended(decoder, bytes(body))


def _decode_mended(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    if b"\\ud" not in body and b"\\uD" not in body:
        return None
    try:
        return decoder.decode(re.sub(_LONE_SURROGATE, rb"\\ufffd", body))
    except (ValueError, RecursionError):
        return None


def items(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The elements of a JSON list, undecoded; empty for anything else."""
    return decode(_ITEMS, raw) or []


def fields(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, undecoded; empty for anything else."""
    return decode(FIELDS, raw) or {}


def start(raw: bytes | msgspec.Raw) -> bytes:
    """The first byte that says what kind of value this is; empty when there is none."""
    return bytes(memoryview(raw)[:64]).lstrip()[:1]


def stated(raw: msgspec.Raw) -> bool:
    """There, and neither null nor false nor empty."""
    if not raw:
        return False
    head = bytes(memoryview(raw)[:5])
    return head not in (b"", b"null", b"false", b'""', b"{}", b"[]")


def text(raw: msgspec.Raw) -> str | None:
    """A JSON string's value; None for anything else."""
    return decode(_TEXT, raw) if raw else None


def count(raw: msgspec.Raw) -> int | None:
    """A non-negative whole number; None for anything else, for nonsense and for null."""
    found = number(raw)
    if found is None or found != int(found) or not 0 <= found <= LARGEST:
        return None
    return int(found)


def number(raw: msgspec.Raw) -> float | int | None:
    """A finite JSON number; None for anything else."""
    if not raw or start(raw) not in _NUMERIC:
        return None
    found = decode(_ANY, raw)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return found if abs(found) < float("inf") else None
