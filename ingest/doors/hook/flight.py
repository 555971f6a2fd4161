"""One exchange on its way: from the request to whichever end its reply finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from hf_ledger.ingest.call import ErrorKind
from hf_ledger.ingest.doors.hook.decoding import Decode, decoder
from hf_ledger.ingest.wire.exchange import Asked, Ending
from hf_ledger.ingest.wire.headers import READ as REPLY_HEADERS
from hf_ledger.ingest.wire.headers import Names, wanted
from hf_ledger.ingest.wire.mapping import read_mapping
from hf_ledger.ingest.wire.reply import ReplyReader, fail

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.hook.hook import Hook
    from hf_ledger.ingest.doors.hook.labels import Labels
    from hf_ledger.ingest.doors.hook.polls import Awaited
    from hf_ledger.ingest.wire.request import Way

CALL_ID_HEADER = "x-hf-ledger-call-id"
PRACTICE_HEADER = "x-hf-ledger-practice"

#: A mapping look-up's reply is a few kB for a model, a few MB for a list of all.
LOOK_UP_CAP = 8 << 20

PIECES_AT_ONCE = 63
SHORT_PIECE, LONG_PIECE = 16, 4096
#: What a piece of a stream may not wait with: clients stop at the end marker and at an error.
URGENT = re.compile(rb'\[DONE\]|"error"').search

READ = Names(*REPLY_HEADERS.values(), CALL_ID_HEADER, PRACTICE_HEADER)

Take = Callable[[bytes], None]

Tee = Any  # the class that wraps a reply's stream, made for each client library

Sent = tuple[str | None, Hashable, bytes | None]  # operation, address, body

TIMEOUTS = frozenset({"TimeoutException", "TimeoutError", "Timeout"})
GIVEN_UP = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit"})
#: Nobody has seen the request: no gateway on the way either.
NOT_REACHED = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ClientConnectorError", "ConnectionError"}
)
CONNECTION = frozenset(
    {"TransportError", "ConnectionError", "ClientConnectionError", "StreamError"}
)


class Reply(Protocol):
    """What is read of a client's response."""

    status_code: int
    stream: Any

    @property
    def headers(self) -> Any: ...

    @property
    def is_closed(self) -> bool: ...

    @property
    def content(self) -> bytes: ...


class Trip:
    """What a tee reports to: bytes going by, and the end."""

    decode: Decode | None = None
    may_wait = False  # the body's next pieces may be put into `waiting`, unless they are urgent
    waiting: list[bytes]

    def sent(self) -> None:
        """The request is on its way: there is time until the reply."""

    def answered(self, response: Reply, tee: Tee) -> bool:
        """The head of the reply is here: watch its body, or read one that is here already."""
        headers = wanted(response.headers.raw, READ)
        if not self.wants(response.status_code, headers):
            return True
        if response.is_closed:
            self.feed(response.content)
            self.over(None)
            return True
        if "content-encoding" in headers:
            self.decode = decoder(headers["content-encoding"])
        response.stream = tee(response.stream, self)
        return True

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        raise NotImplementedError

    def feed(self, chunk: bytes) -> None:
        raise NotImplementedError

    def taker(self) -> Take:
        """What takes the body's pieces one by one."""
        return self.feed

    def over(self, error: BaseException | None) -> None:
        raise NotImplementedError

    def failed(self, error: BaseException | None) -> None:
        """No reply came."""

    def abandon(self) -> None:
        """The recorder itself failed: forget the exchange."""


