"""A posted batch is checked and written to the spool; it is on disk before it is answered."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hf_ledger.ingest.call import Call, Line
from hf_ledger.ingest.doors.api.batches import Refused, read_batch
from hf_ledger.ingest.doors.api.keys import key_id_of
from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.otlp import SOURCE, read_request_spans
from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.rows import EARLIEST, LATEST, identify
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings

#: Batches being written at once; others wait outside.
MOST_AT_ONCE = 8
#: Bytes in the spool that the collector has yet to take.
MOST_WAITING = 512 << 20
LOOK_EVERY_SECONDS = 1.0

TAKEN = """
select
    name,
    taken_bytes
from segments
"""

BUSY = "Too many batches at once: send this one again."
BEHIND = "The ledger is behind with what it was sent: send this batch again later."
NOT_KEPT = "The ledger can't write to its disk just now: keep this batch and send it again."

NO_HASH_KEY = "The key for hashes can't be read here: hf-ledger doctor says why."


@dataclass(frozen=True)
class Reply:
    """Status, JSON body and headers of an answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, message: str, *, retry_after: int | None = None) -> Reply:
    """An error as the server's other paths give it."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Reply(status, {"error": {"message": message}}, headers)


def json_request(body: bytes) -> dict[str, Any]:
    """An export request of OTLP as JSON; `Unfit` where the body is none."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unfit("no export request of OTLP as JSON") from None


Decode = Callable[[bytes], dict[str, Any]]


class Door:
    """Takes batches from any thread. Nothing is acknowledged before it is on disk."""

    def __init__(
        self,
        ledger: Ledger,
        places: Places,
        settings: WireSettings | None = None,
        *,
        most_at_once: int = MOST_AT_ONCE,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ledger = ledger
        self._places = places
        self._settings = settings or WireSettings()
        self._segments = Segments(places.spool, waits=False)
        self._slots = threading.BoundedSemaphore(most_at_once)
        self._most_waiting = most_waiting
        self._clock = clock
        self._looked = 0.0
        self._waiting = 0

    def close(self) -> None:
        self._segments.close()

    def key_id(self, key: str | None) -> str | None:
        """The id of a good key, else None."""
        with closing(self._ledger.cursor()) as cursor:
            return key_id_of(cursor, key)

    def hash_key(self) -> Reply:
        """The key with which prompts are hashed, so that hashes of all hosts compare."""
        key = HashKey.load(self._places.make(self._places.keys))
        if key is None:
            return refusal(503, NO_HASH_KEY, retry_after=30)
        return Reply(200, {"key": key.secret.hex(), "id": key.id}, {"cache-control": "no-store"})

    def take_calls(self, key_id: str, body: bytes, segment: str | None = None) -> Reply:
        """A batch of call lines. The same call twice is one call, by its id and start."""
        with self._slot() as free:
            if free is not None:
                return free
            try:
                batch = read_batch(body, key_id, self._clock() // 1000, segment)
            except Refused as error:
                return refusal(400, f"{error}.")
            if not self._keep(batch.lines):
                return refusal(503, NOT_KEPT, retry_after=30)
        said = {"accepted": batch.calls, "ignored": batch.ignored, "rejected": batch.rejected}
        return Reply(422 if batch.rejected and not batch.lines else 200, said)

    def take_traces(
        self, body: bytes, decode: Decode = json_request, key_id: str | None = None
    ) -> Reply:
        """An OTLP export request; spans that call no model are taken and left out."""
        with self._slot() as free:
            if free is not None:
                return free
            try:
                found = list(read_request_spans(decode(body), 1, self._settings))
            except Unfit as error:
                return refusal(400, f"The body is {error}.")
            calls = _live((each for each in found if isinstance(each, Call)), key_id)
            bad = [each.reason for each in found if isinstance(each, Rejected)]
            if not self._keep(calls):
                return refusal(503, NOT_KEPT, retry_after=30)
        return Reply(200, _partial(bad))

    def _keep(self, lines: Sequence[Line]) -> bool:
        """Write and sync; False where any line could not be kept. Sent again, none is doubled."""
        written = all(self._segments.write(line) for line in lines)
        return written and (not lines or self._segments.flush())

    @contextmanager
    def _slot(self) -> Iterator[Reply | None]:
        """Room for one batch; the refusal where there is none."""
        if not self._slots.acquire(blocking=False):
            yield refusal(429, BUSY, retry_after=1)
            return
        try:
            behind = self._bytes_waiting() > self._most_waiting
            yield refusal(429, BEHIND, retry_after=5) if behind else None
        finally:
            self._slots.release()

    def _bytes_waiting(self) -> int:
        """Bytes of the spool that are not in the ledger yet, looked up once a second."""
        if time.monotonic() - self._looked >= LOOK_EVERY_SECONDS:
            self._looked = time.monotonic()
            self._waiting = spool_waiting(self._ledger, self._places)
        return self._waiting


def spool_waiting(ledger: Ledger, places: Places) -> int:
    """Bytes in segments behind what the collector has taken."""
    with closing(ledger.cursor()) as cursor:
        taken = dict(cursor.execute(TAKEN).fetchall())
    waiting = 0
    # What can't be looked at is no reason to refuse: writing says what is wrong.
    with suppress(OSError), os.scandir(places.spool) as files:
        for each in files:
            if each.name.endswith(".ndjson"):
                waiting += max(each.stat().st_size - taken.get(each.name, 0), 0)
    return waiting


def _live(found: Iterable[Call], key_id: str | None) -> list[Call]:
    """The calls, marked as told by their program just now, with the key it showed."""
    occurrences: Counter[bytes] = Counter()
    calls = [call for call in found if EARLIEST <= call.ts < LATEST]
    for call in calls:
        call.source, call.origin, call.key_id = "otlp", "live", key_id
        identify(call, SOURCE, occurrences)
    return calls


def _partial(reasons: list[str]) -> dict[str, Any]:
    """OTLP's answer; empty where everything was taken."""
    if not reasons:
        return {}
    return {
        "partialSuccess": {
            "rejectedSpans": str(len(reasons)),
            "errorMessage": "; ".join(reasons[:20]),
        }
    }
