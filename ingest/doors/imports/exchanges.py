"""Recorded exchanges become calls by the same readers as live ones."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hf_ledger.ingest.call import Call, Line
from hf_ledger.ingest.doors.imports.counting import ModelCount, by_ratio
from hf_ledger.ingest.doors.imports.explain import explain, explain_estimates
from hf_ledger.ingest.doors.imports.recordings import GIVE_UP_AFTER, Exchange, Rejected
from hf_ledger.ingest.fingerprint import HashKey, fingerprint
from hf_ledger.ingest.wire.exchange import Aside, WireSettings
from hf_ledger.ingest.wire.jobs import Job, Polled, ids_in, read_poll
from hf_ledger.ingest.wire.mapping import Routes
from hf_ledger.ingest.wire.reply import ReplyReader, fail
from hf_ledger.ingest.wire.request import read_request

#: The kind of source inside call ids: another kind of import may use the same external ids.
SOURCE = "exchanges"


@dataclass
class Imported:
    """What one file brought: calls with their span (µs UTC), the rest by reason, bad lines."""

    calls: int = 0
    first: int | None = None
    last: int | None = None
    routes: int = 0
    asides: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    given_up: bool = False  # the file is of another kind
    noun: str = "exchanges"

    @property
    def exchanges(self) -> int:
        """Lines that were an exchange, call or not."""
        return self.calls + self.asides.total()


def call_id_of(source: str, external_id: str) -> str:
    """UUIDv8 of (source, external id): the same exchange has the same id in every import."""
    digest = hashlib.sha256(f"hf-ledger import\0{source}\0{external_id}".encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    number &= ~(0xF << 76) & ~(0x3 << 62)
    return str(uuid.UUID(int=number | (0x8 << 76) | (0x2 << 62)))


class Importer:
    """Reads files one after the other; what look-ups taught in one counts in the next.

    `write` takes each line for the spool, `explained` one object an exchange, call or not; `count`
    says how many tokens texts have for a model, where the exchange doesn't say.
    """

    def __init__(
        self,
        write: Callable[[Line], object],
        settings: WireSettings,
        key: HashKey | None = None,
        explained: Callable[[dict[str, Any]], object] | None = None,
        count: ModelCount = by_ratio,
    ) -> None:
        self._write = write
        self._settings = settings
        self._key = key
        self._explained = explained
        self._count = count
        self._routes = Routes()
        self._occurrences: Counter[str] = Counter()
        self._waiting: dict[str, tuple[Call, Job]] = {}

    def read(self, lines: Iterable[Exchange | Rejected]) -> Imported:
        """Import one file's lines; stops early where the file is clearly of another kind."""
        done = Imported()
        for line in lines:
            if isinstance(line, Exchange):
                self._take(line, done)
                continue
            done.rejected.append(line)
            if not done.exchanges and len(done.rejected) >= GIVE_UP_AFTER:
                done.given_up = True
                break
        self._write_waiting()
        return done

    def _take(self, exchange: Exchange, done: Imported) -> None:
        said, reader = read_exchange(exchange, self._settings, self._routes)
        stated = explain(said)
        if reader is not None:
            sent = exchange.request_body if exchange.whole else None
            reader.estimate(sent, partial(self._count, reader.call.requested_model))
        if self._explained is not None:
            self._explained({"id": exchange.id, **stated, **explain_estimates(said, stated)})
        if not isinstance(said, Call):
            self._keep_aside(said, exchange, done)
        elif exchange.ts is None:
            done.rejected.append(Rejected(exchange.line, "no recorded_at and no committed_at"))
        else:
            self._keep_call(said, exchange, exchange.ts, done)
            self._write_or_wait(said, reader.promised if reader else None)

    def _keep_call(self, call: Call, exchange: Exchange, ts: int, done: Imported) -> None:
        call.external_id = exchange.id or self._position_id(exchange)
        call.call_id = call_id_of(SOURCE, call.external_id)
        call.ts = ts
        if exchange.whole:
            content_type = exchange.request_headers.get("content-type", "")
            fingerprint(call, exchange.request_body, content_type, self._key)
        done.calls += 1
        done.first = ts if done.first is None else min(done.first, ts)
        done.last = ts if done.last is None else max(done.last, ts)

    def _write_or_wait(self, call: Call, job: Job | None) -> None:
        """A promise waits for the poll that ends it; a file that holds none leaves it as it is."""
        if job is None:
            self._write(call)
            return
        before = self._waiting.pop(job.id, None)
        if before is not None:
            self._write(before[0])
        self._waiting[job.id] = (call, job)

    def _read_poll(self, exchange: Exchange) -> None:
        """The poll's end is the call's: the time in between belongs to it."""
        waiting = next(filter(None, map(self._waiting.get, ids_in(exchange.url))), None)
        if waiting is None or exchange.status is None:
            return
        call, job = waiting
        if exchange.ts is not None and exchange.latency_ms is not None:
            call.latency_ms = (exchange.ts - call.ts) / 1000 + exchange.latency_ms
        headers, body = exchange.response_headers, exchange.response_body
        if read_poll(call, job, Polled(exchange.url, exchange.status, headers, body)):
            self._write(self._waiting.pop(job.id)[0])

    def _write_waiting(self) -> None:
        for call, _ in self._waiting.values():
            self._write(call)
        self._waiting.clear()

    def _position_id(self, exchange: Exchange) -> str:
        """An exchange without an id is known by where and when, and by how often that came before.

        Not by its content: a plain hash of a prompt could be guessed back.
        """
        headers = exchange.response_headers
        parts = (exchange.method, exchange.url, exchange.ts, headers.get("x-request-id"))
        digest = hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]
        self._occurrences[digest] += 1
        return f"{digest}-{self._occurrences[digest]}"

    def _keep_aside(self, said: Aside | None, exchange: Exchange, done: Imported) -> None:
        reason = said.reason if said else "unknown_host"
        done.asides[reason] += 1
        if reason == "poll":
            self._read_poll(exchange)
        if reason != "mapping" or exchange.status != 200:
            return
        for route in self._routes.read(exchange.url, exchange.response_body, exchange.ts or 0):
            if exchange.ts is not None:
                self._write(route)
                done.routes += 1


def read_exchange(
    exchange: Exchange, settings: WireSettings, routes: Routes
) -> tuple[Call | Aside | None, ReplyReader | None]:
    """The finished call, or why there is none, and what has read its reply.

    Its duration is the recording's, if it has one.
    """
    said = read_request(
        exchange.method,
        exchange.url,
        exchange.request_headers,
        exchange.request_body,
        settings,
        routes=routes,
    )
    if not isinstance(said, Call):
        return said, None
    reader = None
    said.source, said.origin = "import", "import"
    if exchange.status is None:
        fail(said, "connection", 0, _no_clock)
    else:
        reader = ReplyReader(said, exchange.status, exchange.response_headers, 0, _no_clock)
        reader.feed(exchange.response_body)
        reader.finish("complete")
    said.latency_ms, said.ttft_ms = exchange.latency_ms, None
    return said, reader


def _no_clock() -> int:
    return 0
