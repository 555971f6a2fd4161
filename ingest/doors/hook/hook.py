"""The recorder of one process: what it watches, what is under way, what it has to say."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns, time_ns
from typing import Any

from hf_ledger.ingest.call import Noticed, OpenCall, RouteSeen
from hf_ledger.ingest.doors.hook.flight import Flight, LookUp, Trip
from hf_ledger.ingest.doors.hook.hosts import Blind, Watch
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.doors.hook.labels import NONE, Labels, current
from hf_ledger.ingest.doors.hook.retries import Retries
from hf_ledger.ingest.doors.hook.shield import Shield
from hf_ledger.ingest.fingerprint import HashKey, describe, json_of
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings
from hf_ledger.ingest.wire.headers import names, wanted
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.request import Way, read_call

#: A call that runs longer leaves a start mark, so that a killed process doesn't hide it.
MARK_AFTER_NS = 1_000_000_000


#: All that readers want of a request's headers; the token is not among them.
READ = names("accept", "content-type", "x-hf-bill-to", "x-hf-session-id", "x-amzn-trace-id")


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
        self._gateways: set[bytes] = set()
        self._practice: set[bytes] = set()
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
        self.watch = Watch(replace(known, extra_hosts={**known.extra_hosts, **hosts}))

    def move(self, segments: Segments, keys: Path) -> None:
        """Write elsewhere from now on."""
        old, self.segments, self.keys, self.key = self.segments, segments, keys, None
        self._beats = False
        old.close()

    def _begin(self) -> None:
        """The state that a forked child doesn't share with its parent."""
        self.open: dict[str, Flight] = {}
        self.retries = Retries()
        self._counts: dict[str, int] = {}
        self._failures_told = self.shield.failures
        self._counting = threading.RLock()
        self._marking = threading.RLock()

    # -- a request leaves ------------------------------------------------------------------------

    def begin(self, request: Any) -> Trip | None:
        """The trip to follow, or None for a request that is none of ours."""
        url = request.url
        if not self.watch.sees(url):
            return None
        if not self._beats:
            # Not before: a thread that waits for nothing disturbs programs that fork.
            self._beats = True
            self.segments.every_beat(self.beat)
        address = str(url)
        way = self.watch.way(request.method, address)
        if isinstance(way, Way):
            return self._depart(request, way, address)
        if way is None:
            return None
        self.count(way.reason)
        return LookUp(self, address) if way.reason == "mapping" else None

    def _depart(self, request: Any, way: Way, address: str) -> Flight:
        headers, body = wanted(request.headers.raw, READ), body_of(request)
        content_type = headers.get("content-type", "")
        asked = json_of(body, content_type)
        call = read_call(way, headers, body, self.watch.settings, asked=asked, routes=self.routes)
        now = time_ns()
        call.call_id, call.ts = uuid7(now), now // 1000
        labels = current.get()
        (self.labels if labels is NONE else labels.over(self.labels)).write_on(call)
        netloc = request.url.netloc
        if netloc in self._practice:
            call.origin = "practice"
        describe(call, body, asked, self.key or self._load_key())
        sent = (call.operation_id, address, body)
        if self.retries:
            self.retries.number(call, hash(sent))
        flight = Flight(self, call, sent, netloc)
        self.open[call.call_id] = flight
        return flight

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

    def claim(self, flight: Flight) -> bool:
        """Whether the asker is the one to end this flight; the first is, and nobody after."""
        if self.open.pop(flight.call.call_id, None) is None:
            return False
        if flight.marked:
            # A start mark may be on its way: the end has to come after it.
            with self._marking:
                pass
        return True

    def keep(self, flight: Flight) -> None:
        """Write the line of an ended flight."""
        call = flight.call
        if call.outcome == "error":
            self.retries.failed(call, hash(flight.sent))
        self.segments.write(call)

    def stand_back(self, flight: Flight) -> None:
        """A gateway of ours has recorded this call: one call, one row."""
        self.claim(flight)
        self._gateways.add(flight.netloc)

    def aside(self, flight: Flight, reason: str) -> None:
        """The reply shows that this was no call."""
        self.claim(flight)
        self.count(reason)

    def learn_origin(self, flight: Flight, practice: bool) -> None:
        """The practice server says in each reply that it is one."""
        if practice:
            flight.call.origin = "practice"
            self._practice.add(flight.netloc)
        elif flight.call.origin == "practice":
            flight.call.origin = "live"
            self._practice.discard(flight.netloc)

    def learn(self, routes: Iterable[RouteSeen]) -> None:
        """Remember what a look-up taught, and tell the ledger once."""
        for route in routes:
            self.routes.learn(route)
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
        self.shield(self.mark_open)
        self.shield(self.notice)
        if self.sending and self.segments.path:
            self.shield(self.sending)

    def mark_open(self) -> None:
        before = perf_counter_ns() - MARK_AFTER_NS
        for flight in list(self.open.values()):
            if flight.started < before and not flight.marked:
                self._mark(flight)

    def _mark(self, flight: Flight) -> None:
        """Leave a start mark, unless the flight has ended meanwhile or a gateway keeps it."""
        if flight.netloc in self._gateways:
            return
        with self._marking:
            flight.marked = True
            if flight.call.call_id in self.open:
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
        for flight in list(self.open.values()):
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
