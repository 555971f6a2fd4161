"""A set of questions out of a CSV or JSONL file: rows that can be asked, and a sentence for each
that can't. All of it stays in memory; nothing of a cell's text is in any message.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.doors.router.tasks import Kind, Task, task_named
from hf_ledger.ingest.errors import Usage

MOST_BYTES = 5 << 20
MOST_ROWS = 2_000
MOST_CHARS = 100_000
#: Of a file without a header its first row would be named in full.
MOST_NAMES, MOST_NAME = 10, 40

CHAT = "chat-completion"
#: Stand for the task's first input, of a chat for what the user says.
MAIN = ("input", "prompt")
BESIDE = ("id", "expected")
SYSTEM = "system"
SEPARATORS = (",", ";", "\t")
#: What no cell can hold.
MEDIA = ("image", "audio")

Cells = Mapping[str, Any]


class Item(NamedTuple):
    """One row that can be asked."""

    place: str  # "Row 7": where it stands in the file
    id: str | None
    inputs: Mapping[str, Any]
    expected: str | None


class Uploaded(NamedTuple):
    """What a file holds; rows with a problem are not among the items."""

    items: tuple[Item, ...]
    problems: tuple[str, ...]
    unused: tuple[str, ...]  # columns that mean nothing here


class Wrong(Exception):  # noqa: N818 - the row is
    """Why a row can't be asked, as a clause."""


def read_set(name: str, body: bytes, task: str) -> Uploaded:
    """The rows of an uploaded file for a task. Raises Usage for a file that is none."""
    wanted = task_named(task)
    check_task(task, wanted)
    if len(body) > MOST_BYTES:
        raise Usage(f"The file is larger than {MOST_BYTES >> 20} MB; take a part of it.")
    rows = list(read_rows(name, decoded(body)))
    if not rows:
        raise Usage("The file has no rows.")
    if len(rows) > MOST_ROWS:
        raise Usage(f"The file has {len(rows):,} rows; at most {MOST_ROWS:,} can be asked.")
    columns = list(dict.fromkeys(name for _, cells in rows for name in cells))
    check_columns(columns, task, wanted)
    return checked(rows, task, wanted, columns)


def check_task(task: str, wanted: Task) -> None:
    media = [name for name, kind in wanted.inputs.items() if kind in MEDIA]
    if media:
        raise Usage(f"The task {task} takes {media[0]}, which a file of rows can't hold.")


def decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage("The file is not UTF-8; save it as CSV UTF-8 or as JSONL.") from None


# -- rows of either format -------------------------------------------------------------------------


def read_rows(name: str, text: str) -> Iterator[tuple[str, Cells]]:
    """Each row's place in the file, and its cells by name in lower case."""
    is_json = name.lower().endswith((".jsonl", ".ndjson", ".json")) or text[:1] == "{"
    return json_rows(text) if is_json else csv_rows(text)


