"""The text of a file in pieces: unpacked, held as far as one record needs, never as a whole."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

CHUNK = 1 << 18
#: A record that is longer is no record of a call but a file of another kind.
LONGEST_RECORD = 64 << 20

#: Where a page or an archive keeps its records, outermost name first.
CONTAINERS = (("data",), ("observations",), ("log", "entries"))

ENDS_EARLY = "the gzip archive ends too early; the rest of the file is missing"
DAMAGED = "the gzip archive is damaged from here on"

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|["{}\[\]]', re.DOTALL)
_DECODER = json.JSONDecoder(parse_float=Decimal)


def opened(path: Path) -> Unpacked:
    """The file's text, unpacked where it is packed; bytes that are no UTF-8 become U+FFFD."""
    file = path.open("rb")
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return Unpacked(cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file, file)


class Unpacked:
    """Text read in pieces; an archive that breaks ends the text and says so in `broken`."""

    def __init__(self, source: IO[bytes], file: IO[bytes]) -> None:
        self._source = source
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._ahead = ""
        self.broken: str | None = None

    def read(self, size: int = CHUNK) -> str:
        """About `size` characters; nothing at the end."""
        if self._ahead:
            ahead, self._ahead = self._ahead, ""
            return ahead
        try:
            data = self._source.read(size)
        except EOFError:
            self.broken, data = ENDS_EARLY, b""
        except (gzip.BadGzipFile, zlib.error):
            self.broken, data = DAMAGED, b""
        text = self._decode(data, not data)
        return text if text or not data else self.read(size)

    def put_back(self, text: str) -> None:
        self._ahead = text + self._ahead

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends."""
        rest = ""
        while piece := self.read():
            *whole, rest = (rest + piece).split("\n")
            yield from (line + "\n" for line in whole)
            if len(rest) > LONGEST_RECORD:
                rest = ""  # no text at all
        if rest:
            yield rest

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def first_character(text: Unpacked) -> str:
    """The first character that is no space, which stays to be read; empty in an empty file."""
    piece = text.read()
    while piece and not piece.strip():
        piece = text.read()
    text.put_back(piece)
    return piece.lstrip()[:1] or "{"


class Incomplete(ValueError):  # noqa: N818 - the text is
    """The value is broken, or longer than any record."""


class Window:
    """A piece of the text that moves along; `at` is the place being read."""

    def __init__(self, text: Unpacked) -> None:
        self._text = text
        self._held = ""
        self.at = 0

    def more(self) -> bool:
        """Hold more of the text, at least as much as is held already; False at its end."""
        held = self._held[self.at :]
        piece = self._text.read(max(CHUNK, len(held)))
        self._held, self.at = held + piece, 0
        return bool(piece)

    def peek(self) -> str:
        while self.at >= len(self._held):
            if not self.more():
                return ""
        return self._held[self.at]

    def skip_space(self, also: str = "") -> None:
        """Move past white space and the characters of `also`."""
        while (character := self.peek()) and (character.isspace() or character in also):
            found = _SPACE.match(self._held, self.at)
            moved = found.end() if found else self.at
            self.at = moved if moved > self.at else self.at + 1

    def skip_line(self) -> None:
        """Move behind the next end of a line."""
        while (end := self._held.find("\n", self.at)) < 0:
            self.at = len(self._held)
            if not self.more():
                return
        self.at = end + 1

    def value(self) -> Any:
        """The value that stands here; `Incomplete` (without moving) where none does."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self.at)
            except (ValueError, RecursionError) as error:  # also a number of too many digits
                if len(self._held) - self.at > LONGEST_RECORD or not self._could_grow(error):
                    raise Incomplete from None
                continue
            # A number at the end of what is held may go on.
            if end < len(self._held) or isinstance(value, dict | list | str) or not self.more():
                self.at = end
                return value

    def _could_grow(self, error: Exception) -> bool:
        """Whether the mistake stands at the end of what is held, and more was found behind it."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        unfinished = error.msg.startswith("Unterminated") or error.pos >= len(self._held) - 16
        return unfinished and self.more()

    def skip_broken(self) -> bool:
        """Move behind a broken object whose brackets still match; False where they never do."""
        while True:
            end = _matching(self._held, self.at)
            if end is not None:
                self.at = end
                return True
            if len(self._held) - self.at > LONGEST_RECORD or not self.more():
                return False

    def enter_page(self) -> int:
        """Move behind the bracket of a page's records; 0, without moving, where this is no page.

        Gives how many objects are then open. A page that is held whole is read as one value.
        """
        if self._holds_whole() or (self.more() and self._holds_whole()):
            return 0
        for path, found in _containers(self._held, self.at):
            if found:
                self.at = found
                return len(path)
        return 0

    def _holds_whole(self) -> bool:
        try:
            _DECODER.raw_decode(self._held, self.at)
        except (ValueError, RecursionError):
            return False
        return True


def _matching(text: str, start: int) -> int | None:
    """The place behind the bracket that closes the one at `start`; strings are passed over."""
    depth = 0
    for place, character in _brackets(text, start):
        depth += 1 if character in "{[" else -1
        if depth == 0:
            return place
    return None


def _brackets(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Each bracket outside of strings, and the place behind it."""
    for found in _TOKEN.finditer(text, start):
        if found[0] in "{}[]":
            yield found.end(), found[0]
        elif len(found[0]) == 1:  # a string without an end
            return


def _containers(text: str, start: int) -> Iterator[tuple[tuple[str, ...], int | None]]:
    """Where the array of each known container begins in the object at `start`."""
    for path in CONTAINERS:
        yield path, _array_at(text, start, path)


def _array_at(text: str, start: int, path: tuple[str, ...]) -> int | None:
    """The place behind the bracket of the array under this path of names."""
    pattern = re.compile(rf'"{path[-1]}"\s*:\s*\[')
    for found in pattern.finditer(text, start):
        if _depth_at(text, start, found.start()) == len(path):
            return found.end()
    return None


def _depth_at(text: str, start: int, place: int) -> int:
    depth = 0
    for behind, character in _brackets(text, start):
        if behind > place:
            break
        depth += 1 if character in "{[" else -1
    return depth
