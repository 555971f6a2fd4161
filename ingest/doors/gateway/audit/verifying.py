"""Whether the audit still says what was written: every byte, every record, every file.

Files are measured first, then the checkpoints are read, then the files up to that measure, so that
processes may go on writing meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from hf_ledger.ingest.doors.gateway.audit.book import Book
from hf_ledger.ingest.doors.gateway.audit.chain import Walk
from hf_ledger.ingest.doors.gateway.audit.ending import is_written
from hf_ledger.ingest.doors.gateway.audit.head import (
    CHECKPOINTS,
    HEAD_FILE,
    files_in,
    folder_of,
    newest,
)
from hf_ledger.ingest.doors.gateway.audit.records import (
    LAST,
    Checkpoint,
    Head,
    Opened,
    Rotated,
    Seen,
    record_of,
)
from hf_ledger.ingest.doors.gateway.audit.signing import KEY_FILE, public_key, signed
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

SEEN = b'"seen":{'
SIGNATURE = b',"signature":"'


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing in a file that is not as it was written."""

    file: str
    record: int  # from 1
    offset: int  # of its first byte
    why: str
    kind: Literal["tampered", "torn"] = "tampered"


@dataclass
class Report:
    """What was looked at, and what is wrong with it."""

    broken: list[Broken] = field(default_factory=list)
    files: int = 0
    records: int = 0
    uncovered: int = 0  # records written since the newest checkpoint
    checkpoints: int = 0
    newest: Seen | None = None


def verify(places: Places) -> list[Broken]:
    """What is broken, the first record of each file; empty where all is as it was written."""
    return examine(places).broken


def examine(places: Places, trusted: str | None = None, known: Seen | None = None) -> Report:
    """As `verify`, with counts; `trusted` is the public key where the signing key isn't here, and
    `known` a checkpoint that somebody noted elsewhere."""
    return _Examination(places, trusted, known).report


class _Examination:
    """One look at everything."""

    def __init__(self, places: Places, trusted: str | None, known: Seen | None) -> None:
        self._places = places
        self._folder = folder_of(places)
        self._sizes = {path.name: path.stat().st_size for path in files_in(self._folder)}
        self._noted = newest(places)
        self._known = known
        self._book = Book()
        self._chains: dict[str, bytes] = {}  # of each file's last record
        self._opened: dict[str, Opened] = {}
        self._rotated: dict[str, tuple[Walk, str]] = {}
        self.report = Report()
        self._check_checkpoints(trusted)
        for name in sorted({*self._sizes, *self._book.heads}):
            self._add(self._of_file(name))
        self._check_neighbours()

    def _add(self, broken: Broken | None) -> None:
        """Each file's first."""
        if broken and broken.file not in {each.file for each in self.report.broken}:
            self.report.broken.append(broken)

    # -- checkpoints ---------------------------------------------------------------------------

    def _check_checkpoints(self, trusted: str | None) -> None:
        path = self._folder / CHECKPOINTS
        if path.exists():
            self._add(self._of_checkpoints(path, trusted or self._public_key()))
        self.report.checkpoints = len(self._book)
        self.report.newest = self._book.newest
        self._check_noted(path, trusted)

    def _public_key(self) -> str | None:
        """Of the key at hand; without one, signatures are held against what they state."""
        try:
            found = public_key(self._places.keys)
        except Unusable:
            found = None
        if found is None:
            self._add(_of(KEY_FILE, "the key that signed the checkpoints is missing or damaged"))
        return found

    def _of_checkpoints(self, path: Path, trusted: str | None) -> Broken | None:
        """The chain, then the newest signature: it holds only if all before it is as signed."""
        before, at, last = Walk().chain, Walk(), None
        with path.open("rb") as file:
            for checkpoint, line in self._book.lines(file, path.stat().st_size):
                if why := _says_no(checkpoint, trusted):
                    return _broken(CHECKPOINTS, at, why)
                before, last = at.chain, (line, checkpoint)
                at = Walk(self._book.walk.records, self._book.walk.size, self._book.walk.chain)
        if last and not _is_signed(*last, before):
            return self._first_unsigned(path)
        walk = self._book.walk
        if walk.torn:
            return _broken(CHECKPOINTS, walk, "breaks off", "torn")
        return _broken(CHECKPOINTS, walk, walk.broken) if walk.broken else None

    def _first_unsigned(self, path: Path) -> Broken | None:
        at, book = Walk(), Book()
        with path.open("rb") as file:
            for checkpoint, line in book.lines(file, path.stat().st_size):
                if not _is_signed(line, checkpoint, at.chain):
                    return _broken(CHECKPOINTS, at, "its signature does not hold")
                at = Walk(book.walk.records, book.walk.size, book.walk.chain)
        return None

    def _check_noted(self, path: Path, trusted: str | None) -> None:
        """The newest checkpoint as noted beside the key, and by whoever asks."""
        if self._known and not self._book.knows(self._known):
            self._add(self._missing(self._known, "that you know of"))
        if self._noted and not self._book.knows(self._noted):
            self._add(self._missing(self._noted, f"that {HEAD_FILE} names"))
        elif self._noted is None and trusted is None and self._has_begun(path):
            self._add(_of(HEAD_FILE, "the note of the newest checkpoint is missing or unreadable"))

    def _has_begun(self, path: Path) -> bool:
        return path.exists() or (self._places.keys / KEY_FILE).exists()

    def _missing(self, seen: Seen, who: str) -> Broken:
        return _broken(
            CHECKPOINTS,
            self._book.walk,
            f"checkpoint {seen.number} {who} is missing or another",
        )

    # -- files ---------------------------------------------------------------------------------

    def _of_file(self, name: str) -> Broken | None:
        covered = self._book.heads.get(name) or self._book.removed.get(name)
        path, walk = self._folder / name, Walk()
        if not path.exists():
            gone = name in self._book.removed
            return None if gone else _broken(name, walk, "the file is missing")
        limit = max(self._sizes.get(name, 0), covered.bytes if covered else 0)
        self.report.files += 1
        broken = self._walked(path, walk, limit, covered) or _of_tail(path, walk, covered)
        self.report.records += walk.records
        self.report.uncovered += max(0, walk.records - (covered.records if covered else 0))
        self._chains[name] = walk.chain
        return broken

    def _walked(self, path: Path, walk: Walk, limit: int, covered: Head | None) -> Broken | None:
        """The chain, its agreement with the newest checkpoint, and the checkpoints it has seen."""
        over = False
        seen: tuple[Walk, Seen] | None = None
        until = covered.bytes if covered else -1
        with path.open("rb") as file:
            for line in walk.lines(file, limit):
                if walk.records == 1 and (why := self._introduced(path.name, line)):
                    return _broken(path.name, Walk(), why)
                if over:
                    return _before(path.name, walk, line, "stands behind the end of the file")
                if walk.size == until and covered and walk.chain.decode() != covered.chain:
                    return _before(path.name, walk, line, "or one before it was rewritten")
                if SEEN in line:
                    seen = _seen(walk, line) or seen
                if line.startswith(LAST):
                    over = True
                    self._note_rotation(path.name, walk, line)
        if seen and not self._book.knows(seen[1]):
            self._add(self._missing(seen[1], f"that record {seen[0].records} of {path.name} saw"))
        return None

    def _introduced(self, name: str, line: bytes) -> str | None:
        opened = record_of(line)
        if not isinstance(opened, Opened) or opened.file != name:
            return "does not introduce this file"
        self._opened[name] = opened
        return None

    def _note_rotation(self, name: str, walk: Walk, line: bytes) -> None:
        last = record_of(line)
        if isinstance(last, Rotated):
            self._rotated[name] = (_at(walk, line), last.successor)

    def _check_neighbours(self) -> None:
        """A file's successor is there; its predecessor too, as it was when the file was begun."""
        there = {*self._chains, *self._book.removed}
        for name, (at, successor) in self._rotated.items():
            if successor not in there:
                self._add(_broken(name, at, f"its successor {successor} is missing"))
        for name, opened in self._opened.items():
            before = opened.previous
            if not before or before.file in self._book.removed:
                continue
            if self._chains.get(before.file, b"").decode() != before.chain:
                why = f"{before.file}, which it goes on from, is missing or another"
                self._add(_broken(name, Walk(), why))