class Flight(Trip):
    """A call between its request and its end; the end is claimed once, whoever comes first.

    Its request is read when it has been sent, or later by whoever needs the call first.
    """

    marked = False  # a start mark may have been written
    reader: ReplyReader | None = None
    body: bytes | None = None
    key: Sent | None = None  # what a second attempt would have in common with this one
    asker: str | None = None  # whose request it is, where this process sends those of many

    def __init__(self, hook: Hook, request: Any, way: Way, labels: Labels) -> None:
        self.hook = hook
        self.way = way
        self.labels = labels
        self.waiting: list[bytes] = []
        self._request = request
        self._call: Asked | None = None
        self.ts = time_ns()
        self.started = perf_counter_ns()

    @property
    def call(self) -> Asked:
        """The call so far."""
        return self._call or self._read_request()

    def _read_request(self) -> Asked:
        with self.hook.reading:
            if self._call is None:
                self._call = self.hook.read(self, self._request)
                self._request = None
            return self._call

    def sent(self) -> None:
        try:
            self._read_request()
        finally:
            if self._call is None:
                self.abandon()

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        hook = self.hook
        if self not in hook.open:
            # Its request could not be read.
            return False
        if CALL_ID_HEADER in headers:
            hook.stand_back(self)
            return False
        if 300 <= status < 400:
            hook.aside(self, "other")
            return False
        call = self.call
        if PRACTICE_HEADER in headers or call.origin == "practice":
            hook.learn_origin(self, PRACTICE_HEADER in headers)
        self.reader = ReplyReader(call, status, headers, self.started, perf_counter_ns)
        return True

    def taker(self) -> Take:
        """A body that is neither packed nor in events needs no look at its pieces."""
        reader = self.reader
        plain = reader is not None and self.decode is None and not reader.streams
        return reader.feed if reader is not None and plain else self.feed

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Once the first token is timed, pieces are read some at a time.

        The end marker and an error don't wait, nor does a short piece, which may be the marker's
        second half. Tees that see many pieces ask this themselves: it saves them the call.
        """
        reader, waiting = self.reader, self.waiting
        if reader is None:
            return
        if (
            self.may_wait
            and SHORT_PIECE < len(chunk) < LONG_PIECE
            and len(waiting) < PIECES_AT_ONCE
            and not URGENT(chunk)
        ):
            waiting.append(chunk)
            return
        if self.decode is not None:
            chunk = self.decode(chunk)
        if waiting:
            chunk = b"".join((*waiting, chunk))
            waiting.clear()
        reader.feed(chunk)
        if not self.may_wait and self.decode is None:
            self.may_wait = reader.call.ttft_ms is not None
        if reader.ended:
            # Some clients stop at the end marker and leave the stream open for ever.
            self.over(None)

    def over(self, error: BaseException | None) -> None:
        """The reply ended: None means completely."""
        hook = self.hook
        if not hook.claim(self):
            return
        reader, self.reader = self.reader, None
        if reader is None:
            # Given up before any reply, at the end of the process.
            fail(self.call, "other", self.started, perf_counter_ns, cancelled=True)
        else:
            if self.waiting:
                reader.feed(b"".join(self.waiting))
            reader.finish(ending_of(error))
            reader.estimate(self.body)
            if error is not None and reader.call.outcome == "interrupted":
                self._note_timeout(error)
            if reader.promised is not None:
                hook.polls.hold(self, reader.promised)
                return
        self.keep(self)

    def _note_timeout(self, error: BaseException) -> None:
        if is_named(error, TIMEOUTS):
            self.call.error_kind = "timeout"

    def failed(self, error: BaseException | None) -> None:
        if self.hook.is_gateway(self.way.host) and not is_named(error, NOT_REACHED):
            # It has the request, and with it the call, though we heard nothing of its reply.
            self.hook.withdraw(self)
        if not self.hook.claim(self):
            return
        given_up = ending_of(error) in ("cancelled", "closed")
        fail(self.call, kind_of(error), self.started, perf_counter_ns, cancelled=given_up)
        self.keep(self)

    def end(self) -> None:
        """Write the call as it stands, unless somebody was first."""
        if self.hook.claim(self):
            self.keep(self)

    def keep(self, ended: Flight | Awaited) -> None:
        """Write the call, as it stands at the end of this flight or of the job that it began."""
        self.hook.keep(ended)

    def abandon(self) -> None:
        self.hook.withdraw(self)


class LookUp(Trip):
    """A mapping look-up: no call, but its reply tells who serves a model under which name."""

    def __init__(self, hook: Hook, url: str) -> None:
        self.hook = hook
        self.url = url
        self.kept: list[bytes] = []
        self.size = 0

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        return status == 200

    def feed(self, chunk: bytes) -> None:
        if self.decode is not None:
            chunk = self.decode(chunk)
        self.size += len(chunk)
        if self.size <= LOOK_UP_CAP:
            self.kept.append(chunk)

    def over(self, error: BaseException | None) -> None:
        kept, self.kept = self.kept, []
        if error is None and kept and self.size <= LOOK_UP_CAP:
            self.hook.learn(read_mapping(self.url, b"".join(kept), time_ns() // 1000))


def ending_of(error: BaseException | None) -> Ending:
    """How a reply ended, by what was raised while it was read."""
    if error is None:
        return "complete"
    if isinstance(error, GeneratorExit):
        return "closed"
    return "cancelled" if is_given_up(error) else "error"


def is_given_up(error: BaseException | None) -> bool:
    """Whether the caller took the work back. By name: asyncio is slow to load, trio differs."""
    return is_named(error, GIVEN_UP)


def is_named(error: BaseException | None, names: frozenset[str]) -> bool:
    """Whether the error is of such a class: by name, since two libraries have the same classes."""
    if error is None:
        return False
    return any(each.__name__ in names for each in type(error).__mro__)


def kind_of(error: BaseException | None) -> ErrorKind:
    if is_named(error, TIMEOUTS):
        return "timeout"
    return "connection" if is_named(error, CONNECTION) else "other"
