"""The recorder of one process: what it watches, what is under way, what it has to say."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter_ns, time_ns
from typing import Any

from msgspec import structs

from hf_ledger.ingest.call import Noticed, OpenCall, RouteSeen, Withdrawn
from hf_ledger.ingest.doors.hook.flight import Flight, LookUp, Trip
from hf_ledger.ingest.doors.hook.hosts import Blind, Watch, address_of
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.doors.hook.labels import NONE, Labels, current
from hf_ledger.ingest.doors.hook.layers import recorded
from hf_ledger.ingest.doors.hook.polls import Awaited, Polls
from hf_ledger.ingest.doors.hook.retries import Retries, key_of
from hf_ledger.ingest.doors.hook.shield import Shield
from hf_ledger.ingest.doors.hook.witness import Witnessed, witness
from hf_ledger.ingest.fingerprint import HashKey, describe, json_of
from hf_ledger.ingest.keyring import renewed
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import Asked, WireSettings
from hf_ledger.ingest.wire.headers import Names, wanted
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.request import Way, read_call

#: A call that runs longer leaves a start mark, so that a killed process doesn't hide it.
MARK_AFTER_NS = 1_000_000_000


#: All that readers want of a request's headers; the token is not among them.
READ = Names("accept", "content-type", "x-hf-bill-to", "x-hf-session-id", "x-amzn-trace-id")


class Hook:
    """Turns requests into flights, and ended flights into lines of the spool."""

    def __init__(
        self, segments: Segments, settings: WireSettings, labels: Labels, keys: Path
    ) -> None:
        self.shield = Shield()
        self.use(settings, labels)
        self.routes = Routes()
        self._beats = False
        self._written_routes: set[tuple[str, str, str | None]] = set()
        self._gateways: set[str] = set()
        self._practice: set[str] = set()
        self._begin()
        self.segments, self.keys = segments, keys
        self.key: HashKey | None = None
        self.sending: Callable[[], None] | None = None  # sees to it that lines leave this host

    def use(self, settings: WireSettings, labels: Labels) -> None:
        """Watch these hosts and label calls so from now on."""
        self.watch = Watch(settings)
        self.labels = labels

    def watch_also(self, hosts: dict[str, str]) -> None:
        """Look at these hosts too."""
        known = self.watch.settings
        self.watch = Watch(structs.replace(known, extra_hosts={**known.extra_hosts, **hosts}))

    def move(self, segments: Segments, keys: Path) -> None:
        """Write elsewhere from now on."""
        old, self.segments, self.keys, self.key = self.segments, segments, keys, None
        self._beats = False
        old.close()

    def _begin(self) -> None:
        """The state that a forked child doesn't share with its parent."""
        self.open: dict[Flight | Awaited, bool] = {}
        self.retries = Retries()
        self.polls = Polls(self)
        self._counts: dict[str, int] = {}
        self._failures_told = self.shield.failures
        self._counting = threading.RLock()
        self._marking = threading.RLock()
        self.reading = threading.RLock()

    # -- a request leaves ------------------------------------------------------------------------

    def begin(self, request: Any) -> Trip | None:
        """The trip to follow, or None for a request that is none of ours."""
        way = self.watch.way(request.method, request.url)
        if way is None or recorded.get():
            return None
        if not self._beats:
            # Not before: a thread that waits for nothing disturbs programs that fork.
            self._beats = True
            self.segments.every_beat(self.beat)
        if isinstance(way, Way):
            seen, labels = witness.get(), current.get()
            if seen is None:
                flight = Flight(self, request, way, labels)
            else:
                flight = Witnessed(seen, self, request, way, labels)
            self.open[flight] = True
            return flight
        self.count(way.reason)
        if way.reason == "poll":
            return self.polls.follow(str(request.url))
        return LookUp(self, str(request.url)) if way.reason == "mapping" else None

    def read(self, flight: Flight, request: Any) -> Asked:
        """The call that a request starts: most of the work, done while the server does its own."""
        way, now, watch = flight.way, flight.ts, self.watch
        headers, body = wanted(request.headers.raw, READ), body_of(request)
        asked = json_of(body, headers.get("content-type", ""))
        call = read_call(
            way, headers, body, watch.settings, asked=asked, routes=self.routes, chats=watch.chats
        )
        call.call_id, call.ts = uuid7(now), now // 1000
        labels = flight.labels
        (self.labels if labels is NONE else labels.over(self.labels)).write_on(call)
        if way.host in self._practice:
            call.origin = "practice"
        describe(call, body, asked, self.key or self._load_key())
        asker = call.operation_id or flight.asker
        flight.body, flight.key = body, (asker, address_of(request.url), body)
        if self.retries:
            self.retries.number(call, key_of(*flight.key))
        return call

    def _load_key(self) -> HashKey | None:
        """The key, made with the first call; asked for again where it couldn't be read."""
        self.key = HashKey.load(self.keys)
        if self.key is None:
            self.count("no_hash_key")
        return self.key

    def forget_key(self) -> None:
        """Load the key again with the next call: there is another one now."""
        self.key = None

    # -- a flight ends ---------------------------------------------------------------------------

    def claim(self, flight: Flight | Awaited) -> bool:
        """Whether the asker is the one to end this flight; the first is, and nobody after."""
        if not self.open.pop(flight, False):
            return False
        if flight.marked:
            # A start mark may be on its way: the end has to come after it.
            with self._marking:
                pass
        return True

    def keep(self, flight: Flight | Awaited) -> None:
        """Write the line of an ended flight."""
        call = flight.call
        if call.outcome == "error" and flight.key is not None:
            self.retries.failed(call, key_of(*flight.key))
        self.segments.write(call)

    def stand_back(self, flight: Flight) -> None:
        """A gateway of ours has recorded this call: one call, one row."""
        self.withdraw(flight)
        self._gateways.add(flight.way.host)

    def is_gateway(self, host: str) -> bool:
        """Whether a gateway of ours has answered there before."""
        return host in self._gateways

    def aside(self, flight: Flight, reason: str) -> None:
        """The reply shows that this was no call."""
        self.withdraw(flight)
        self.count(reason)

    def withdraw(self, flight: Flight) -> None:
        """Not ours to keep: a start mark that stands already would make it a lost call."""
        if self.claim(flight) and flight.marked:
            self.segments.write(Withdrawn(ts=time_ns() // 1000, call_id=flight.call.call_id))

    def learn_origin(self, flight: Flight, practice: bool) -> None:
        """The practice server says in each reply that it is one."""
        if practice:
            flight.call.origin = "practice"
            self._practice.add(flight.way.host)
        elif flight.call.origin == "practice":
            flight.call.origin = "live"
            self._practice.discard(flight.way.host)

    def learn(self, routes: Iterable[RouteSeen]) -> None:
        """Remember what a look-up taught, and tell the ledger once."""
        for route in routes:
            self.routes.learn(route)
            self.watch.chats.clear()
            told = (route.provider, route.provider_model, route.model)
            if told not in self._written_routes:
                self._written_routes.add(told)
                self.segments.write(route)

    # -- now and then ----------------------------------------------------------------------------

    def count(self, reason: str, times: int = 1) -> None:
        """One more exchange that did not become a call, or not wholly."""
        with self._counting:
            self._counts[reason] = self._counts.get(reason, 0) + times

    def beat(self) -> None:
        """About every 200 ms, and at the end: start marks and counts."""
        self.shield(self.polls.expire)
        self.shield(self.renew_key)
        self.shield(self.mark_open)
        self.shield(self.notice)
        if self.sending and self.segments.path:
            self.shield(self.sending)

    def renew_key(self) -> None:
        """Take a rotated key; a call that is being hashed keeps the one it began with."""
        key, folder = self.key, self.keys
        if key is not None:
            fresh = renewed(folder, key)
            if self.key is key and self.keys == folder:
                self.key = fresh

    def mark_open(self) -> None:
        before = perf_counter_ns() - MARK_AFTER_NS
        for flight in list(self.open):
            if flight.started < before and not flight.marked:
                self._mark(flight)

    def _mark(self, flight: Flight | Awaited) -> None:
        """Leave a start mark, unless the flight has ended meanwhile or a gateway keeps it."""
        if flight.way.host in self._gateways:
            return
        with self._marking:
            flight.marked = True
            if flight in self.open:
                self.segments.write(OpenCall(call=flight.call))

    def notice(self) -> None:
        with self._counting:
            failures = self.shield.failures - self._failures_told
            self._failures_told += failures
            if failures:
                self.count("recorder_error", failures)
            counts, self._counts = self._counts, {}
        if counts and not self.segments.write(Noticed(ts=time_ns() // 1000, counts=counts)):
            for reason, times in counts.items():
                self.count(reason, times)

    def finish(self) -> None:
        """The process ends: what is still under way is written as it stands."""
        for flight in list(self.open):
            self.shield(flight.over, GeneratorExit())
        self.beat()

    def stop(self) -> None:
        """Look at nothing any more, write what is under way, and close the segment."""
        self.watch = Blind(self.watch.settings)
        self.finish()
        self.segments.close()

    def restart(self) -> None:
        """In a fork's child: the parent ends its own flights."""
        self._begin()


def body_of(request: Any) -> bytes | None:
    """The request's bytes; None where they are streamed and can be read only once."""
    try:
        content: bytes = request.content
    except RuntimeError:
        # Both libraries' RequestNotRead.
        return None
    return content


def restart_after_fork(restart: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=restart)
