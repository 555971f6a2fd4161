"""Calls whose reply was a promise: kept open until a poll brings the result."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from hf_ledger.ingest.doors.hook.flight import Trip
from hf_ledger.ingest.wire import jobs

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.hook.flight import Flight
    from hf_ledger.ingest.doors.hook.hook import Hook

#: Nobody asks any more: some clients give up after a minute, the longest videos take ten.
PATIENCE_NS = 900 * 1_000_000_000
MOST = 1024
RESULT_CAP = 8 << 20


class Awaited:
    """A call between its promise and its result; it stands among the open calls meanwhile."""

    def __init__(self, hook: Hook, flight: Flight, job: jobs.Job) -> None:
        self.hook = hook
        self.job = job
        self.flight = flight
        self.call = flight.call
        self.key = flight.key
        self.way = flight.way
        self.marked = flight.marked
        self.started = flight.started
        self.heard = perf_counter_ns()

    def polled(self, poll: jobs.Polled) -> None:
        """A poll was answered: the time up to here is the call's, whatever the answer."""
        self.heard = perf_counter_ns()
        self.call.latency_ms = (self.heard - self.started) / 1e6
        if jobs.read_poll(self.call, self.job, poll):
            self._end()

    def over(self, error: BaseException | None) -> None:
        """Given up: the process ends, or nobody asks any more."""
        jobs.give_up(self.call, self.job)
        self._end()

    def _end(self) -> None:
        if self.hook.claim(self):
            self.hook.polls.forget(self)
            self.flight.keep(self)


class Polls:
    """Which calls wait for a result, by the id of their job."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._waiting: dict[str, Awaited] = {}

    def hold(self, flight: Flight, job: jobs.Job) -> None:
        """Keep the call open; of too many the oldest is written as it stands."""
        awaited = Awaited(self._hook, flight, job)
        self._hook.open[awaited] = True
        self._waiting[job.id] = awaited
        if len(self._waiting) > MOST:
            next(iter(self._waiting.values())).over(None)

    def follow(self, url: str) -> Poll | None:
        """Watch a poll, where it asks for a call that waits."""
        if not self._waiting:
            return None
        found = (self._waiting.get(each) for each in jobs.ids_in(url))
        awaited = next(filter(None, found), None)
        return Poll(awaited, url) if awaited else None

    def forget(self, awaited: Awaited) -> None:
        self._waiting.pop(awaited.job.id, None)

    def expire(self) -> None:
        """Write the calls that nobody has asked for in a long time."""
        before = perf_counter_ns() - PATIENCE_NS
        for awaited in list(self._waiting.values()):
            if awaited.heard < before:
                awaited.over(None)


class Poll(Trip):
    """A request for the result of earlier work: no call of its own."""

    def __init__(self, awaited: Awaited, url: str) -> None:
        self.awaited = awaited
        self.url = url
        self.status = 0
        self.headers: dict[str, str] = {}
        self.kept: list[bytes] = []
        self.size = 0

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        self.status, self.headers = status, headers
        return True

    def feed(self, chunk: bytes) -> None:
        if self.decode is not None:
            chunk = self.decode(chunk)
        self.size += len(chunk)
        if self.size <= RESULT_CAP:
            self.kept.append(chunk)

    def over(self, error: BaseException | None) -> None:
        kept, self.kept = self.kept, []
        if error is None:
            said = jobs.Polled(self.url, self.status, self.headers, b"".join(kept))
            self.awaited.polled(said)