def json_rows(text: str) -> Iterator[tuple[str, Cells]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"Line {number}", json_cells(line, number)


def json_cells(line: str, number: int) -> Cells:
    try:
        found = msgspec.json.decode(line.encode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        raise Usage(f"Line {number} is not JSON; JSONL has one object a line.") from None
    if not isinstance(found, dict):
        raise Usage(f"Line {number} is no JSON object; JSONL has one object a line.")
    return {str(name).strip().lower(): value for name, value in found.items()}


def csv_rows(text: str) -> Iterator[tuple[str, Cells]]:
    """As a spreadsheet counts them: the header is row 1."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        check_header(header)
        for number, row in enumerate(reader, 2):
            if any(cell.strip() for cell in row):
                if len(row) > len(header):
                    raise Usage(f"Row {number} has {len(row)} cells, the header {len(header)}.")
                yield f"Row {number}", dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise Usage(f"The file is no CSV that can be read (line {reader.line_num}).") from error


def separator_of(text: str) -> str:
    """Spreadsheets write what their country separates lists with."""
    header = text.partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def check_header(header: list[str]) -> None:
    twice = [name for place, name in enumerate(header) if name and name in header[:place]]
    if twice:
        raise Usage(f"The header names {twice[0]!r} twice.")


# -- what a row must have --------------------------------------------------------------------------


def check_columns(columns: list[str], task: str, wanted: Task) -> None:
    """Raises Usage where no row could have what the task needs."""
    if asked_by(columns, task, wanted):
        return
    lacking = [name for name in needed(wanted) if name not in columns]
    main = f"{' or '.join(MAIN)}, or " if len(needed(wanted)) == 1 else ""
    there = ", ".join(name[:MOST_NAME] for name in columns[:MOST_NAMES] if name) or "none"
    raise Usage(f"The file needs {main}{' and '.join(lacking)} as a column; it has {there}.")


def needed(wanted: Task) -> list[str]:
    return [name for name in wanted.inputs if name not in wanted.optional]


def asked_by(columns: list[str], task: str, wanted: Task) -> dict[str, str]:
    """Input of the task → column that holds it; empty where one is missing."""
    found = {name: name for name in wanted.inputs if name in columns}
    main = next((name for name in MAIN if name in columns), None)
    first = next(iter(wanted.inputs))
    if first not in found and main is not None:
        found[first] = main
    return found if all(name in found for name in needed(wanted)) else {}


def checked(rows: list[tuple[str, Cells]], task: str, wanted: Task, columns: list[str]) -> Uploaded:
    sources = asked_by(columns, task, wanted)
    items: list[Item] = []
    problems: list[str] = []
    for place, cells in rows:
        try:
            items.append(item_of(place, cells, task, wanted, sources))
        except Wrong as wrong:
            problems.append(f"{place}: {wrong}.")
    problems += twice_named(items)
    means = {*sources.values(), *BESIDE, *([SYSTEM] if task == CHAT else [])}
    unused = tuple(name for name in columns if name and name not in means)
    return Uploaded(tuple(items), tuple(problems), unused)


def twice_named(items: list[Item]) -> list[str]:
    seen: dict[str, str] = {}
    found = []
    for item in items:
        if item.id is not None and item.id in seen:
            found.append(f"{item.place}: its id is that of {seen[item.id].lower()} too.")
        elif item.id is not None:
            seen[item.id] = item.place
    return found


def item_of(place: str, cells: Cells, task: str, wanted: Task, sources: Mapping[str, str]) -> Item:
    inputs = {}
    for name, column in sources.items():
        value = cells.get(column)
        if value is None or value == "":
            if name not in wanted.optional:
                raise Wrong(f"{column} is empty")
        else:
            kind: Kind = wanted.inputs[name]
            if column in MAIN and kind == "messages":
                inputs[name] = said(cells, column)
            else:
                inputs[name] = READERS[kind](value, column)
    return Item(place, text_or_none(cells.get("id")), inputs, text_or_none(cells.get("expected")))


def said(cells: Cells, column: str) -> list[dict[str, str]]:
    """A chat of one message, with the row's own instructions before it."""
    system = cells.get(SYSTEM)
    first = [{"role": "system", "content": text_of(system, SYSTEM)}] if system else []
    return [*first, {"role": "user", "content": text_of(cells[column], column)}]


def text_or_none(value: Any) -> str | None:
    """A cell as text; numbers and objects of JSONL as JSON; None for nothing."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# -- values ----------------------------------------------------------------------------------------


def text_of(value: Any, column: str) -> str:
    if not isinstance(value, str):
        raise Wrong(f"{column} is no text")
    if len(value) > MOST_CHARS:
        raise Wrong(f"{column} has more than {MOST_CHARS:,} characters")
    if not value.strip():
        raise Wrong(f"{column} is empty")
    return value


def texts_of(value: Any, column: str) -> list[str]:
    """A JSON list, or a text a line."""
    found = value.split("\n") if is_plain(value) else json_of(value, column)
    return listed(found, column)


def labels_of(value: Any, column: str) -> list[str]:
    """A JSON list, or labels between commas."""
    found = value.split(",") if is_plain(value) else json_of(value, column)
    return listed(found, column)


def listed(found: Any, column: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Wrong(f"{column} is no list of texts")
    texts = [text_of(each.strip(), column) for each in found if each.strip()]
    if not texts:
        raise Wrong(f"{column} is empty")
    return texts


def is_plain(value: Any) -> bool:
    return isinstance(value, str) and not value.lstrip().startswith("[")


def json_of(value: Any, column: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value.encode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        raise Wrong(f"{column} is no JSON") from None


def messages_of(value: Any, column: str) -> list[dict[str, Any]]:
    found = json_of(value, column)
    good = isinstance(found, list) and all(map(is_message, found))
    if not good or not found:
        raise Wrong(f"{column} is no list of messages with role and content")
    return [dict(each) for each in found]


def is_message(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) for name in ("role", "content")
    )


def table_of(value: Any, column: str) -> dict[str, Any]:
    found = json_of(value, column)
    if not isinstance(found, dict) or not all(isinstance(each, list) for each in found.values()):
        raise Wrong(f"{column} is no JSON object of lists, one a column")
    return found


READERS: dict[str, Callable[[Any, str], Any]] = {
    "text": text_of,
    "texts": texts_of,
    "labels": labels_of,
    "messages": messages_of,
    "table": table_of,
}
