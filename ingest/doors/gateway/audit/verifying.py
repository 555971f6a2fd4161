"""Whether the audit still says what was written: every byte, every record, every file.

Files are measured first, then the checkpoints are read, then the files up to that measure, so that
processes may go on writing meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from hf_ledger.ingest.doors.gateway.audit.book import Book
from hf_ledger.ingest.doors.gateway.audit.chain import Walk
from hf_ledger.ingest.doors.gateway.audit.ending import has_ended, is_written
from hf_ledger.ingest.doors.gateway.audit.findings import (
    Broken,
    Report,
    at,
    following,
    just_read,
    whole,
)
from hf_ledger.ingest.doors.gateway.audit.head import (
    CHECKPOINTS,
    HEAD_FILE,
    files_in,
    folder_of,
    newest,
)
from hf_ledger.ingest.doors.gateway.audit.records import (
    LAST,
    Head,
    Opened,
    Rotated,
    Seen,
    record_of,
)
from hf_ledger.ingest.doors.gateway.audit.sealed import first_broken
from hf_ledger.ingest.doors.gateway.audit.signing import KEY_FILE, public_key
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

SEEN = b'"seen":{'
TRIES = 10


def verify(places: Places) -> list[Broken]:
    """What is broken, the first record of each file; empty where all is as it was written."""
    return examine(places).broken


def examine(places: Places, trusted: str | None = None, known: Seen | None = None) -> Report:
    """As `verify`, with counts; `trusted` is the public key where the signing key isn't here, and
    `known` a checkpoint that somebody noted elsewhere."""
    for _ in range(TRIES):
        before = newest(places)
        report = _Examination(places, trusted, known).report
        if not report.broken or newest(places) == before:
            break  # else a file may have been removed by rule while it was looked for
    return report


class _Examination:
    """One look at everything."""

    def __init__(self, places: Places, trusted: str | None, known: Seen | None) -> None:
        self._places = places
        self._folder = folder_of(places)
        self._sizes = _sizes(self._folder)
        self._known = known
        self._book = Book()
        self._chains: dict[str, bytes] = {}  # of each file's last record
        self._opened: dict[str, Opened] = {}
        self._rotated: dict[str, tuple[Walk, str]] = {}
        self._ended = False
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
        with _held(path):
            self._noted = newest(self._places)
            if path.exists() and path.stat().st_size:
                self._add(first_broken(path, self._book, trusted or self._public_key()))
            self._check_noted(trusted)
        self.report.checkpoints = len(self._book)
        self.report.newest = self._book.newest

    def _public_key(self) -> str | None:
        """Of the key at hand; without one, signatures are held against what they state."""
        try:
            found = public_key(self._places.keys)
        except Unusable:
            found = None
        if found is None:
            self._add(whole(KEY_FILE, "the key that signed the checkpoints is missing or damaged"))
        return found

    def _check_noted(self, trusted: str | None) -> None:
        """The newest checkpoint as noted beside the key, and by whoever asks."""
        if self._known and not self._book.knows(self._known):
            self._add(self._missing(self._known, "that you know of"))
        if self._noted and not self._book.knows(self._noted):
            self._add(self._missing(self._noted, f"that {HEAD_FILE} names"))
        elif self._noted is None and trusted is None and self._has_begun():
            self._add(
                whole(HEAD_FILE, "the note of the newest checkpoint is missing or unreadable")
            )

    def _has_begun(self) -> bool:
        return len(self._book) > 0 or (self._places.keys / KEY_FILE).exists()

    def _missing(self, seen: Seen, who: str) -> Broken:
        return following(
            CHECKPOINTS,
            self._book.walk,
            f"checkpoint {seen.number} {who} is missing or another",
        )

    # -- files ---------------------------------------------------------------------------------

    def _of_file(self, name: str) -> Broken | None:
        covered = self._book.heads.get(name) or self._book.removed.get(name)
        path, walk = self._folder / name, Walk()
        limit = max(self._sizes.get(name, 0), covered.bytes if covered else 0)
        try:
            broken = self._walked(path, walk, limit, covered) or _of_tail(path, walk, covered)
        except FileNotFoundError:
            gone = name in self._book.removed
            return None if gone else following(name, Walk(), "the file is missing")
        self.report.files += 1
        self.report.records += walk.records
        self.report.uncovered += max(0, walk.records - (covered.records if covered else 0))
        self._chains[name] = walk.chain
        return broken

    def _walked(self, path: Path, walk: Walk, limit: int, covered: Head | None) -> Broken | None:
        """The chain, its agreement with the newest checkpoint, and the checkpoints it has seen."""
        over, agreed = False, covered is None
        seen: tuple[Walk, Seen] | None = None
        with path.open("rb") as file:
            for line in walk.lines(file, limit):
                if walk.records == 1 and (why := self._introduced(path.name, line)):
                    return following(path.name, Walk(), why)
                if over:
                    return just_read(path.name, walk, line, "stands behind the end of the file")
                if not agreed and covered and walk.size >= covered.bytes:
                    if walk.chain.decode() != covered.chain:
                        return just_read(path.name, walk, line, "or one before it was rewritten")
                    agreed = True
                if SEEN in line:
                    seen = _seen(walk, line) or seen
                if line.startswith(LAST):
                    over = True
                    self._note_last(path.name, walk, line)
        if seen and not self._book.knows(seen[1]):
            self._add(self._missing(seen[1], f"that record {seen[0].records} of {path.name} saw"))
        return None

    def _introduced(self, name: str, line: bytes) -> str | None:
        opened = record_of(line)
        if not isinstance(opened, Opened) or opened.file != name:
            return "does not introduce this file"
        self._opened[name] = opened
        return None

    def _note_last(self, name: str, walk: Walk, line: bytes) -> None:
        last = record_of(line)
        if isinstance(last, Rotated):
            self._rotated[name] = (at(walk, line), last.successor)
        else:
            self._ended = True

    def _check_neighbours(self) -> None:
        """A file's successor is there; its predecessor too, as it was when the file was begun; and
        a process that ended left a checkpoint."""
        if self._ended and not self.report.checkpoints:
            self._add(whole(CHECKPOINTS, "there are none, although a process ended and left one"))
        for name, (place, successor) in self._rotated.items():
            there = successor in self._book.removed or (self._folder / successor).exists()
            if not there:
                self._add(following(name, place, f"its successor {successor} is missing"))
        for name, opened in self._opened.items():
            before = opened.previous
            if not before or before.file in self._book.removed:
                continue
            if self._chain_of(before.file, before.chain) != before.chain:
                why = f"{before.file}, which it goes on from, is missing or another"
                self._add(following(name, Walk(), why))

    def _chain_of(self, name: str, expected: str) -> str:
        """A file's last chain hash; looked up again where it is just being rotated."""
        chain, path = self._chains.get(name, b"").decode(), self._folder / name
        for _ in range(TRIES):
            if chain == expected or not path.exists():
                break
            chain = _last_chain(path)
            time.sleep(0.005)
        return chain


