"""What a text is made of: headings, paragraphs, and the blocks that lose their sense when torn.

Plain text is read by the rules of Markdown too: they only say where a cut is better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["paragraph", "heading", "fence", "table", "list"]

_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
ITEM = re.compile(r"[ \t]*(?:[-*+•‣◦]|\d{1,9}[.)])[ \t]+\S")
_INDENTED = re.compile(r"(?: {2,}|\t)[ \t]*\S")


class Block(NamedTuple):
    """`text[start:end]`, the blank lines after it included."""

    kind: Kind
    start: int
    end: int


def blocks(text: str) -> Iterator[Block]:
    """The blocks one after another; together they are the text."""
    lines = text.splitlines(keepends=True)
    reader = _Reader(lines)
    at = offset = 0
    while at < len(lines):
        kind, after = reader.block_at(at)
        while after < len(lines) and not lines[after].strip():
            after += 1
        end = offset + sum(map(len, lines[at:after]))
        yield Block(kind, offset, end)
        at, offset = after, end


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        # From where on no fence of these marks is closed: a text full of open ones is read once.
        self._never_closed: dict[str, int] = {}

    def block_at(self, at: int) -> tuple[Kind, int]:
        """The kind of the block that begins on this line, and the line after it."""
        line = self._line(at)
        if _HEADING.match(line):
            return "heading", at + 1
        if (after := self._fence_end(at)) is not None:
            return "fence", after
        if self._begins_table(at):
            return "table", self._run_end(at + 2)
        if ITEM.match(line):
            return "list", self._list_end(at)
        if line.strip() and self._is_underline(at + 1):
            return "heading", at + 2
        return "paragraph", self._paragraph_end(at)

    def _line(self, at: int) -> str:
        return self._lines[at].rstrip("\r\n") if at < len(self._lines) else ""

    def _is_underline(self, at: int) -> bool:
        line = self._line(at)
        return bool(line) and _UNDERLINE.match(line) is not None

    def _begins_table(self, at: int) -> bool:
        below = self._line(at + 1)
        return "|" in self._line(at) and "|" in below and _DELIMITER.match(below) is not None

    def _fence_end(self, at: int) -> int | None:
        """The line after the closing one; None where nothing closes it, as in a stray mark."""
        opened = _FENCE.match(self._line(at))
        if opened is None:
            return None
        mark = opened[1]
        if len(mark) >= self._never_closed.get(mark[0], len(mark) + 1):
            return None
        for later in range(at + 1, len(self._lines)):
            line = self._lines[later].strip()
            if line.startswith(mark) and not line.strip(mark[0]):
                return later + 1
        self._never_closed[mark[0]] = len(mark)
        return None

    def _run_end(self, at: int) -> int:
        while at < len(self._lines) and self._lines[at].strip():
            at += 1
        return at

    def _list_end(self, at: int) -> int:
        """Items, what is indented below them, and the blank lines between."""
        while True:
            at = self._run_end(at)
            after = at
            while after < len(self._lines) and not self._lines[after].strip():
                after += 1
            line = self._line(after)
            if not (ITEM.match(line) or _INDENTED.match(line)):
                return at
            at = after

    def _paragraph_end(self, at: int) -> int:
        """Up to a blank line, or to one that begins something else."""
        at += 1
        while at < len(self._lines) and (line := self._line(at)).strip():
            if _HEADING.match(line) or ITEM.match(line) or _FENCE.match(line):
                break
            if self._begins_table(at):
                break
            at += 1
        return at
