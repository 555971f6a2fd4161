"""One exchange on its way: from the request to whichever end its reply finds."""

from __future__ import annotations

from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.doors.hook.decoding import Decode, decoder
from hf_ledger.ingest.wire.exchange import Ending
from hf_ledger.ingest.wire.headers import READ as REPLY_HEADERS
from hf_ledger.ingest.wire.headers import names, wanted
from hf_ledger.ingest.wire.mapping import read_mapping
from hf_ledger.ingest.wire.reply import ReplyReader, fail

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.hook.hook import Hook

CALL_ID_HEADER = "x-hf-ledger-call-id"
PRACTICE_HEADER = "x-hf-ledger-practice"

#: A mapping look-up's reply is a few kB for a model, a few MB for a list of all.
LOOK_UP_CAP = 8 << 20

PIECES_AT_ONCE = 15
SHORT_PIECE, LONG_PIECE = 16, 4096

READ = {**REPLY_HEADERS, **names(CALL_ID_HEADER, PRACTICE_HEADER)}

Tee = Any  # the class that wraps a reply's stream, made for each client library

Sent = tuple[str | None, str, bytes | None]  # operation, address, body

TIMEOUTS = frozenset({"TimeoutException", "TimeoutError", "Timeout"})
GIVEN_UP = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit"})
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

    def answered(self, response: Reply, tee: Tee) -> bool:
        """The head of the reply is here: watch its body, or read one that is here already."""
        headers = wanted(response.headers.raw, READ)
        if not self.wants(response.status_code, headers):
            return True
        if response.is_closed:
            self.feed(response.content)
            self.over(None)
            return True
        self.decode = decoder(headers.get("content-encoding"))
        response.stream = tee(response.stream, self)
        return True

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        raise NotImplementedError

    def feed(self, chunk: bytes) -> None:
        raise NotImplementedError

    def over(self, error: BaseException | None) -> None:
        raise NotImplementedError

    def failed(self, error: BaseException | None) -> None:
        """No reply came."""

    def abandon(self) -> None:
        """The recorder itself failed: forget the exchange."""


class Flight(Trip):
    """A call between its request and its end; the end is claimed once, whoever comes first."""

    def __init__(self, hook: Hook, call: Call, sent: Sent, netloc: bytes) -> None:
        self.hook = hook
        self.call = call
        self.sent = sent
        self.netloc = netloc
        self.marked = False  # a start mark may have been written
        self.timed = False  # the first token has come
        self.waiting: list[bytes] = []
        self.reader: ReplyReader | None = None
        self.started = perf_counter_ns()

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        if CALL_ID_HEADER in headers:
            self.hook.stand_back(self)
            return False
        if 300 <= status < 400:
            self.hook.aside(self, "other")
            return False
        self.hook.learn_origin(self, PRACTICE_HEADER in headers)
        self.reader = ReplyReader(self.call, status, headers, self.started, perf_counter_ns)
        return True

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Once the first token is timed, pieces are read some at a time.

        Clients stop at the end marker and at an error: these don't wait, nor does a short piece,
        which may be the marker's second half.
        """
        if self.decode is not None:
            chunk = self.decode(chunk)
        waiting = self.waiting
        if (
            self.timed
            and SHORT_PIECE < len(chunk) < LONG_PIECE
            and len(waiting) < PIECES_AT_ONCE
            and b"[DONE]" not in chunk
            and b'"error"' not in chunk
        ):
            waiting.append(chunk)
        else:
            self._read(chunk)

    def _read(self, chunk: bytes) -> None:
        reader = self.reader
        if reader is None:
            return
        if self.waiting:
            chunk = b"".join((*self.waiting, chunk))
            self.waiting = []
        reader.feed(chunk)
        self.timed = self.call.ttft_ms is not None
        if reader.ended:
            # Some clients stop at the end marker and leave the stream open for ever.
            self.over(None)

    def over(self, error: BaseException | None) -> None:
        """The reply ended: None means completely."""
        if not self.hook.claim(self):
            return
        reader, self.reader = self.reader, None
        if reader is None:
            # Given up before any reply, at the end of the process.
            fail(self.call, "other", self.started, perf_counter_ns, cancelled=True)
        else:
            if self.waiting:
                reader.feed(b"".join(self.waiting))
            reader.finish(ending_of(error))
            if self.call.outcome == "interrupted" and is_named(error, TIMEOUTS):
                self.call.error_kind = "timeout"
        self.hook.keep(self)

    def failed(self, error: BaseException | None) -> None:
        if not self.hook.claim(self):
            return
        given_up = ending_of(error) in ("cancelled", "closed")
        fail(self.call, kind_of(error), self.started, perf_counter_ns, cancelled=given_up)
        self.hook.keep(self)

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