def _last_chain(path: Path) -> str:
    walk = Walk()
    with path.open("rb") as file:
        for _ in walk.lines(file, path.stat().st_size):
            pass
    return walk.chain.decode()


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """No checkpoint is added meanwhile: the last one, its key and its note belong together."""
    if not path.exists():
        yield
        return
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _sizes(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in files_in(folder):
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.stat().st_size
    return found


def _of_tail(path: Path, walk: Walk, covered: Head | None) -> Broken | None:
    """What stands behind the last record that holds, and whether records are missing there."""
    if walk.broken:
        return following(path.name, walk, walk.broken)
    if covered and walk.size < covered.bytes:
        missing = covered.records - walk.records
        return following(
            path.name, walk, f"{max(missing, 1)} covered records are missing from here"
        )
    return _of_torn(path, walk, covered)


def _of_torn(path: Path, walk: Walk, covered: Head | None) -> Broken | None:
    """A killed process may leave a piece of a record, and a living one is just writing it."""
    if covered and covered.torn:
        if covered.torn == sha256(walk.torn).hexdigest():
            return None
        return following(path.name, walk, "what its killed process left there was changed")
    if not walk.torn or is_written(path):
        return None
    if has_ended(path):
        return following(path.name, walk, "stands behind the end of the file")
    return following(path.name, walk, "breaks off; its process did not end by itself", "torn")


def _seen(walk: Walk, line: bytes) -> tuple[Walk, Seen] | None:
    record = record_of(line)
    return (at(walk, line), record.seen) if record and record.seen else None
