"""Load segments into the ledger exactly once: lines and the offsets behind them commit together.

A collector that is killed leaves either both or neither; a segment read again (after a restore,
say) adds nothing, because a call is known by its id and start.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import msgspec

from hf_ledger.ingest.call import Call, Recorder
from hf_ledger.ingest.catalogue.costing import enrich
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger, transaction
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.filling import NOT_ALL_KEPT, Filled, filled_ahead
from hf_ledger.ingest.spool.keeping import (
    keep_noticed,
    keep_opened,
    keep_rejected,
    keep_replays,
    keep_routes,
    keep_segments,
)
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.prefixes import fill_prefixes
from hf_ledger.ingest.spool.process import is_gone
from hf_ledger.ingest.spool.reading import Batch, Segment, Untaken
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

KEEP_CALLS = """
insert into calls
select * exclude (prefix, prefix_route)
from staged
"""

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

Process = tuple[str, int, str]  # host, pid, start

_log = logging.getLogger("hf_ledger")
_call_decoder = msgspec.json.Decoder(Call)
_recorder_decoder = msgspec.json.Decoder(Recorder)


#: Lines on their way into DuckDB, for the batch under way and the one after it.
LINES = ("collecting.ndjson", "collecting-next.ndjson")


@dataclass
class Collected:
    """What a collection brought: rows by kind, and the lines read of each segment."""

    new: int = 0
    known: int = 0
    quarantined: int = 0
    lost: int = 0
    routes: int = 0
    noticed: int = 0
    replays: int = 0
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
    with ledger.writing, ExitStack() as opened:
        stages = [_stage(ledger, places.make() / name, opened) for name in LINES]
        _collect_segments(stages, places, done)
        gone = _gone(stages[0].cursor)
        if gone:
            # They may have written their last lines after we had read and before they ended.
            _collect_segments(stages, places, done)
        for process in gone:
            _collect_lost(stages[0], process, done)
    return done


def _stage(ledger: Ledger, path: Path, opened: ExitStack) -> Stage:
    return Stage(opened.enter_context(closing(ledger.cursor())), path)


def _collect_segments(stages: Sequence[Stage], places: Places, done: Collected) -> None:
    untaken = Untaken(places.spool, known_segments(stages[0].cursor))
    # Closed before the cursors are: the thread that stages ahead ends with it.
    with closing(filled_ahead(stages, untaken)) as batches:
        for filled in batches:
            _collect_batch(filled, done)


def known_segments(cursor: duckdb.DuckDBPyConnection) -> dict[str, Segment]:
    """How far each segment has been taken, by name."""
    return {
        name: Segment(name, taken, lines, first, recorder and _recorder(recorder))
        for name, taken, lines, first, recorder in cursor.execute(KNOWN_SEGMENTS).fetchall()
    }


def _collect_batch(filled: Filled, done: Collected) -> None:
    """One transaction; tried again with those calls aside that can't be priced."""
    try:
        new = _commit(filled)
    except AT_FAULT:
        _park_unpriceable(filled.stage)
        new = _commit(filled)
    batch = filled.batch
    done.new += new
    done.known += filled.lines - new
    done.unpriced_by_error += filled.stage.parked
    done.quarantined += len(batch.rejected)
    done.noticed += sum(sum(notice.counts.values()) for _, notice in batch.noticed)
    done.replays += len(batch.replays)
    done.routes += len(batch.routes)
    for name, lines in batch.lines.items():
        done.segments[name] = done.segments.get(name, 0) + lines


def _park_unpriceable(stage: Stage) -> None:
    """Take out the calls that sizing or pricing fails on: they are kept, their cost unknown."""
    failing = stage.failing(lambda: enrich(stage.cursor))
    if failing:
        _log.error("hf-ledger could not price %d calls; they are kept unpriced", len(failing))
        stage.park(failing)


def _commit(filled: Filled) -> int:
    """One batch and its offsets in one transaction; the number of new rows."""
    cursor, batch = filled.stage.cursor, filled.batch
    with transaction(cursor):
        keep_routes(cursor, batch)
        new = _keep_calls(filled.stage, filled.rows)
        keep_opened(cursor, batch)
        keep_noticed(cursor, batch)
        keep_replays(cursor, batch)
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
    fill_prefixes(cursor)
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
    stage.clear()
    staged = stage.add([_lost(line) for (line,) in found]) - stage.drop_repeated()
    with transaction(cursor):
        done.lost += _keep_calls(stage, staged)
        keep_opened(cursor, Batch())


def _lost(line: str) -> bytes:
    call = msgspec.structs.replace(_call_decoder.decode(line), outcome="lost")
    return encode(call)


def _recorder(line: str) -> Recorder:
    return _recorder_decoder.decode(line)


def _count(inserted: duckdb.DuckDBPyConnection) -> int:
    (count,) = inserted.fetchone() or (0,)
    return int(count)
