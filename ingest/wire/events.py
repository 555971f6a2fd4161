"""Server-sent events as they arrive: searched as bytes, decoded only where something is said.

Chunks may split anywhere. After the first content has been seen, a chunk costs a handful of byte
searches; usage, details and errors are kept as bytes and decoded once, at the end.
"""

from __future__ import annotations

import re

import msgspec

from hf_ledger.ingest.wire import raw
from hf_ledger.ingest.wire.raw import NOTHING, Raw

#: A line longer than this (a picture inside an event) keeps its head and its end only.
LONGEST_LINE = 1 << 20

_STATED = re.compile(rb'(?<!\\)"(usage|details|error|generated_text)"\s*:\s*(?!null\b)')
_FINISHED = re.compile(rb'(?<!\\)"(?:finish_reason|stop_reason)"\s*:\s*"')
_MARKS = (b'"usage"', b'"error"', b'"generated_text"', b"event: error", b"event:error")
_TERMINAL_TYPES = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "message_stop"}
)


class Event(msgspec.Struct, gc=False):
    """The fields of any event that say something about the call."""

    id: Raw = NOTHING
    model: Raw = NOTHING
    type: Raw = NOTHING
    choices: Raw = NOTHING
    delta: Raw = NOTHING
    token: Raw = NOTHING
    text: Raw = NOTHING
    content: Raw = NOTHING
    content_block: Raw = NOTHING
    generated_text: Raw = NOTHING
    details: Raw = NOTHING
    error: Raw = NOTHING
    usage: Raw = NOTHING
    response: Raw = NOTHING
    message: Raw = NOTHING
    x_groq: Raw = NOTHING
    meta: Raw = NOTHING
    timings: Raw = NOTHING
    tokens_evaluated: Raw = NOTHING
    tokens_predicted: Raw = NOTHING


EVENT = msgspec.json.Decoder(Event)


class Events:
    """What a stream has said so far; `feed` its bytes in any pieces."""

    def __init__(self) -> None:
        self.ended = False
        self.finished = False  # a finish reason was stated
        self.content = False  # the first generated piece has come
        self.first: bytes = b""  # first event: id and model stand in it
        self.usages: list[bytes] = []  # first and last event that state usage
        self.details: bytes = b""
        self.error: bytes = b""
        self.generated = False  # TGI's own form
        self._parts: list[bytes] = []  # an incomplete line
        self._held = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; complete lines are read, the rest waits."""
        cut = chunk.rfind(b"\n") + 1
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
        for mark in _MARKS:
            if mark in lines:
                self._keep_stated(lines)
                break
        if b"_reason" in lines and _FINISHED.search(lines):
            self.finished = True
        if b"[DONE]" in lines or b"message_stop" in lines or b"response." in lines:
            self._seek_end(lines)

    def _seek_content(self, lines: bytes) -> None:
        for data in payloads(lines):
            event = raw.decode(EVENT, data)
            if event is None:
                continue
            if not self.first and (event.id or event.model or event.message or event.response):
                self.first = data
            if has_content(event):
                self.content = True
                return

    def _keep_stated(self, lines: bytes) -> None:
        for data in payloads(lines):
            for found in _STATED.finditer(data):
                self._keep(found[1], data)

    def _keep(self, name: bytes, data: bytes) -> None:
        if name == b"usage":
            self.usages[1:] = [data]
        elif name == b"details":
            self.details = data
        elif name == b"generated_text":
            self.generated = self.ended = True
        elif not self.error and raw.stated((raw.decode(EVENT, data) or Event()).error):
            self.error = data

    def _seek_end(self, lines: bytes) -> None:
        for data in payloads(lines):
            if data == b"[DONE]":
                self.ended = True
            elif b'"type"' in data:
                kind = raw.text((raw.decode(EVENT, data) or Event()).type)
                self.ended = self.ended or kind in _TERMINAL_TYPES
                if kind in ("error", "response.failed"):
                    self.error = self.error or data


def payloads(lines: bytes) -> list[bytes]:
    """The `data:` of each line; comments, names and blank lines have none."""
    return [line[5:].strip() for line in lines.splitlines() if line.startswith(b"data:")]


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
