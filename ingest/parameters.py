"""The parameters of a command as they cross the owner's socket: JSON of one type each."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from hf_ledger.ingest.errors import Usage

Given = TypeVar("Given")

_building = threading.Lock()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


def read(payload: bytes, kind: type[Given]) -> Given:
    """The parameters of a command; `Usage` where they are not its own."""
    try:
        given: Given = decoder_of(kind).decode(payload)
    except msgspec.MsgspecError as error:
        raise Usage(f"not the parameters of this command: {error}.") from error
    return given


def decoder_of(kind: type) -> msgspec.json.Decoder[Any]:
    """One decoder a type, built by one thread.

    msgspec 0.22 crashes the interpreter where several threads are the first to decode a type.
    """
    with _building:
        if kind not in _decoders:
            _decoders[kind] = msgspec.json.Decoder(kind)
        return _decoders[kind]
