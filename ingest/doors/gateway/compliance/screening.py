"""All findings of a request's body, and the body with placeholders in their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.doors.gateway.compliance.detectors import (
    Detectors,
    suspicious,
    suspicious_json,
)
from hf_ledger.ingest.doors.gateway.compliance.findings import Kind, counted
from hf_ledger.ingest.doors.gateway.compliance.masking import (
    Hit,
    Placeholders,
    Unmaskable,
    masked,
)
from hf_ledger.ingest.doors.gateway.compliance.pieces import pieces
from hf_ledger.ingest.wire.raw import decode

#: A placeholder can bring a number and a word nearer to each other; never often.
MOST_ROUNDS = 5

#: From here on a text without a single space is no text.
LONG = 4_096
_BASE64 = re.compile(r"(?:data:[\w./+;=-]{1,100},)?[A-Za-z0-9+/]++={0,2}", re.ASCII)

_JSON = msgspec.json.Decoder()
_JSON_STARTS = (b"[", b'"')


class Screened(NamedTuple):
    """How many of each kind stand in a body; `body` is masked where that was asked for."""

    counts: dict[Kind, int]
    body: bytes


def readable(body: bytes, asked: Any) -> bool:
    """Whether the body is JSON text, which is what can be screened; an empty one holds nothing."""
    if not body:
        return True
    if asked is None and (body.lstrip()[:1] not in _JSON_STARTS or decode(_JSON, body) is None):
        return False
    return _is_utf8(body)


def _is_utf8(body: bytes) -> bool:
    try:
        _text(body)
    except UnicodeDecodeError:
        return False
    return True


def screened(body: bytes, detectors: Detectors) -> Screened:
    """What stands in a readable body. Raises `TooMany`."""
    return Screened(counted(_kinds(_hits(_text(body), detectors))), body)


def without_findings(body: bytes, detectors: Detectors) -> Screened:
    """What stood in a readable body, and the body with placeholders instead.

    Raises `Unmaskable` where that cannot be, `TooMany` as `screened`.
    """
    text, placeholders, kinds = _text(body), Placeholders(), list[Kind]()
    for _ in range(MOST_ROUNDS):
        hits = list(_hits(text, detectors))
        if not hits:
            changed = text.encode("utf-8") if kinds else body
            return Screened(counted(kinds), changed)
        kinds += _kinds(hits)
        text = masked(text, hits, placeholders)
    raise Unmaskable


def _text(body: bytes) -> str:
    return body.decode("utf-8")


def _hits(text: str, detectors: Detectors) -> Iterator[Hit]:
    if not suspicious_json(text):
        return
    for piece in pieces(text):
        if len(piece.text) > 5 and not is_media(piece.text) and suspicious(piece.text):
            found = detectors.find(piece.text, piece.name)
            if found:
                yield piece, found


def is_media(text: str) -> bool:
    """Whether a long text is base64 and nothing else, as pictures and sound are sent."""
    return len(text) > LONG and _BASE64.fullmatch(text) is not None


def _kinds(hits: Any) -> Iterator[Kind]:
    return (each.kind for _, found in hits for each in found)
