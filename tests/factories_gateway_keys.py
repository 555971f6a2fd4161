"""Keys of a gateway with their text, and requests on their way through it."""

from __future__ import annotations

from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.api.keys import make_key
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.state import Key, State

#: 2026-11-25 00:00 UTC, microseconds since 1970.
START = 1_795_564_800_000_000


def key_of(**scope: Any) -> tuple[str, Key]:
    """A key as its owner has it, and as the gateway knows it."""
    raw, kept = make_key("a", role="call")
    said = {"key_id": kept.key_id, "key_hash": kept.key_hash, "name": kept.name, **scope}
    return raw, Key(**said)


def asking_of(*keys: Key, **said: Any) -> Asking:
    """A request to a gateway that knows these keys."""
    given: dict[str, Any] = {
        "request_id": "r",
        "ts": START,
        "method": "POST",
        "path": "/v1/chat/completions",
        "address": "192.0.2.1",
        "headers": {},
        "body": b"{}",
        "state": State(keys=keys),
    }
    return Asking(**{**given, **said})


def call_of(model: str | None = "openai/gpt-oss-120b", **said: Any) -> Call:
    """A call as read off a request to Hugging Face's router."""
    given: dict[str, Any] = {
        "call_id": "c",
        "ts": START,
        "host_kind": "router",
        "routing": "auto",
        "requested_model": model,
    }
    return Call(**{**given, **said})