def _says_no(checkpoint: Checkpoint, trusted: str | None) -> str | None:
    if trusted and checkpoint.public_key != trusted:
        return "is signed with another key"
    if checkpoint.cut:
        which = checkpoint.cut.number or "(unknown which)"
        return f"says that checkpoint {which} was taken away before it was written"
    return None


def _is_signed(line: bytes, checkpoint: Checkpoint, before: bytes) -> bool:
    content, mark, rest = line.rpartition(SIGNATURE)
    exact = rest.startswith(checkpoint.signature.encode() + b'","chain":"')
    lower = checkpoint.signature == checkpoint.signature.lower()
    return (
        bool(mark)
        and exact
        and lower
        and signed(checkpoint.public_key, before, content, checkpoint.signature)
    )


def _of_tail(path: Path, walk: Walk, covered: Head | None) -> Broken | None:
    """What stands behind the last record that holds, and whether records are missing there."""
    if walk.broken:
        return _broken(path.name, walk, walk.broken)
    if covered and walk.size < covered.bytes:
        missing = covered.records - walk.records
        return _broken(path.name, walk, f"{max(missing, 1)} covered records are missing from here")
    return _of_torn(path, walk, covered)


def _of_torn(path: Path, walk: Walk, covered: Head | None) -> Broken | None:
    """A killed process may leave a piece of a record, and a living one is just writing it."""
    if covered and covered.torn:
        if covered.torn == sha256(walk.torn).hexdigest():
            return None
        return _broken(path.name, walk, "what its killed process left there was changed")
    if not walk.torn or is_written(path):
        return None
    return _broken(path.name, walk, "breaks off; its process did not end by itself", "torn")


def _seen(walk: Walk, line: bytes) -> tuple[Walk, Seen] | None:
    record = record_of(line)
    return (_at(walk, line), record.seen) if record and record.seen else None


def _at(walk: Walk, line: bytes) -> Walk:
    return Walk(walk.records, walk.size - len(line))


def _before(name: str, walk: Walk, line: bytes, why: str) -> Broken:
    return Broken(file=name, record=walk.records, offset=walk.size - len(line), why=why)


def _broken(
    name: str, walk: Walk, why: str, kind: Literal["tampered", "torn"] = "tampered"
) -> Broken:
    """Of the record behind the last that holds."""
    return Broken(file=name, record=walk.records + 1, offset=walk.size, why=why, kind=kind)


def _of(name: str, why: str) -> Broken:
    return Broken(file=name, record=0, offset=0, why=why)
