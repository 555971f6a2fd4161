"""Clients send a failed request again; the same request after a failure is the next attempt."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import NamedTuple

from hf_ledger.ingest.call import Call

REMEMBERED = 1024
WINDOW_US = 120 * 1_000_000

#: LiteLLM states its own retries at the end of the body, and fewer of them the next time.
COUNTER = rb', ?"max_retries": ?\d+'
TAIL = 64


class Failed(NamedTuple):
    operation_id: str
    attempt: int
    ts: int


def key_of(operation_id: str | None, address: Hashable, body: bytes | None) -> int:
    """What two attempts of one request have in common."""
    if body is not None:
        body = body[:-TAIL] + re.sub(COUNTER, b"", body[-TAIL:])
    return hash((operation_id, address, body))


class Retries:
    """Remembers failed requests by a hash of their bytes, two minutes long and in this process."""

    def __init__(self) -> None:
        self._failed: dict[int, Failed] = {}

    def number(self, call: Call, key: int) -> None:
        """Give the call its attempt; without an operation the first attempt's id links them."""
        before = self._failed.pop(key, None)
        if before is None or call.ts - before.ts > WINDOW_US:
            return
        call.attempt = before.attempt + 1
        call.operation_id = call.operation_id or before.operation_id

    def failed(self, call: Call, key: int) -> None:
        """The call came back with an error: the same request again would be a retry."""
        self._failed[key] = Failed(call.operation_id or call.call_id, call.attempt, call.ts)
        if len(self._failed) > REMEMBERED:
            self._failed.pop(next(iter(self._failed)), None)

    def __bool__(self) -> bool:
        return bool(self._failed)
