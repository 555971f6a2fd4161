"""One request through the gateway: read, checked, sent on, passed back, settled.

    who asks ─► read the body ─► checks in order ─► upstream ─► bytes back ─► line, then the end

The line of a call is in the spool, and its money is settled, before its client sees the end of the
reply.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from hf_ledger.ingest.doors.gateway.asking import Asking, Check, Cost, Outcome, Tap
from hf_ledger.ingest.doors.gateway.body import Body
from hf_ledger.ingest.doors.gateway.checks.idempotency import kept_name
from hf_ledger.ingest.doors.gateway.listening import LEAVING
from hf_ledger.ingest.doors.gateway.passage import Passage
from hf_ledger.ingest.doors.gateway.paths import passed_on
from hf_ledger.ingest.doors.gateway.recording import Recorder, Sent, labels_of
from hf_ledger.ingest.doors.gateway.refusal import REQUEST_ID_HEADER, Refused
from hf_ledger.ingest.doors.gateway.state import Key, State
from hf_ledger.ingest.doors.gateway.unread import Reply, Unread
from hf_ledger.ingest.doors.gateway.upstream import Upstream
from hf_ledger.ingest.doors.hook.flight import Flight, Trip
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.fingerprint import json_of

MOST_BYTES = 16 << 20
BODY_SECONDS = 60.0
#: Said twice, a request means one thing to us and another to the next server.
SINGLE = frozenset(
    {
        "authorization",
        "x-api-key",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "x-hf-ledger-data-class",
    }
)

REPEATED = "A header that may stand only once was sent twice."
NOT_ROUTABLE = (
    "The request was not sent: it may only go to a server of one's own, and those have OpenAI's "
    "paths, /v1/…"
)
NOT_JSON = "The body is not JSON, as its content-type says: {path} takes a JSON object."


class Who(Protocol):
    """Finds whose key it is; raises `Refused`."""

    def identify(self, raw: str | None, asking: Asking) -> Key: ...


@dataclass(frozen=True)
class Limits:
    """What the door itself holds requests to."""

    upstream: str
    body_bytes: int = MOST_BYTES
    body_seconds: float = BODY_SECONDS
    default_max_tokens: int = 4_096


@dataclass
class Door:
    """An ASGI application for every path of the gateway.

    `checks` are passed in their order; `refused` is told of each request that one stopped, and by
    which; `tap` is asked at each good reply. `upstream` is there while the event loop runs.
    """

    limits: Limits
    state: Callable[[], State]
    who: Who
    checks: Sequence[Check]
    recorder: Recorder
    cost_of: Cost
    bounds: Callable[[Asking], bool] = lambda _asking: False  # whether its worst case must be known
    refused: Callable[[Asking, Outcome, str], None] = lambda _asking, _outcome, _by: None
    tap: Callable[[Asking], Tap | None] = lambda _asking: None
    tokens: Mapping[str, str] = field(default_factory=dict)  # of servers of one's own, by URL
    upstream: Upstream | None = None
    unread: Unread = field(default_factory=Unread)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Visit(self, scope, receive, send).run()


class Visit:
    """One request and its reply."""

    def __init__(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        self.door = door
        self.scope = scope
        self.receive = receive
        self.send = send
        self.asking = begun(scope, door.state())
        self.trip: Trip | None = None
        self.passed: list[Check] = []
        self.at = ""  # the check that it stands before
        self.finished = False
        self._gone = False

    async def run(self) -> None:
        """Answer in any case; what was begun is ended in any case."""
        try:
            await self._ask()
        except Refused as refused:
            self._keep_refusal(refused)
            await self.answer(refused)
        except asyncio.CancelledError:
            if not self._gone:
                raise
        finally:
            self.over(GeneratorExit())
            self.finish(Outcome(status=499))

    async def _ask(self) -> None:
        door, asking = self.door, self.asking
        asking.path = passed_on(asking.method, self.scope.get("raw_path") or asking.path.encode())
        only_once(asking.headers, self.scope["headers"])
        asking.key = door.who.identify(taken_key(asking.headers), asking)
        asking.body = await self._body().read(asking.headers)
        asking.asked = asked_of(asking)
        asking.upstream = towards = door.limits.upstream
        self.record()
        for check in door.checks:
            self.at = check.name
            waiting = check.check(asking)
            if waiting is not None:
                await waiting
            asking.verdicts.setdefault(check.name, "ok")
            self.passed.append(check)
            if asking.upstream != towards:
                towards = asking.upstream
                self._reroute()
        await self._while_there()

    def _body(self) -> Body:
        limits, leaving = self.door.limits, self.scope.get(LEAVING)
        here = leaving is not None and leaving.whole
        return Body(self.receive, limits.body_bytes, limits.body_seconds, is_here=here)

    def record(self) -> None:
        """Begin the call's record, or begin it anew where a check sends it elsewhere."""
        asking, before, recorder = self.asking, self.trip, self.door.recorder
        assert asking.key is not None
        if before is not None:
            before.abandon()
        url = recorder.address(asking.upstream + asking.path)
        sent = Sent(asking.method, url, self.scope["headers"], asking.body)
        key = asking.key
        self.trip = recorder.begin(sent, labels_of(key, asking.headers), key.key_id)
        if isinstance(self.trip, Flight):
            call = self.trip.call
            call.call_id = asking.request_id
            if asking.call is not None:
                call.tags = asking.call.tags
            asking.call = call

    def _reroute(self) -> None:
        """A check sends it to a server of one's own: another record, and never our token."""
        asking = self.asking
        _, slash, rest = asking.path.partition("/v1/")
        if not slash:
            raise Refused(403, "not_routable", NOT_ROUTABLE)
        asking.path = slash + rest
        asking.token = self.door.tokens.get(asking.upstream, "")
        self.record()

    async def _while_there(self) -> None:
        """Send it on unless the client goes away first: then all that is under way is let go.

        What the client will ask for again is finished all the same, and held for it.
        """
        task, held, name = asyncio.current_task(), Reply(), kept_name(self.asking)
        assert task is not None
        if name is not None:
            self.send = held.beside(self.send)

        def left() -> None:
            if name is None:
                self._gone = True
                task.cancel()

        leaving = self.scope.get(LEAVING) or Asked(self.receive)
        leaving.watch(left)
        try:
            await Passage(self).run()
        finally:
            leaving.forget(left)
        if name is not None:
            self.door.unread.keep(name, held)

    # -- the end -----------------------------------------------------------------------------------

    def over(self, error: BaseException | None) -> None:
        """The reply has ended so: the call's line is written, once."""
        if self.trip is not None:
            self.trip.over(error)

    def finish(self, outcome: Outcome) -> Outcome:
        """Settle with every check that had let it pass, the last one first; once."""
        if self.finished:
            return outcome
        self.finished = True
        if outcome.call is None and isinstance(self.trip, Flight):
            outcome.call = self.trip.call
        if outcome.call is not None and outcome.refused is None:
            outcome.cost = self.door.cost_of(self.asking, outcome.call)
        for check in reversed(self.passed):
            check.finish(self.asking, outcome)
        return outcome

    def _keep_refusal(self, refused: Refused) -> None:
        trip = self.trip
        call = self.door.recorder.refuse(trip, refused) if isinstance(trip, Flight) else None
        outcome = Outcome(call, status=refused.status, refused=refused.code)
        self.finish(outcome)
        self.door.refused(self.asking, outcome, self.at)

    async def answer(self, refused: Refused) -> None:
        """An error of the gateway's own."""
        body = refused.body(self.asking.request_id)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            REQUEST_ID_HEADER: self.asking.request_id,
            **refused.headers,
        }
        await self.begin(refused.status, [(k.encode(), v.encode()) for k, v in headers.items()])
        await self.send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the head of a reply."""
        await self.send({"type": "http.response.start", "status": status, "headers": headers})


class Asked:
    """As `Leaving`, of a server that does not tell: all that comes after a body is a farewell."""

    def __init__(self, receive: Receive) -> None:
        self._next = asyncio.ensure_future(receive())

    def watch(self, left: Callable[[], None]) -> None:
        self._next.add_done_callback(lambda done: None if done.cancelled() else left())

    def forget(self, _left: Callable[[], None]) -> None:
        self._next.cancel()


def begun(scope: Scope, state: State) -> Asking:
    """What is known of a request before its body."""
    now = time.time_ns()
    client = scope.get("client")
    request_id = uuid7(now)
    return Asking(
        request_id=request_id,
        ts=now // 1000,
        method=scope["method"],
        path=scope["path"],
        address=client[0] if client else "",
        headers={
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        },
        body=b"",
        state=state,
        answer={REQUEST_ID_HEADER: request_id},
    )


def only_once(headers: dict[str, str], raw: list[tuple[bytes, bytes]]) -> None:
    """Refuse what two servers could read in two ways."""
    if len(headers) == len(raw):
        return
    seen: set[str] = set()
    for name, _ in raw:
        known = name.decode("latin-1")
        if known in SINGLE and known in seen:
            raise Refused(400, "repeated_header", REPEATED)
        seen.add(known)


def taken_key(headers: dict[str, str]) -> str | None:
    """The key that the client shows; from here on it stands in none of the headers."""
    anthropic, said = headers.pop("x-api-key", None), headers.pop("authorization", "")
    scheme, _, key = said.partition(" ")
    return (key.strip() or None) if scheme.lower() == "bearer" else anthropic


def asked_of(asking: Asking) -> Any:
    """The body's JSON; a chat without any is refused here, and not by a server that costs."""
    kind = asking.headers.get("content-type", "")
    asked = json_of(asking.body, kind)
    if asking.method == "POST" and asking.path.startswith("/v1/") and not isinstance(asked, dict):
        raise Refused(400, "not_json", NOT_JSON.format(path=asking.path))
    return asked
