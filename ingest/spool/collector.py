"""Load segments into the ledger exactly once: lines and the offsets behind them commit together.

A collector that is killed leaves either both or neither; a segment read again (after a restore,
say) adds nothing, because a call is known by its id and start.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import msgspec

from hf_ledger.ingest.call import Call, Recorder
from hf_ledger.ingest.catalogue.costing import enrich
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger, transaction
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.keeping import (
    keep_noticed,
    keep_opened,
    keep_rejected,
    keep_routes,
    keep_segments,
)
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.process import is_gone
from hf_ledger.ingest.spool.reading import Batch, Rejected, Segment, batches
from hf_ledger.ingest.spool.staging import AT_FAULT, Stage

KNOWN_SEGMENTS = """
select
    name,
    taken_bytes,
    taken_lines,
    first_seen,
    recorder
from segments
"""

BOUNDS = """
select
    min(ts),
    max(ts)
from staged
"""

# The bounds let DuckDB skip all row groups but the batch's own: 3 ms instead of 560 at 10⁸ rows.
DROP_KNOWN = """
delete from staged
using calls
where calls.call_id = staged.call_id
    and calls.ts = staged.ts
    and calls.ts between $first and $last
    and calls.outcome <> 'lost'
"""

# The call ended after all: its own line replaces the row made from its start mark.
DROP_LOST = """
delete from calls
using staged
where calls.call_id = staged.call_id
    and calls.ts = staged.ts
    and calls.ts between $first and $last
    and calls.outcome = 'lost'
"""

DROP_KNOWN_BLOCKS = """
delete from staged_blocks
where call_id not in (select call_id from staged)
"""

KEEP_CALLS = "insert into calls from staged"
KEEP_BLOCKS = "insert into prefixes from staged_blocks"

OPENED_BY = """
select distinct
    host,
    pid,
    process_start
from open_calls
"""

OPENED_LINES = """
select cast(line as varchar)
from open_calls
where host = $host
    and pid = $pid
    and process_start = $process_start
"""

NOT_ALL_KEPT = (
    "the ledger would have kept {kept} of {expected} new calls: nothing was taken and all of it "
    "is still in spool/. This is a defect of hf-ledger or DuckDB; please report it."
)

Process = tuple[str, int, str]  # host, pid, start

_log = logging.getLogger("hf_ledger")
_call_decoder = msgspec.json.Decoder(Call)


@dataclass
class Collected:
    """What a collection brought: rows by kind, and the lines read of each segment."""

    new: int = 0
    known: int = 0
    quarantined: int = 0
    lost: int = 0
    routes: int = 0
    noticed: int = 0
    unpriced_by_error: int = 0
    segments: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything in the ledger changed."""
        return bool(self.segments or self.lost)


def collect(ledger: Ledger, places: Places) -> Collected:
    """Bring everything that whole lines in the spool say into the ledger, then what was lost.

    Raises duckdb.Error or OSError where the ledger or the disk fails; nothing is half done then.
    """
    done = Collected()
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            stage = Stage(cursor, places.make())
            _collect_segments(stage, places, done)
            gone = _gone(cursor)
            if gone:
                # They may have written their last lines after we had read and before they ended.
                _collect_segments(stage, places, done)
            for process in gone:
                _collect_lost(stage, process, done)
        finally:
            cursor.close()
    return done


def _collect_segments(stage: Stage, places: Places, done: Collected) -> None:
    for batch in batches(places.spool, known_segments(stage.cursor)):
        _collect_batch(stage, batch, done)


def known_segments(cursor: duckdb.DuckDBPyConnection) -> dict[str, Segment]:
    """How far each segment has been taken, by name."""
    return {
        name: Segment(name, taken, lines, first, recorder and _recorder(recorder))
        for name, taken, lines, first, recorder in cursor.execute(KNOWN_SEGMENTS).fetchall()
    }


