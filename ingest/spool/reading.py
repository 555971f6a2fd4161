"""Read what segments hold beyond the offsets taken: whole lines, checked and sorted by kind.

No line is parsed here unless it is rare: calls stay bytes for DuckDB's own reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from hf_ledger.ingest.call import (
    Call,
    Line,
    Noticed,
    OpenCall,
    Recorder,
    RouteSeen,
    Withdrawn,
)
from hf_ledger.ingest.spool.lines import Damaged, damage, decode

SUFFIX = ".ndjson"
#: Well below DuckDB's row group (122,880): in a transaction, 2.0.0 was seen to read nothing back
#: from a larger table made in that same transaction. Memory follows it too: some 350 MB at most.
BATCH_LINES = 20_000
END_OF_TIME = 253_402_300_800_000_000  # year 10000, in µs
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
CALL = b'{"kind":"call",'


class Position(NamedTuple):
    """Where a line stands: all that quarantine ever keeps of it."""

    segment: str
    line: int
    offset: int


class Rejected(NamedTuple):
    position: Position
    reason: str


@dataclass
class Segment:
    """How far one segment has been taken."""

    name: str
    taken_bytes: int = 0
    taken_lines: int = 0
    first_seen: datetime | None = None
    recorder: Recorder | None = None


@dataclass
class Batch:
    """The lines of one transaction, by kind; `calls` and `positions` run side by side."""

    segments: list[Segment] = field(default_factory=list)
    calls: list[bytes] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    opened: list[tuple[Segment, OpenCall]] = field(default_factory=list)
    withdrawn: list[Withdrawn] = field(default_factory=list)
    routes: list[RouteSeen] = field(default_factory=list)
    noticed: list[tuple[Segment, Noticed]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def without(self, guilty: Iterable[int]) -> list[bytes]:
        """The call lines but those at these indexes."""
        skipped = set(guilty)
        return [line for index, line in enumerate(self.calls) if index not in skipped]


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each segment by name, oldest first; empty where the folder is missing."""
    if not folder.is_dir():
        return {}
    found: dict[str, int] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found[path.name] = path.stat().st_size
        except FileNotFoundError:
            # Deleted since it was listed.
            continue
    return found


def batches(folder: Path, known: dict[str, Segment]) -> Iterator[Batch]:
    """What lies beyond the known offsets, in batches of at most `BATCH_LINES`, oldest first."""
    batch, room = Batch(), BATCH_LINES
    for name, size in sizes(folder).items():
        segment = known.get(name) or Segment(name)
        while size > segment.taken_bytes:
            data = whole_lines(folder / name, segment.taken_bytes)
            taken = take(batch, segment, data, room)
            room -= taken
            if not taken:
                break
            if not room:
                yield batch
                batch, room = Batch(), BATCH_LINES
    if batch.segments:
        yield batch


def whole_lines(path: Path, offset: int) -> bytes:
    """The bytes from `offset` up to the last newline; a torn tail waits for its rest."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def take(batch: Batch, segment: Segment, data: bytes, room: int = BATCH_LINES) -> int:
    """Sort at most `room` new lines into the batch and move the segment's offset behind them."""
    if not data:
        return 0
    lines = data[:-1].split(b"\n", room)[:room]
    number, offset = segment.taken_lines, segment.taken_bytes
    for line in lines:
        number += 1
        position = Position(segment.name, number, offset)
        offset += len(line) + 1
        reason = damage(line)
        if reason:
            batch.rejected.append(Rejected(position, reason))
        elif line.startswith(CALL):
            batch.calls.append(line)
            batch.positions.append(position)
        else:
            _take_rare(batch, segment, position, line)
    batch.lines[segment.name] = len(lines)
    segment.taken_lines, segment.taken_bytes = number, offset
    batch.segments.append(segment)
    return len(lines)


def _take_rare(batch: Batch, segment: Segment, position: Position, line: bytes) -> None:
    try:
        known = _sensible(decode(line))
    except Damaged as damaged:
        batch.rejected.append(Rejected(position, str(damaged)))
        return
    match known:
        case Recorder():
            segment.recorder = known
        case RouteSeen():
            batch.routes.append(known)
        case Noticed():
            batch.noticed.append((segment, known))
        case OpenCall():
            batch.opened.append((segment, known))
        case Withdrawn():
            batch.withdrawn.append(known)
        case _:
            batch.calls.append(line)
            batch.positions.append(position)


def _sensible(line: Line) -> Line:
    """The line, if its time and id fit their columns; `Damaged` otherwise."""
    first = line.call if isinstance(line, OpenCall) else line
    if not 0 <= first.ts < END_OF_TIME:
        raise Damaged("time out of range")
    if isinstance(first, Call | Withdrawn) and not UUID.fullmatch(first.call_id):
        raise Damaged("not a call id")
    return line
