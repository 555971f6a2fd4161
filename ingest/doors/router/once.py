"""One key for one piece of work that may be sent twice: a gateway of ours pays for it once.

Whoever may have to repeat a request after a crash names it here; calls made inside carry the name
as `Idempotency-Key`. It is a random word and says nothing of the request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "Idempotency-Key"

_once: ContextVar[str | None] = ContextVar("hf_ledger_once", default=None)


@contextmanager
def once(key: str | None) -> Iterator[None]:
    """Calls made inside are for this piece of work; None: for none that is repeated."""
    token = _once.set(key)
    try:
        yield
    finally:
        _once.reset(token)


def once_headers(target: str) -> dict[str, str]:
    """The header of a call to the target of that name; a key is for one target's one request."""
    key = _once.get()
    if key is None:
        return {}
    return {HEADER: hashlib.sha256(f"{key}\0{target}".encode()).hexdigest()[:32]}