def _collect_batch(stage: Stage, batch: Batch, done: Collected) -> None:
    """One transaction; tried again without the lines at fault where DuckDB refuses some."""
    unpriced: list[bytes] = []
    try:
        new = _commit(stage, batch, unpriced)
    except AT_FAULT:
        _set_aside(stage, batch)
        unpriced = _unpriceable(stage, batch)
        new = _commit(stage, batch, unpriced)
    done.new += new
    done.known += len(batch.calls) + len(unpriced) - new
    done.unpriced_by_error += len(unpriced)
    done.quarantined += len(batch.rejected)
    done.noticed += sum(sum(notice.counts.values()) for _, notice in batch.noticed)
    done.routes += len(batch.routes)
    for name, lines in batch.lines.items():
        done.segments[name] = done.segments.get(name, 0) + lines


def _set_aside(stage: Stage, batch: Batch) -> None:
    """Move the lines that can't become a row to quarantine."""
    refused = stage.refused(batch.calls)
    batch.rejected += [
        Rejected(batch.positions[index], "not readable as a call") for index in refused
    ]
    batch.calls = batch.without(refused)


def _unpriceable(stage: Stage, batch: Batch) -> list[bytes]:
    """Take out the calls that sizing or pricing fails on: they are kept, their cost unknown."""
    refused = stage.refused(batch.calls, lambda: enrich(stage.cursor))
    lines = [batch.calls[index] for index in refused]
    if lines:
        _log.error("hf-ledger could not price %d calls; they are kept unpriced", len(lines))
    batch.calls = batch.without(refused)
    return lines


def _commit(stage: Stage, batch: Batch, unpriced: Sequence[bytes]) -> int:
    """One batch and its offsets in one transaction; the number of new rows."""
    cursor = stage.cursor
    staged = stage.fill(batch.calls, unpriced)
    with transaction(cursor):
        keep_routes(cursor, batch)
        new = _keep_calls(stage, staged)
        keep_opened(cursor, batch)
        keep_noticed(cursor, batch)
        keep_rejected(cursor, batch)
        keep_segments(cursor, batch)
    return new


def _keep_calls(stage: Stage, staged: int) -> int:
    """Add the staged calls that are not known yet; the number of rows added."""
    if not staged:
        return 0
    cursor = stage.cursor
    known = _drop_known(cursor)
    enrich(cursor)
    stage.unpark()
    known += _drop_known(cursor)
    cursor.execute(DROP_KNOWN_BLOCKS)
    cursor.execute(KEEP_BLOCKS)
    kept = _count(cursor.execute(KEEP_CALLS))
    if kept != staged - known:
        raise Unusable(NOT_ALL_KEPT.format(kept=kept, expected=staged - known))
    return kept


def _drop_known(cursor: duckdb.DuckDBPyConnection) -> int:
    """Take the calls that the ledger has out of `staged`; how many those were."""
    first, last = cursor.execute(BOUNDS).fetchone() or (None, None)
    if first is None:
        return 0
    bounds = {"first": first, "last": last}
    known = _count(cursor.execute(DROP_KNOWN, bounds))
    cursor.execute(DROP_LOST, bounds)
    return known


def _gone(cursor: duckdb.DuckDBPyConnection) -> list[Process]:
    """Processes that had calls under way and are known to have ended."""
    opened = cursor.execute(OPENED_BY).fetchall()
    return [(host, pid, start) for host, pid, start in opened if is_gone(host, pid, start)]


def _collect_lost(stage: Stage, process: Process, done: Collected) -> None:
    """Calls whose process is gone without an end become rows of outcome `lost`."""
    cursor = stage.cursor
    values = dict(zip(("host", "pid", "process_start"), process, strict=True))
    found = cursor.execute(OPENED_LINES, values).fetchall()
    staged = stage.fill([_lost(line) for (line,) in found])
    with transaction(cursor):
        done.lost += _keep_calls(stage, staged)
        keep_opened(cursor, Batch())


def _lost(line: str) -> bytes:
    call = msgspec.structs.replace(_call_decoder.decode(line), outcome="lost")
    return encode(call).rstrip(b"\n")


def _recorder(line: str) -> Recorder:
    return msgspec.json.decode(line, type=Recorder)


def _count(inserted: duckdb.DuckDBPyConnection) -> int:
    (count,) = inserted.fetchone() or (0,)
    return int(count)
