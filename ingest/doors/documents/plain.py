"""Answers as plain values: what a cache can keep, and the same whether fresh or kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import msgspec

from hf_ledger.ingest.doors.documents.failing import Unreadable


def _plainer(value: Any) -> Any:
    """hub's answers are mappings that are also dataclasses; vectors come from numpy."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    as_list = getattr(value, "tolist", None)
    if callable(as_list):
        return as_list()
    raise TypeError(type(value).__name__)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plainer)
_DECODER = msgspec.msgpack.Decoder()
_CANONICAL = msgspec.msgpack.Encoder(enc_hook=_plainer, order="deterministic")


def packed(value: Any) -> bytes:
    """The answer as bytes. Raises Unreadable for one that is no data."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        kind = type(value).__name__
        raise Unreadable(f"the answer is no plain data ({kind})") from error


def unpacked(data: bytes) -> Any:
    """Lists, mappings, texts and numbers."""
    return _DECODER.decode(data)


def canonical(value: Any) -> bytes:
    """Bytes that are equal for equal values, in whatever order a mapping was made."""
    return _CANONICAL.encode(value)
