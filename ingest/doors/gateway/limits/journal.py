"""The budgets' journal: append-only lines, each written whole before a grant is answered.

`gateway/budgets-<start>.ndjson` (0600), closed by a CRC as the spool's lines are. A line holds all
that one exchange changed as cumulative figures, so the last line of a share is its truth and a line
read twice changes nothing. At start the past is written into one new file and the old ones go.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import msgspec

from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.lines import damage

FOLDER = "gateway"
SYNC_SECONDS = 0.2

NOT_WRITABLE = "the budgets' journal {path} can't be written ({why}): make room or repair it."

_log = logging.getLogger("hf_ledger")


class Share(msgspec.Struct, array_like=True):
    """One gateway's share of one budget's period, nano-USD, cumulative."""

    budget_id: str
    period: str
    granted: int = 0
    spent: int = 0
    returned: int = 0

    @property
    def outstanding(self) -> int:
        return self.granted - self.spent - self.returned


class Entry(msgspec.Struct, omit_defaults=True):
    """Shares of one gateway process as they stand from now on; `""` is all that are gone."""

    gateway: str
    host: str = ""
    pid: int = 0
    process_start: str = ""
    closed: bool = False
    shares: list[Share] = []


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def sealed(entry: Entry) -> bytes:
    """The entry's line with CRC and newline."""
    body = _encoder.encode(entry)[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def read_entries(places: Places) -> Iterator[Entry]:
    """All entries of the newest file, in order; a line that can't be trusted is left out and said.

    Each file begins with all that was known, so an older one that a start cut short left behind
    has nothing to add.
    """
    for path in files(places)[-1:]:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            reason = damage(line)
            if reason:
                _log.warning("line %d of %s is left out: %s", number, path, reason)
            else:
                yield _decoder.decode(line)


def files(places: Places) -> list[Path]:
    """The journal's files, oldest first."""
    return sorted((places.root / FOLDER).glob("budgets-*.ndjson"))


class Journal:
    """Appends entries to a file of its own; a thread brings them to the disk."""

    def __init__(self, places: Places, past: Iterable[Entry]) -> None:
        old = files(places)
        self.path = _named(places)
        try:
            self._file = _begun(self.path, b"".join(map(sealed, past)))
        except OSError as error:
            raise _unwritable(self.path, error) from error
        for each in old:
            each.unlink(missing_ok=True)
        self._dirty = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._sync, name="hf-ledger-budgets", daemon=True)
        self._thread.start()

    def write(self, entry: Entry) -> None:
        """Append one entry with one write; `Unusable` where it does not fit, and nothing of it
        stays."""
        line = sealed(entry)
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if written < len(line):
            # What follows half a line would be damaged with it.
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise Unusable(NOT_WRITABLE.format(path=self.path, why="no space left"))
        self._dirty = True

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        self._closing.set()
        self._thread.join()
        os.close(self._file)

    def _sync(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            self._sync_once()
        self._sync_once()

    def _sync_once(self) -> None:
        if self._dirty:
            self._dirty = False
            with suppress(OSError):
                os.fdatasync(self._file)


def _named(places: Places) -> Path:
    places.make()
    folder = places.make(places.root / FOLDER)
    # Twenty digits, so that names sort as their times do.
    return folder / f"budgets-{time.time_ns():020d}.ndjson"


def _begun(path: Path, past: bytes) -> int:
    """The new file with the past in it, safe on the disk before anybody sees it."""
    draft = path.with_suffix(".draft")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    descriptor = os.open(draft, flags, 0o600)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(past)
    os.fsync(descriptor)
    draft.rename(path)
    _sync_folder(path.parent)
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> Unusable:
    return Unusable(NOT_WRITABLE.format(path=path, why=error.strerror))
