"""Files of records, read one record at a time: JSON lines, JSON arrays and pages, CSV, Parquet.

Memory does not grow with the file. What can't be read is named by its position and left out; the
reading goes on behind it where it can.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

from hf_ledger.ingest.doors.imports.recordings import Rejected

CHUNK = 1 << 18
#: A record that is longer is no record of a call but a file of another kind.
LONGEST_RECORD = 64 << 20
BATCH_ROWS = 4096

#: Where a page or an archive keeps its records, outermost name first.
CONTAINERS = (("data",), ("observations",), ("log", "entries"))

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|["{}\[\]]', re.DOTALL)
_DECODER = json.JSONDecoder(parse_float=Decimal)

ENDS_EARLY = "the gzip archive ends too early; the rest of the file is missing"
DAMAGED = "the gzip archive is damaged from here on"
CUT_OFF = "not JSON, or cut off; nothing behind it could be read"
NOT_JSON = "not JSON, or cut off"


@dataclass(frozen=True, slots=True)
class Record:
    """One record and where it stood: the line, or the place in an array, counted from 1."""

    position: int
    fields: dict[str, Any]
    unit: str = "record"


def read_records(path: Path) -> Iterator[Record | Rejected]:
    """Each record of a JSON, JSON lines, CSV or Parquet file, told apart by their content.

    Raises OSError where the file can't be opened.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        yield from parquet_records(path)
        return
    with opened(path) as text:
        first = first_character(text)
        yield from json_records(text) if first in "{[" else csv_records(text)


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


# -- CSV and Parquet ---------------------------------------------------------------------------


def csv_records(text: Unpacked) -> Iterator[Record | Rejected]:
    """Rows under the header; a row with more or fewer cells than it is left out."""
    csv.field_size_limit(LONGEST_RECORD)  # a cell may hold a prompt, which is not kept
    rows = csv.reader(text.lines())
    names: list[str] | None = None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            yield Rejected(rows.line_num, f"not CSV: {error}")
            continue
        if names is None:
            names = [name.strip() for name in row]
        elif row:
            yield _row(rows.line_num, names, row)
    if text.broken:
        yield Rejected(rows.line_num + 1, text.broken)


def _row(line: int, names: list[str], cells: list[str]) -> Record | Rejected:
    if len(cells) != len(names):
        return Rejected(line, f"{len(cells)} cells under {len(names)} columns")
    return Record(line, dict(zip(names, cells, strict=True)), "line")


def parquet_records(path: Path) -> Iterator[Record | Rejected]:
    """Rows of a Parquet file, some thousand at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    position = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    position += 1
                    yield Record(position, row)
    except (pa.ArrowException, OSError) as error:
        reason = f"the Parquet file is damaged ({type(error).__name__})"
        yield Rejected(position + 1, reason, "record")


# -- JSON --------------------------------------------------------------------------------------


def json_records(text: Unpacked) -> Iterator[Record | Rejected]:
    """Objects that stand one after the other, in an array, or in a page's `data`."""
    window = Window(text)
    positions = Positions()
    while True:
        window.skip_space()
        character = window.peek()
        if not character:
            break
        if character == "[":
            window.at += 1
            yield from _elements(window, positions)
        elif character == "{":
            yield from _object(window, positions)
        else:
            yield positions.rejected(NOT_JSON)
            window.skip_line()
    if text.broken:
        yield positions.rejected(text.broken)


class Positions:
    """Counts records, good or bad."""

    def __init__(self) -> None:
        self._last = 0

    def rejected(self, reason: str) -> Rejected:
        self._last += 1
        return Rejected(self._last, reason, "record")

    def placed(self, value: Any) -> Record | Rejected:
        if not isinstance(value, dict):
            return self.rejected("not an object")
        self._last += 1
        return Record(self._last, value)


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
            except (json.JSONDecodeError, RecursionError) as error:
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
        except (json.JSONDecodeError, RecursionError):
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


def _elements(window: Window, positions: Positions) -> Iterator[Record | Rejected]:
    """The objects of an array whose bracket has been read."""
    while True:
        window.skip_space(",")
        character = window.peek()
        if character == "]":
            window.at += 1
            return
        try:
            value = window.value()
        except Incomplete:
            if character == "{" and window.skip_broken():
                yield positions.rejected(NOT_JSON)
                continue
            yield positions.rejected(CUT_OFF)
            _finish(window)
            return
        yield positions.placed(value)


def _finish(window: Window) -> None:
    """Read to the end without keeping anything."""
    while window.peek():
        window.skip_line()


def _object(window: Window, positions: Positions) -> Iterator[Record | Rejected]:
    """One object: a record, or a page whose records stand in one of `CONTAINERS`."""
    depth = window.enter_page()
    if depth:
        yield from _elements(window, positions)
        if not _leave_page(window, depth):
            yield positions.rejected(CUT_OFF)
        return
    try:
        value = window.value()
    except Incomplete:
        yield positions.rejected(NOT_JSON)
        window.skip_line()
        return
    yield from map(positions.placed, _records_of(value))


def _records_of(value: Any) -> Iterable[Any]:
    """What a page holds; the value itself where it is none."""
    for path in CONTAINERS:
        inner = value
        for name in path:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, list):
            return inner
    return (value,)


def _leave_page(window: Window, depth: int) -> bool:
    """Read what stands behind a page's records; False where the text ends before the page."""
    while depth:
        window.skip_space(",:")
        character = window.peek()
        if not character:
            return False
        if character == "}":
            window.at += 1
            depth -= 1
            continue
        try:
            window.value()
        except Incomplete:
            _finish(window)
            return False
    return True
