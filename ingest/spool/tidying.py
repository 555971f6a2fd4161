"""Remove what has served: segments taken whole, and block hashes, both after seven days."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from hf_ledger.ingest.ledger.ledger import Ledger, transaction
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.keeping import keep_rejected
from hf_ledger.ingest.spool.reading import PIECE_BYTES, SUFFIX, Batch, Position, Rejected

#: So long a damaged ledger can be refilled from the segments.
KEEP_DAYS = 7

TAKEN = """
select
    name,
    taken_bytes,
    taken_lines
from segments
"""

FORGET_BLOCKS = """
delete from prefixes
where ts < $before
"""


@dataclass
class Tidied:
    segments: int = 0
    torn: int = 0


def tidy(ledger: Ledger, places: Places, now: float | None = None) -> Tidied:
    """Delete segments untouched for seven days whose whole lines are all in the ledger.

    A torn tail that nobody completed in that time goes to quarantine first. `now` is in seconds
    since 1970. A segment of which the ledger has not taken everything is never deleted.
    """
    oldest = (time.time() if now is None else now) - KEEP_DAYS * 86400
    done = Tidied()
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            _forget_blocks(cursor, oldest)
            for name, taken, lines in cursor.execute(TAKEN).fetchall():
                path = places.spool / name
                tail = _served(path, taken, oldest)
                if tail is not None:
                    _remove(cursor, path, Position(name, lines + 1, taken), tail, done)
        finally:
            cursor.close()
    return done


def _forget_blocks(cursor: duckdb.DuckDBPyConnection, oldest: float) -> None:
    before = datetime.fromtimestamp(oldest, UTC).replace(tzinfo=None)
    cursor.execute(FORGET_BLOCKS, {"before": before})


def _served(path: Path, taken: int, oldest: float) -> int | None:
    """Bytes of a torn tail (0 for none) where the segment may go; None where it must stay."""
    if path.suffix != SUFFIX or not path.exists():
        return None
    state = path.stat()
    if state.st_mtime > oldest:
        return None
    with path.open("rb") as file:
        file.seek(taken)
        while piece := file.read(PIECE_BYTES):
            if b"\n" in piece:
                return None
    return state.st_size - taken


def _remove(
    cursor: duckdb.DuckDBPyConnection, path: Path, end: Position, tail: int, done: Tidied
) -> None:
    if tail:
        torn = Rejected(end, "torn: the line was never finished")
        with transaction(cursor):
            keep_rejected(cursor, Batch(rejected=[torn]))
        done.torn += 1
    path.unlink(missing_ok=True)
    done.segments += 1
