"""A request with an `Idempotency-Key` is sent once: asked again, it gets what became of it.

Of what became of it only the outcome is kept (id, tokens, cost), never the reply; a file for each
key, so that it holds over all processes and over a restart. What was refused or failed cost nothing
and may be tried again under the same key. A client that asks for it may have the reply itself again
for some minutes, out of the memory of the process that it asked (`unread.py`).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.unread import KEEP_HEADER, Unread

HEADER = "idempotency-key"
LONGEST = 255
KEPT_SECONDS = 24 * 3600

TOO_LONG = "An Idempotency-Key has at most 255 characters."
IN_PROGRESS = "The request with this Idempotency-Key is under way, or its process has died with it."
ANSWERED = "The request with this Idempotency-Key was answered; the reply itself is not kept."
OTHER = "This Idempotency-Key was used for another request: use a new one."
NOT_KEPT = "The gateway can't write to its disk: a request with an Idempotency-Key is not sent."

FREE_AGAIN = frozenset({"error", "refused"})


class Stored(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is kept of a request under its key."""

    call_id: str
    input_hash: str | None = None
    path: str = ""
    outcome: str | None = None  # None: under way
    status: int | None = None
    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: str | None = None


class Idempotency:
    """The check; `folder` is shared by all gateways of one ledger."""

    name = "idempotency"

    def __init__(self, folder: Path, unread: Unread | None = None) -> None:
        self._folder = folder
        self._unread = unread or Unread()
        self._open: dict[str, Path] = {}  # request id → file

    def check(self, asking: Asking) -> None:
        """Take the key, or say what became of the request that had it first."""
        said = asking.headers.get(HEADER)
        if said is None or asking.call is None or asking.key is None:
            return
        if not 0 < len(said) <= LONGEST:
            raise Refused(400, "bad_idempotency_key", TOO_LONG)
        path = self._folder / _name(asking.key.key_id, said)
        stored = Stored(
            call_id=asking.request_id, input_hash=asking.call.input_hash, path=asking.path
        )
        try:
            _write_new(path, msgspec.json.encode(stored))
        except FileExistsError:
            refusal = _refusal(path, stored)
            raise self._again(asking, path, refusal) or refusal from None
        except OSError:
            raise Refused(503, "idempotency_unwritable", NOT_KEPT) from None
        self._open[asking.request_id] = path

    def _again(self, asking: Asking, path: Path, refusal: Refused) -> Refused | None:
        """The reply itself, where the client asked for it to be held and it is here."""
        first = refusal.more.get("first_request")
        if KEEP_HEADER not in asking.headers or first is None:
            return None
        return self._unread.again(path.name, first["call_id"])

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """Keep the outcome, or free the key where nothing was billed."""
        path = self._open.pop(asking.request_id, None)
        if path is None:
            return
        call = outcome.call
        with suppress(OSError):
            if call is None or call.outcome in FREE_AGAIN:
                path.unlink()
                return
            _replace(path, msgspec.json.encode(_stored(asking, outcome)))


def tidy(folder: Path, clock: Callable[[], float] = time.time) -> int:
    """Remove what is older than a day; how many."""
    removed, before = 0, clock() - KEPT_SECONDS
    with suppress(OSError), os.scandir(folder) as files:
        for each in files:
            with suppress(OSError):
                if each.stat().st_mtime < before:
                    Path(each.path).unlink()
                    removed += 1
    return removed


def kept_name(asking: Asking) -> str | None:
    """Under which name its reply is held; None where that was not asked for, or a stream."""
    said = asking.headers.get(HEADER)
    call, key = asking.call, asking.key
    if said is None or KEEP_HEADER not in asking.headers or call is None or key is None:
        return None
    return None if call.stream else _name(key.key_id, said)


def _name(key_id: str, said: str) -> str:
    return hashlib.sha256(f"{key_id}\0{said}".encode()).hexdigest()


def _write_new(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(data)
    draft.replace(path)


def _stored(asking: Asking, outcome: Outcome) -> Stored:
    call = outcome.call
    assert call is not None
    return Stored(
        call_id=asking.request_id,
        input_hash=call.input_hash,
        path=asking.path,
        outcome=call.outcome,
        status=call.status,
        model=call.requested_model,
        provider=call.provider,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cost_usd=None if outcome.cost is None else f"{outcome.cost:f}",
    )


def _refusal(path: Path, now: Stored) -> Refused:
    try:
        first = msgspec.json.decode(path.read_bytes(), type=Stored)
    except (OSError, msgspec.MsgspecError):
        # Just being written, or just freed: the client may try again.
        return Refused(409, "idempotency_in_progress", IN_PROGRESS, {"retry-after": "1"})
    if (first.input_hash, first.path) != (now.input_hash, now.path):
        return Refused(422, "idempotency_key_reused", OTHER)
    if first.outcome is None:
        return Refused(409, "idempotency_in_progress", IN_PROGRESS, {"retry-after": "1"})
    kept = msgspec.to_builtins(first)
    return Refused(409, "idempotency_answered", ANSWERED, first_request=kept)
