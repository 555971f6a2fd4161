"""Each request through the gateway as a line of the spool, as the hook would have written it.

It is the hook's recorder, fed by the gateway: the same readers, hashes, start marks and spool.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key
from hf_ledger.ingest.doors.hook.flight import READ, Flight, Trip
from hf_ledger.ingest.doors.hook.hook import Hook
from hf_ledger.ingest.doors.hook.hosts import bare, netloc_of
from hf_ledger.ingest.doors.hook.labels import NONE, Labels, current, given
from hf_ledger.ingest.doors.hook.recording import tags_of
from hf_ledger.ingest.spool.process import this_process
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.ingest.wire.headers import wanted

APP = "gateway"
REMEMBERED = 1_024

_KIND_OF: dict[int, ErrorKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    429: "rate_limited",
    503: "overloaded",
}


class Address(str):
    """An address as the recorder's filter wants it: with its host and its port apart."""

    host: str
    netloc: bytes

    def __new__(cls, url: str) -> Address:
        made = super().__new__(cls, url)
        made.netloc = netloc_of(url).encode("latin-1")
        made.host = bare(netloc_of(url))
        return made


class Headers:
    """Headers as they stood on the wire."""

    __slots__ = ("raw",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self.raw = raw


class Sent:
    """A request in the form in which the recorder reads one."""

    __slots__ = ("content", "headers", "method", "url")

    def __init__(
        self, method: str, url: Address, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> None:
        self.method = method
        self.url = url
        self.headers = Headers(headers)
        self.content = content


class Recorder:
    """Begins a trip for each request; the trip writes its line when the reply has ended."""

    def __init__(self, spool: Path, keys: Path, settings: WireSettings) -> None:
        self.segments = Segments(spool, lambda: this_process(APP))
        self.settings = settings
        self.hook = Hook(self.segments, settings, NONE, keys)
        self._addresses: dict[str, Address] = {}

    def begin(
        self, sent: Sent, labels: Labels, key_id: str | None, asker: str | None = None
    ) -> Trip | None:
        """The trip to follow; a Flight where it is a call, None where nothing is to be kept.

        `asker` tells whose second attempt the same request would be; without one, the key's.
        """
        token = current.set(labels)
        try:
            trip = self.hook.begin(sent)
        finally:
            current.reset(token)
        if isinstance(trip, Flight):
            trip.asker = asker or key_id
            trip.call.key_id = key_id
        return trip

    def address(self, url: str) -> Address:
        """The address of this text; programs call few."""
        found = self._addresses.get(url)
        if found is None:
            if len(self._addresses) >= REMEMBERED:
                self._addresses.clear()
            found = self._addresses[url] = Address(url)
        return found

    def refuse(self, flight: Flight, refused: Refused) -> Call:
        """Keep a call that was not sent on: it cost nothing, and nobody pays."""
        return keep_refused(flight, refused)

    def close(self) -> None:
        """Write what is under way, and end the segment."""
        self.hook.stop()


def keep_refused(flight: Flight, refused: Refused) -> Call:
    """End a call that was not sent, as what it is."""
    call = flight.call
    call.outcome, call.status = "refused", refused.status
    call.error_kind = _KIND_OF.get(refused.status, "bad_request")
    call.payer = "nobody"
    call.latency_ms = (time.perf_counter_ns() - flight.started) / 1e6
    flight.end()
    return call


def labels_of(key: Key, headers: Mapping[str, str]) -> Labels:
    """What the key says; a header may say only what the key leaves open."""

    said = headers.get
    named = (
        said("x-hf-ledger-app"),
        key.environment or said("x-hf-ledger-environment"),
        key.team or said("x-hf-ledger-team"),
        key.project or said("x-hf-ledger-project"),
        key.user or said("x-hf-ledger-user"),
    )
    return _labels(named, said("x-hf-ledger-tags", ""))


@lru_cache(maxsize=4_096)
def _labels(named: tuple[str | None, ...], tags: str) -> Labels:
    """The same keys come again and again with the same labels."""
    app, environment, team, project, user = named
    return given(
        app=app,
        environment=environment,
        team=team,
        project=project,
        user=user,
        source="gateway",
        tags=tags_of(tags),
    )


def head_of(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """What a trip reads of a reply's headers."""
    return wanted(raw, READ)
