"""Requests of our own, sent where the gateway sends its clients' and kept as rows of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.checks.budget import labels_of
from hf_ledger.ingest.doors.gateway.compliance.policy import (
    Allowed,
    Policy,
    hold_call,
    hold_place,
)
from hf_ledger.ingest.doors.gateway.limits.matching import Labels
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices, cost_of, worst_case
from hf_ledger.ingest.doors.gateway.passage import FAILURES, watching
from hf_ledger.ingest.doors.gateway.recording import Recorder, Sent
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.doors.gateway.upstream import Upstream
from hf_ledger.ingest.doors.hook.decoding import decoder
from hf_ledger.ingest.doors.hook.flight import Flight, Trip
from hf_ledger.ingest.doors.hook.labels import Labels as Said
from hf_ledger.ingest.doors.replays.caps import cap_of
from hf_ledger.ingest.doors.replays.errand import Errand, Reply
from hf_ledger.ingest.doors.replays.replaying import CHAT
from hf_ledger.ingest.doors.replays.sampling import HEADERS, Sampled
from hf_ledger.ingest.fingerprint import json_of
from hf_ledger.ingest.wire.request import read_request

JSON = HEADERS["content-type"]


@dataclass(frozen=True)
class Sender:
    """Sends errands to `url`, where every model of the gateway is, and says what they may cost.

    `upstream` is None while the gateway is not open.
    """

    url: str
    upstream: Callable[[], Upstream | None]
    recorder: Recorder
    state: Callable[[], State]
    prices: Callable[[State], Prices]
    policy: Policy

    # -- before it is sent -------------------------------------------------------------------------

    def host_of(self, model: str) -> str | None:
        """One place for all; whether that is the same house is decided by its kind."""
        return self.url

    def may_go(self, sampled: Sampled, model: str) -> bool:
        """Whether texts of this class may go to this model, by the gateway's own rules."""
        allowed = self.policy.allowed.get(sampled.data_class) or Allowed()
        call = self._call(CHAT, msgspec.json.encode({"model": model}))
        try:
            hold_call(allowed, sampled.data_class, call)
            hold_place(allowed, sampled.data_class, self.url)
        except Refused:
            return False
        return True

    def worst(self, errand: Errand) -> Decimal | None:
        """The most that it can cost; None: no price is known."""
        asking = self._asking(errand)
        if asking.call is None:
            return None
        return worst_case(asking, self.prices(asking.state))

    def labels(self, errand: Errand) -> Labels:
        """What budgets may be for: those of the call that it is made for, with its own model."""
        asking = self._asking(errand)
        return Labels() if asking.call is None else labels_of(asking, asking.call)

    def _asking(self, errand: Errand) -> Asking:
        """The errand as if a client had asked it."""
        call = self._call(errand.path, errand.body)
        if call is not None:
            said_of(errand).write_on(call)
        return Asking(
            request_id="",
            ts=time.time_ns() // 1000,
            method="POST",
            path=errand.path,
            address="",
            headers=errand.headers,
            body=errand.body,
            state=self.state(),
            asked=json_of(errand.body, JSON),
            call=call,
            upstream=self.url,
        )

    def _call(self, path: str, body: bytes) -> Call | None:
        read = read_request("POST", self.url + path, HEADERS, body, self.recorder.settings)
        return read if isinstance(read, Call) else None

    # -- on its way --------------------------------------------------------------------------------

    async def send(self, errand: Errand) -> Reply:
        """Send, record and wait; whatever the network does is in the reply."""
        upstream = self.upstream()
        if upstream is None:
            return Reply(0)
        trip = self._begun(errand)
        try:
            status, body = await self._exchanged(upstream, errand, trip)
        except FAILURES as error:
            if trip is not None:
                trip.failed(error)
            status, body = 0, b""
        finally:
            if trip is not None:
                trip.over(GeneratorExit())
        return self._reply(status, body, trip)

    def _begun(self, errand: Errand) -> Trip | None:
        headers = [(name.encode(), value.encode()) for name, value in errand.headers.items()]
        address = self.recorder.address(self.url + errand.path)
        sent = Sent("POST", address, headers, errand.body)
        key_id = errand.of.key_id
        return self.recorder.begin(sent, said_of(errand), key_id, cap_of(key_id or ""))

    async def _exchanged(
        self, upstream: Upstream, errand: Errand, trip: Trip | None
    ) -> tuple[int, bytes]:
        """Status and whole body; raises what aiohttp raises."""
        url, headers = self.url + errand.path, list(errand.headers.items())
        reply = await upstream.send("POST", url, headers, errand.body)
        try:
            watched = watching(reply, trip)
            body = await reply.read()
        finally:
            reply.close()
        if watched is not None:
            watched.feed(body)
            watched.over(None)
        unpack = decoder(reply.headers.get("content-encoding"))
        return reply.status, body if unpack is None else unpack(body)

    def _reply(self, status: int, body: bytes, trip: Trip | None) -> Reply:
        if not isinstance(trip, Flight):
            return Reply(status, body)
        return Reply(status, body, trip.call, cost_of(trip.call, self.prices(self.state())))


def said_of(errand: Errand) -> Said:
    """The labels of the call that it is made for, and that it is no work."""
    of = errand.of
    return Said(
        app=of.app,
        environment=of.environment,
        team=of.team,
        project=of.project,
        user_id=of.user_id,
        purpose=errand.purpose,
        source="replay",
        tags=of.tags,
    )
