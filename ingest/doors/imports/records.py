"""Files of records, read one record at a time: JSON lines, JSON arrays and pages, CSV, Parquet.

Memory does not grow with the file. What can't be read is named by its position and left out; the
reading goes on behind it where it can.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_ledger.ingest.doors.imports.recordings import Rejected
from hf_ledger.ingest.doors.imports.window import (
    CONTAINERS,
    LONGEST_RECORD,
    Incomplete,
    Unpacked,
    Window,
    first_character,
    opened,
)

BATCH_ROWS = 4096

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
        if not row:
            continue
        if names is None:
            names = [name.strip() for name in row]
        else:
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
