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
#: So much of a stream is kept to count its tokens, should nobody state them.
MOST_COUNTED = 512 << 10
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


class _Choice(msgspec.Struct, gc=False):
    text: Raw = NOTHING
    delta: Raw = NOTHING


EVENT = msgspec.json.Decoder(Event)
_CHOICE = msgspec.json.Decoder(_Choice)
_CHOICES = msgspec.json.Decoder(list[_Choice])


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
        self.size = 0
        self._named = False  # an event has been called an error
        self._usages: list[bytes] = []  # first and last event that states usage
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
        events = [raw.decode(EVENT, data) for data in self._usages]
        return [event for event in events if event is not None]

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
        self.size += len(lines)
        if self.size <= MOST_COUNTED:
            self.pieces.append(lines)
        elif not self.pieces:
            self.pieces.append(lines[:MOST_COUNTED])
        for found in _SAYS.finditer(lines):
            self._note(found[1], lines, found.start())
        if lines.startswith(b"event:") or self._named:
            self._seek_error_name(lines)
        done = lines.find(_DONE)
        if done >= 0 and not self.ended:
            self.ended = _DONE in payloads(lines[lines.rfind(b"\n", 0, done) + 1 :])

    def _note(self, name: bytes | None, lines: bytes, at: int) -> None:
        """Something is said at this place: the member's name, None for the type of a last event."""
        if name == b"usage":
            for data in payloads(_event_around(lines, at)):
                if _states_usage(data) and raw.decode(EVENT, data) is not None:
                    self._usages[1:] = [data]
        elif name == b"error":
            self._keep_error(lines)
        elif name in _LAST:
            self.generated, self.ended = lines, True
        elif name is None:
            self._seek_end(lines, _event_around(lines, at))
        else:
            self.finished = True

    def _seek_content(self, lines: bytes) -> None:
        at, end = 0, len(lines)
        while at < end and not self.content:
            # One event after the other: the search nearly always ends at the first or second.
            stop = lines.find(b"\n\n", at)
            stop = end if stop < 0 else stop + 2
            for data in payloads(lines[at:stop].removeprefix(_BOM)):
                self._seek_content_in(data)
            at = stop

    def _seek_content_in(self, data: bytes) -> None:
        event = raw.decode(EVENT, data)
        if event is None or self.content:
            return
        if not self.first and (event.id or event.model or event.message or event.response):
            self.first = data
        self.content = has_content(event)

    def _keep_error(self, lines: bytes) -> None:
        if len(self._errors) < _MOST_ERRORS and lines not in self._errors:
            self._errors.append(lines)

    def _seek_error_name(self, lines: bytes) -> None:
        """An event may be an error by its name alone; its data may come with the next piece."""
        if self._named or b"event: error" in lines or b"event:error" in lines:
            self._named = True
            self._keep_error(lines)

    def _seek_end(self, lines: bytes, event: bytes) -> None:
        for data in payloads(event):
            kind = raw.text((raw.decode(EVENT, data) or Event()).type)
            self.ended = self.ended or kind in _TERMINAL_TYPES
        if _error_in(event):
            self._keep_error(lines)


_LAST = frozenset({b"generated_text", b"stopping_word"})
_BOM = b"\xef\xbb\xbf"
_ERROR_NAME = rb"(?:^|[\r\n])event: ?error[\r\n]+(?:data: ?([^\r\n]*))?"


def _states_usage(data: bytes) -> bool:
    return b'"usage"' in data and b"usage" in _SAYS.findall(data)


def _error_in(piece: bytes) -> bytes:
    """The first event that is an error, or is called one, or a bare reply sent as a stream."""
    found = payloads(piece) or [piece.strip()]
    named = re.search(_ERROR_NAME, piece)
    return next(filter(_is_error, found), b"") or (named[1] or b"" if named else b"")


def _is_error(data: bytes) -> bool:
    event = raw.decode(EVENT, data)
    if event is None:
        return False
    return is_error(event.error, event.type, event.object)


def _event_around(lines: bytes, at: int) -> bytes:
    """The event at this place; where lines end in a carriage return alone, all events."""
    gap = b"\n\n"
    if b"\r" in lines:
        gap = b"\r\n\r\n"
        if gap not in lines:
            return lines
    stop = lines.find(gap, at)
    return lines[lines.rfind(gap, 0, at) + 1 : stop if stop >= 0 else len(lines)]


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
        return _choices_have_content(event.choices)
    kind = raw.text(event.type) or ""
    if kind.endswith(("delta", "-delta", ".delta")) or kind in ("content-start", "image"):
        return _said(event.delta)
    return raw.start(event.content) == b'"' and raw.stated(event.content)


def _choices_have_content(choices: Raw) -> bool:
    read = raw.decode(_CHOICES, choices)
    if read is None:  # one of them is no object
        read = [raw.decode(_CHOICE, choice) or _Choice() for choice in raw.items(choices)]
    return any(raw.stated(choice.text) or _said(choice.delta) for choice in read)


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
    parts = raw.fields(delta)
    if not parts:
        return raw.start(delta) == b'"' and raw.stated(delta)
    if "message" in parts and raw.start(parts["message"]) == b"{":
        parts = raw.fields(parts["message"])
    return any(raw.stated(parts[name]) for name in parts.keys() & _GENERATED)
