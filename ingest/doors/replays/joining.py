"""A streamed answer as one text, put together while its bytes go by."""

from __future__ import annotations

import msgspec

from hf_ledger.ingest.doors.replays.answers import tools_as_text


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Tool(msgspec.Struct, gc=False):
    index: int = 0
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    tool_calls: list[_Tool] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    text: str | None = None
    delta: _Delta | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] = []


_CHUNK = msgspec.json.Decoder(_Chunk)
DONE = b"[DONE]"


class Joined:
    """The first choice of a stream; `feed` its bytes in any pieces.

    Keeps texts up to `most` bytes in all; of a longer stream, or one that can't be read, nothing.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._rest = b""
        self._texts: list[str] = []
        self._tools: dict[int, tuple[list[str], list[str]]] = {}  # names and arguments, in pieces
        self.broken = False
        self.full = False

    def feed(self, piece: bytes) -> None:
        if self.broken or self.full:
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._take(line[5:].strip())
        self._spend(len(self._rest) if len(self._rest) > self._left else 0)

    def answer(self) -> bytes:
        """What was said, calls of tools as JSON; empty where nothing can be compared."""
        if self.broken or self.full:
            return b""
        if self._tools:
            called = [("".join(names), "".join(said)) for names, said in self._tools.values()]
            return tools_as_text(called).encode()
        return "".join(self._texts).encode("utf-8", "replace")

    def _take(self, data: bytes) -> None:
        if data == DONE or self.broken or self.full:
            return
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._forget()
            self.broken = True
            return
        for choice in chunk.choices:
            if choice.index == 0:
                self._add(choice)

    def _add(self, choice: _Choice) -> None:
        delta = choice.delta or _Delta()
        self._say(self._texts, choice.text)
        self._say(self._texts, delta.content)
        for tool in delta.tool_calls or ():
            names, said = self._tools.setdefault(tool.index, ([], []))
            if tool.function is not None:
                self._say(names, tool.function.name)
                self._say(said, tool.function.arguments)

    def _say(self, texts: list[str], text: str | None) -> None:
        if text and not self.full:
            texts.append(text)
            self._spend(len(text.encode("utf-8", "replace")))

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            self._forget()
            self.full = True

    def _forget(self) -> None:
        self._rest = b""
        self._texts.clear()
        self._tools.clear()
