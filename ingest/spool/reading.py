"""Read what segments hold beyond the offsets taken: whole lines, checked and sorted by kind.

No line is parsed here unless it is rare: calls stay bytes, in the runs in which they stand, for
DuckDB's own reader. A segment is read piece by piece, however large it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

from hf_ledger.ingest.call import (
    Call,
    Line,
    Noticed,
    OpenCall,
    Recorder,
    Replayed,
    RouteSeen,
    Withdrawn,
)
from hf_ledger.ingest.spool.lines import CALL, CLOSING, MARK, Damaged, damage, decode
from hf_ledger.ingest.wire.raw import LARGEST

SUFFIX = ".ndjson"
#: So much of a segment is in memory at a time; no line is longer, for DuckDB reads no longer one.
PIECE_BYTES = 16 * 2**20
#: So many lines at most are checked before DuckDB reads them.
PIECE_LINES = 20_000
END_OF_TIME = 253_402_300_800_000_000  # year 10000, in µs
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
TOO_LONG = "longer than a line can be"


class Position(NamedTuple):
    """Where a line stands: all that quarantine ever keeps of it."""

    segment: str
    line: int
    offset: int


class Rejected(NamedTuple):
    position: Position
    reason: str


class Run(NamedTuple):
    """Call lines that stand one after the other in a segment, newlines included."""

    data: memoryview
    calls: int
    first: Position

    def lines(self) -> Iterator[tuple[Position, bytes]]:
        """Each line with its place; made only where one of them is at fault."""
        segment, number, offset = self.first
        for line in bytes(self.data).splitlines(keepends=True):
            yield Position(segment, number, offset), line
            number, offset = number + 1, offset + len(line)


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
    """What one transaction keeps beside its calls; `runs` are calls that are not staged yet."""

    reached: dict[str, Segment] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    opened: list[tuple[Segment, OpenCall]] = field(default_factory=list)
    withdrawn: list[Withdrawn] = field(default_factory=list)
    routes: list[RouteSeen] = field(default_factory=list)
    noticed: list[tuple[Segment, Noticed]] = field(default_factory=list)
    replays: list[Replayed] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def segments(self) -> list[Segment]:
        return list(self.reached.values())

    @property
    def rare(self) -> int:
        """Lines that are kept here rather than staged."""
        beside = len(self.opened) + len(self.routes) + len(self.noticed) + len(self.replays)
        return beside + len(self.rejected)

    def moved(self, segment: Segment, lines: int) -> None:
        """The segment was taken up to here; it may be read further before this is committed."""
        self.reached[segment.name] = replace(segment)
        self.lines[segment.name] = self.lines.get(segment.name, 0) + lines


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


class Untaken:
    """What lies beyond the known offsets, oldest first."""

    def __init__(self, folder: Path, known: dict[str, Segment]) -> None:
        self._folder = folder
        self._waiting = [
            (segment, size)
            for name, size in sizes(folder).items()
            if size > (segment := known.get(name) or Segment(name)).taken_bytes
        ][::-1]
        self._data = b""
        self._at = 0

    def read(self, batch: Batch, most: int = PIECE_LINES) -> bool:
        """Sort up to `most` lines and some `PIECE_BYTES` into the batch; False where none is left.

        Many small segments come together, a large one piece by piece.
        """
        room, held = most, 0
        while self._waiting and room > 0 and held < PIECE_BYTES:
            segment, size = self._waiting[-1]
            if self._at == len(self._data):
                self._load(batch, segment, size)
            if not self._data:
                self._waiting.pop()
                continue
            lines, end = take(batch, segment, self._data, self._at, room)
            room, held, self._at = room - lines, held + end - self._at, end
        return room < most

    def _load(self, batch: Batch, segment: Segment, size: int) -> None:
        """The next piece of the segment; empty where it holds no further whole line."""
        self._data, self._at = b"", 0
        if segment.taken_bytes >= size:
            return
        try:
            with (self._folder / segment.name).open("rb") as file:
                self._data = whole_lines(file, segment.taken_bytes)
                while not self._data and skip_long(batch, segment, file):
                    self._data = whole_lines(file, segment.taken_bytes)
        except FileNotFoundError:
            return


def whole_lines(file: BinaryIO, offset: int) -> bytes:
    """At most a piece from `offset` up to its last newline; a torn tail waits for its rest."""
    file.seek(offset)
    data = file.read(PIECE_BYTES)
    return data[: data.rfind(b"\n") + 1]


def skip_long(batch: Batch, segment: Segment, file: BinaryIO) -> bool:
    """Reject the line that begins here and fills more than a piece, if it has an end."""
    file.seek(segment.taken_bytes)
    length = 0
    while data := file.read(PIECE_BYTES):
        end = data.find(b"\n") + 1
        length += end or len(data)
        if end:
            _reject_long(batch, segment, length)
            return True
    return False


def _reject_long(batch: Batch, segment: Segment, length: int) -> None:
    if length <= PIECE_BYTES:
        return  # its end was written a moment ago
    place = Position(segment.name, segment.taken_lines + 1, segment.taken_bytes)
    batch.rejected.append(Rejected(place, TOO_LONG))
    segment.taken_lines += 1
    segment.taken_bytes += length
    batch.moved(segment, 1)


def take(
    batch: Batch, segment: Segment, data: bytes, at: int = 0, room: int = PIECE_LINES
) -> tuple[int, int]:
    """Sort at most `room` lines from `at` on into the batch and move the segment's offset.

    Returns the number of lines and where the next one begins. `data` holds whole lines only.
    """
    first = segment.taken_lines
    while at < len(data) and segment.taken_lines - first < room:
        end, count = _run(data, at, room - (segment.taken_lines - first))
        if count:
            place = Position(segment.name, segment.taken_lines + 1, segment.taken_bytes)
            batch.runs.append(Run(memoryview(data)[at:end], count, place))
        else:
            end, count = data.index(b"\n", at) + 1, 1
            _take_other(batch, segment, data[at : end - 1])
        segment.taken_lines += count
        segment.taken_bytes += end - at
        at = end
    batch.moved(segment, segment.taken_lines - first)
    return segment.taken_lines - first, at


def _run(data: bytes, at: int, room: int) -> tuple[int, int]:
    """Where the run of good call lines that begins at `at` ends, and how many lines it has.

    Every call goes through this loop: no line is copied, and the checks stand in it.
    """
    view, find, count = memoryview(data), data.find, 0
    while count < room:
        newline = find(b"\n", at)
        closing = newline - CLOSING
        if (
            closing < at
            or not data.startswith(CALL, at)
            or data[closing:newline] != b'%b%08x"}' % (MARK, crc32(view[at:closing]))
        ):
            break
        at = newline + 1
        count += 1
    return at, count


def _take_other(batch: Batch, segment: Segment, line: bytes) -> None:
    """A line that is no plain call: of another kind, or damaged."""
    position = Position(segment.name, segment.taken_lines + 1, segment.taken_bytes)
    reason = damage(line)
    if reason:
        batch.rejected.append(Rejected(position, reason))
    else:
        _take_rare(batch, segment, position, line)


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
        case Replayed():
            batch.replays.append(known)
        case OpenCall():
            batch.opened.append((segment, known))
        case Withdrawn():
            batch.withdrawn.append(known)
        case _:
            batch.runs.append(Run(memoryview(line + b"\n"), 1, position))


def _sensible(line: Line) -> Line:
    """The line, if its time and id fit their columns; `Damaged` otherwise."""
    first = line.call if isinstance(line, OpenCall) else line
    if not 0 <= first.ts < END_OF_TIME:
        raise Damaged("time out of range")
    if isinstance(first, Call | Withdrawn) and not UUID.fullmatch(first.call_id):
        raise Damaged("not a call id")
    if isinstance(first, Replayed) and (reason := unfit(first)):
        raise Damaged(reason)
    return line


def unfit(replay: Replayed) -> str | None:
    """Why a replay would not fit its row, None where it does; its time is looked at elsewhere."""
    if not (UUID.fullmatch(replay.replay_id) and UUID.fullmatch(replay.call_id)):
        return "not a call id"
    chance = replay.sampling_probability
    if not (replay.evidence != "replay" if chance is None else 0 < chance <= 1):
        return "sampling_probability is not above 0 and at most 1"
    counts = (
        replay.model_input_tokens,
        replay.model_output_tokens,
        replay.candidate_input_tokens,
        replay.candidate_output_tokens,
    )
    if any(count is not None and not 0 <= count <= LARGEST for count in counts):
        return "a token count is negative or too large"
    return None
