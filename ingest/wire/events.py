"""Server-sent events as they arrive: searched as bytes, decoded only where something is said.

Chunks may split anywhere. After the first content has been seen, a chunk costs a handful of byte
searches; usage, details and errors are kept as bytes and decoded once, at the end.
"""

from __future__ import annotations

import re

import msgspec

from hf_ledger.ingest.wire import raw
from hf_ledger.ingest.wire.errors import is_error
from hf_ledger.ingest.wire.raw import NOTHING, Raw

#: A line longer than this (a picture inside an event) keeps its head and its end only.
LONGEST_LINE = 1 << 20

#: All that is looked for in a chunk, in one search (the look ahead halves its time): a member with
#: a string, list or object as its value (many servers write `"usage":null` into each event), or the
#: type of a last event or of an error. Inside a text the closing quote would be escaped.
_SAYS = re.compile(
    rb'"(?=[uegfsmr])(?:'
    rb'(usage|error|generated_text|finish_reason|stop_reason|stopping_word)"[ \t]*:[ \t]*[{"\[]'
    rb'|(?:message_stop|message-end|response\.(?:completed|incomplete|failed)|error)"'
    rb"[ \t]*[,}\r\n])"
)
#: Beyond this a stream without usage is not counted to its end.
MOST_COUNTED = 4 << 20
_DONE = b"[DONE]"
_TERMINAL_TYPES = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "message_stop",
        "message-end",
    }
)
#: Pieces of a stream that may hold its error; more would only repeat it.
_MOST_ERRORS = 4


class Event(msgspec.Struct, gc=False):
    """The fields of any event that say something about the call."""

    id: Raw = NOTHING
    model: Raw = NOTHING
    type: Raw = NOTHING
    object: Raw = NOTHING
    choices: Raw = NOTHING
    delta: Raw = NOTHING
    token: Raw = NOTHING
    text: Raw = NOTHING
    content: Raw = NOTHING
    generated_text: Raw = NOTHING
    details: Raw = NOTHING
    error: Raw = NOTHING
    usage: Raw = NOTHING
    response: Raw = NOTHING
    message: Raw = NOTHING
    x_groq: Raw = NOTHING
    tokens_evaluated: Raw = NOTHING
    tokens_predicted: Raw = NOTHING
    stopping_word: Raw = NOTHING


EVENT = msgspec.json.Decoder(Event)


