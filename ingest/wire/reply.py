"""The reply half: bytes go by, and at the end the call is complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hf_ledger.ingest.call import Call, ErrorKind, Outcome
from hf_ledger.ingest.wire import bodies, errors, estimate, jobs, media
from hf_ledger.ingest.wire.events import Events
from hf_ledger.ingest.wire.exchange import Asked, Ending
from hf_ledger.ingest.wire.headers import set_header_facts
from hf_ledger.ingest.wire.tasks import task_of_file
from hf_ledger.ingest.wire.usage import set_header_tokens

#: JSON replies up to this size are read whole; of longer ones the head and the end.
BODY_CAP = 4 << 20
_HEAD = _TAIL = 64 << 10

_OUTCOME_OF_BREAK: dict[Ending, Outcome] = {
    "closed": "interrupted",
    "error": "interrupted",
    "complete": "interrupted",  # a stream that ended before it said so
    "cancelled": "cancelled",
}
_LEFT = frozenset({"closed", "cancelled"})


class ReplyReader:
    """Completes `call` from a reply that passes by; feed its decoded bytes, then finish once.

    `headers` have lower-case names; `clock` gives nanoseconds on the same scale as `started_ns`.
    Nothing here raises on any bytes; memory is bounded whatever the reply's size.
    """

    _events: Events | None = None
    _kept_size = _size = 0
    _error_inside = False
    promised: jobs.Job | None = None  # the reply is no result yet: ask for it later

    def __init__(
        self,
        call: Call,
        status: int,
        headers: Mapping[str, str],
        started_ns: int,
        clock: Callable[[], int],
    ) -> None:
        self.call = call
        self._headers = headers
        self._started = started_ns
        self._clock = clock
        self._kept: list[bytes] = []
        call.status = status or None
        content_type = headers.get("content-type", "").lower()
        self._type = content_type
        self._binary = media.kind_of_type(content_type)
        if _is_stream(call, status, content_type):
            self._events = Events()
            call.stream = True

    @property
    def streams(self) -> bool:
        """Whether the reply comes in events."""
        return self._events is not None

    @property
    def ended(self) -> bool:
        """Whether the stream's end marker or an error has been seen: all is said, leave or stay."""
        events = self._events
        return events is not None and (events.ended or bool(events.error))

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        events = self._events
        if events is None:
            self._keep(chunk)
            return
        waiting = not events.content
        events.feed(chunk)
        if waiting and events.content:
            self.call.ttft_ms = (self._clock() - self._started) / 1e6

    def finish(self, ending: Ending) -> None:
        """Complete the call: the reply came to its end in this way."""
        call, headers = self.call, self._headers
        call.latency_ms = (self._clock() - self._started) / 1e6
        set_header_facts(call, headers)
        if self._events is not None:
            self._events.close()
            bodies.read_stream(call, self._events)
        else:
            self._read_body()
        if call.tokens_source != "usage":
            set_header_tokens(call, headers)
        self._set_outcome(ending)
        if call.tokens_source == "none" and call.outcome == "ok" and self._kept:
            form = getattr(call, "form", None)
            self.promised = jobs.promised(call, b"".join(self._kept), form)
        _forget_form(call)

    def estimate(self, sent: bytes | None, count: estimate.Count = estimate.tokens_of) -> None:
        """Estimate the tokens that the finished call should have and nobody stated.

        `sent` is the request's body, None where it was not kept whole; `count` is asked only then.
        """
        call = self.call
        if self.promised is not None or not estimate.lacks(call):
            return
        if self._events is not None:
            written = estimate.streamed_tokens(self._events.pieces, self._events.size, count)
        elif call.outcome == "ok":
            written = estimate.written_tokens(b"".join(self._kept), count)
        else:
            return
        estimate.fill(call, sent, written, count)

    def failed(self, kind: ErrorKind, cancelled: bool = False) -> None:
        """Complete the call: no reply came at all."""
        fail(self.call, kind, self._started, self._clock, cancelled)

    def _keep(self, chunk: bytes) -> None:
        size = len(chunk)
        self._size += size
        if self._binary and (self.call.status or 0) < 400:
            return
        self._kept.append(chunk)
        self._kept_size += size
        if self._kept_size > BODY_CAP:
            whole = b"".join(self._kept)
            self._kept = [whole[:_HEAD], whole[-_TAIL:]]
            self._kept_size = _HEAD + _TAIL

    def _read_body(self) -> None:
        call = self.call
        if self._binary is not None:
            self._read_file(self._binary)
            return
        kept = self._kept
        body = kept[0] if len(kept) == 1 else b"".join(kept)
        self._kept = [body]
        if (call.status or 0) < 400:
            said = bodies.read_body(call, body, whole=self._size == len(body))
            # No model answers with a web page: a proxy or a log-in did.
            self._error_inside = said or self._type.startswith("text/html")

    def _read_file(self, kind: str) -> None:
        call = self.call
        if call.task is None or getattr(call, "task_from", None) != "path":
            call.task = task_of_file(kind, getattr(call, "form", None)) or call.task
        if kind == "image" and (call.status or 0) < 400 and self._size:
            call.images = 1

    def _set_outcome(self, ending: Ending) -> None:
        call, events = self.call, self._events
        status = call.status or 0
        error = events.error if events is not None else b""
        if status >= 300 or status < 200:
            self._set_error(errors.error_kind(status, error or b"".join(self._kept)))
        elif error or self._error_inside:
            self._set_error(errors.kind_of_body(error or b"".join(self._kept)) or "other")
        elif (ending != "complete" or events is not None) and not self._said_all():
            call.outcome = _OUTCOME_OF_BREAK[ending]
            call.error_kind = None if ending in _LEFT else "connection"

    def _said_all(self) -> bool:
        """A stream says when it is done; some providers state a finish reason and no `[DONE]`."""
        events = self._events
        if events is None:
            return False
        return events.ended or events.finished

    def _set_error(self, kind: ErrorKind) -> None:
        self.call.outcome, self.call.error_kind = "error", kind


def _is_stream(call: Call, status: int, content_type: str) -> bool:
    """Events by their type, or, where a stream was asked for, by the lack of any other type."""
    if content_type.startswith("text/event-stream"):
        return True
    return call.stream and status < 400 and content_type.partition(";")[0] in ("", "text/plain")


def fail(
    call: Call,
    kind: ErrorKind,
    started_ns: int,
    clock: Callable[[], int],
    cancelled: bool = False,
) -> None:
    """Complete a call that got no reply: the connection failed, timed out, or was given up."""
    call.latency_ms = (clock() - started_ns) / 1e6
    call.outcome = "cancelled" if cancelled else "error"
    call.error_kind = None if cancelled else kind
    _forget_form(call)


def _forget_form(call: Call) -> None:
    if isinstance(call, Asked):
        call.form = call.task_from = None