class Events:
    """What a stream has said so far; `feed` its bytes in any pieces.

    Pieces in which something was stated are kept as they came and split into events at the end.
    """

    def __init__(self) -> None:
        self.ended = False  # the terminal marker has come
        self.finished = False  # a finish reason was stated
        self.content = False  # the first generated piece has come
        self.first: bytes = b""  # first event: id and model stand in it
        self.generated: bytes = b""  # TGI's or llama.cpp's last event: its counts
        self.pieces: list[bytes] = []  # as they came, to be counted where no usage is stated
        self._size = 0
        self._named = False  # an event has been called an error
        self._usages: list[bytes] = []  # first and last piece that states usage
        self._errors: list[bytes] = []
        self._parts: list[bytes] = []  # an incomplete line
        self._held = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; complete lines are read, the rest waits."""
        cut = chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r") + 1
        if not cut:
            self._hold(chunk)
            return
        lines = chunk if cut == len(chunk) else chunk[:cut]
        if self._parts:
            lines = b"".join((*self._parts, lines))
            self._parts, self._held = [], 0
        if cut != len(chunk):
            self._hold(chunk[cut:])
        self._read(lines)

    def close(self) -> None:
        """The stream is over: a last line needs no line end."""
        if self._parts:
            lines, self._parts, self._held = b"".join(self._parts), [], 0
            self._read(lines)
        if not self._errors and not self.finished:
            # Among other events in one piece: looked for once, and only where no answer ended.
            self._seek_error_name(b"".join(self.pieces[-2:]))

    @property
    def usages(self) -> list[Event]:
        """The first and the last event that state usage: Anthropic splits it, others repeat it."""
        stating = [event for piece in self._usages for event in _stating_usage(piece)]
        return stating[:1] + stating[1:][-1:]

    @property
    def error(self) -> bytes:
        """The first event that is an error, empty if none is."""
        return _error_in(b"".join(self._errors)) if self._errors else b""

    def _hold(self, part: bytes) -> None:
        """Keep an incomplete line, but not without bound: its middle says nothing we read."""
        self._parts.append(part)
        self._held += len(part)
        if self._held > LONGEST_LINE:
            whole = b"".join(self._parts)
            self._parts = [whole[:1024], whole[-LONGEST_LINE // 4 :]]
            self._held = sum(map(len, self._parts))

    def _read(self, lines: bytes) -> None:
        if not self.content:
            self._seek_content(lines)
        self._size += len(lines)
        if self._size <= MOST_COUNTED:
            self.pieces.append(lines)
        names = _said_names(lines)
        if names:
            self._keep_said(lines, names)
        if lines.startswith(b"event:") or self._named:
            self._seek_error_name(lines)
        done = lines.find(_DONE)
        if done >= 0 and not self.ended:
            self.ended = _DONE in payloads(lines[lines.rfind(b"\n", 0, done) + 1 :])

    def _keep_said(self, lines: bytes, names: set[bytes]) -> None:
        if b"usage" in names:
            self._usages[1:] = [lines]
        if b"error" in names:
            self._keep_error(lines)
        if not names.isdisjoint(_LAST):
            self.generated, self.ended = lines, True
        if b"" in names:
            self._seek_end(lines)
        self.finished = self.finished or not names.isdisjoint(_REASONS)

    def _seek_content(self, lines: bytes) -> None:
        for data in payloads(lines.removeprefix(_BOM)):
            event = raw.decode(EVENT, data)
            if event is None:
                continue
            if not self.first and (event.id or event.model or event.message or event.response):
                self.first = data
            if has_content(event):
                self.content = True
                return

    def _keep_error(self, lines: bytes) -> None:
        if len(self._errors) < _MOST_ERRORS and lines not in self._errors:
            self._errors.append(lines)

    def _seek_error_name(self, lines: bytes) -> None:
        """An event may be an error by its name alone; its data may come with the next piece."""
        if self._named or b"event: error" in lines or b"event:error" in lines:
            self._named = True
            self._keep_error(lines)

    def _seek_end(self, lines: bytes) -> None:
        for data in payloads(lines):
            kind = raw.text((raw.decode(EVENT, data) or Event()).type)
            self.ended = self.ended or kind in _TERMINAL_TYPES
        if _error_in(lines):
            self._keep_error(lines)


_REASONS = frozenset({b"finish_reason", b"stop_reason"})
_LAST = frozenset({b"generated_text", b"stopping_word"})
_BOM = b"\xef\xbb\xbf"
_ERROR_NAME = re.compile(rb"(?:^|[\r\n])event: ?error[\r\n]+(?:data: ?([^\r\n]*))?")


def _stating_usage(piece: bytes) -> list[Event]:
    stating = [
        data for data in payloads(piece) if b'"usage"' in data and b"usage" in _said_names(data)
    ]
    return [event for event in [raw.decode(EVENT, data) for data in stating] if event is not None]


def _said_names(data: bytes) -> set[bytes]:
    """Names of the members found; the type of a last event counts as an empty name."""
    return set(_SAYS.findall(data))


def _error_in(piece: bytes) -> bytes:
    """The first event that is an error, or is called one, or a bare reply sent as a stream."""
    found = payloads(piece) or [piece.strip()]
    named = _ERROR_NAME.search(piece)
    return next(filter(_is_error, found), b"") or (named[1] or b"" if named else b"")


def _is_error(data: bytes) -> bool:
    event = raw.decode(EVENT, data)
    if event is None:
        return False
    return is_error(event.error, event.type, event.object)


def payloads(lines: bytes) -> list[bytes]:
    """The `data:` of each event; comments, names and blank lines have none."""
    found = [line[5:].strip() for line in lines.splitlines() if line.startswith(b"data:")]
    # A server that breaks one event over lines breaks all: the first tells, at no cost a piece.
    if found and found[0].startswith(b"{") and not found[0].endswith(b"}"):
        return _joined(lines)
    return found


def _joined(lines: bytes) -> list[bytes]:
    """An event's data may stand on several lines."""
    events: list[list[bytes]] = [[]]
    for line in lines.splitlines():
        if line.startswith(b"data:"):
            events[-1].append(line[5:].strip())
        elif not line:
            events.append([])
    return [b"\n".join(parts) for parts in events if parts]


def has_content(event: Event) -> bool:
    """Whether an event carries generated output: text, reasoning, a tool call, or a token."""
    if event.token or raw.stated(event.text):
        return True
    if event.choices:
        return any(_choice_has_content(choice) for choice in raw.items(event.choices))
    kind = raw.text(event.type) or ""
    if kind.endswith(("delta", "-delta", ".delta")) or kind in ("content-start", "image"):
        return _said(event.delta)
    return raw.start(event.content) == b'"' and raw.stated(event.content)


def _choice_has_content(choice: Raw) -> bool:
    parts = raw.fields(choice)
    text = parts.get("text", NOTHING)
    return raw.stated(text) or _said(parts.get("delta", NOTHING))


_GENERATED = frozenset(
    {
        "content",
        "reasoning_content",
        "reasoning",
        "tool_calls",
        "function_call",
        "text",
        "thinking",
        "partial_json",
        "refusal",
        "audio",
    }
)


def _said(delta: Raw) -> bool:
    if raw.start(delta) == b'"':
        return raw.stated(delta)
    parts = raw.fields(delta)
    if raw.start(parts.get("message", NOTHING)) == b"{":
        parts = raw.fields(parts["message"])
    return any(name in _GENERATED and raw.stated(value) for name, value in parts.items())
