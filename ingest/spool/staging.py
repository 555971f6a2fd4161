"""Call lines become rows of the temp table `staged`, which has the columns of `calls`.

DuckDB's JSON reader takes all lines of a batch at once. It refuses a batch for one line, so what
it refuses is bisected: each guilty line is found in about log2(n) readings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What DuckDB raises for a line that is at fault. A full disk or memory is not its fault.
AT_FAULT = (duckdb.DataError, duckdb.ProgrammingError, duckdb.IntegrityError)

CREATE = """
create or replace temp table staged as
from calls
limit 0
"""

CREATE_BLOCKS = """
create or replace temp table staged_blocks as
from prefixes
limit 0
"""

# Whole numbers of JSON are read exactly, decimals only as strings.
READ = """
create or replace temp table read as
from read_json(
    $path,
    format = 'newline_delimited',
    auto_detect = false,
    columns = {
        call_id: 'uuid',
        ts: 'bigint',
        source: 'varchar',
        origin: 'varchar',
        purpose: 'varchar',
        external_id: 'varchar',
        operation_id: 'varchar',
        operation: 'varchar',
        attempt: 'smallint',
        fallback_of: 'varchar',
        app: 'varchar',
        environment: 'varchar',
        team: 'varchar',
        project: 'varchar',
        user_id: 'varchar',
        key_id: 'varchar',
        tags: 'map(varchar, varchar)',
        host_kind: 'varchar',
        provider: 'varchar',
        routing: 'varchar',
        requested_model: 'varchar',
        provider_model: 'varchar',
        endpoint: 'varchar',
        task: 'varchar',
        stream: 'boolean',
        uncached_input_tokens: 'bigint',
        cache_read_tokens: 'bigint',
        cache_write_tokens: 'bigint',
        output_tokens: 'bigint',
        reasoning_tokens: 'bigint',
        tokens_source: 'varchar',
        input_chars: 'bigint',
        audio_seconds: 'double',
        images: 'integer',
        units: 'varchar',
        unit_kind: 'varchar',
        input_hash: 'varchar',
        template_hash: 'varchar',
        hash_key_id: 'varchar',
        prefix: 'bigint[]',
        shape: 'map(varchar, double)',
        outcome: 'varchar',
        status: 'smallint',
        error_kind: 'varchar',
        latency_ms: 'double',
        ttft_ms: 'double',
        compute_seconds: 'double',
        compute_type: 'varchar',
        cached_reply: 'boolean',
        request_id: 'varchar',
        provider_request_id: 'varchar',
        session_id: 'varchar',
        bill_to: 'varchar',
        payer: 'varchar',
        reported_cost: 'varchar',
        stated_cost: 'varchar'
    }
)
"""

# A line leaves out what has its default; 900 s and 5 % are the widths of the two kinds of bins.
STAGE = """
insert into staged by name
select
    coalesce(call_id, error('a call without an id')) as call_id,
    make_timestamp(coalesce(ts, error('a call without a time'))) as ts,
    cast(ts // 900000000 as integer) as bucket15,
    coalesce(source, 'hook') as source,
    coalesce(origin, 'live') as origin,
    coalesce(purpose, 'work') as purpose,
    external_id,
    operation_id,
    operation,
    coalesce(attempt, 1) as attempt,
    try_cast(fallback_of as uuid) as fallback_of,
    app,
    environment,
    team,
    project,
    user_id,
    key_id,
    tags,
    host_kind,
    provider,
    routing,
    requested_model,
    provider_model,
    endpoint,
    task,
    coalesce(stream, false) as stream,
    uncached_input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    reasoning_tokens,
    coalesce(tokens_source, 'none') as tokens_source,
    input_chars,
    audio_seconds,
    images,
    try_cast(units as decimal(18, 9)) as units,
    unit_kind,
    input_hash,
    template_hash,
    hash_key_id,
    shape,
    coalesce(outcome, 'ok') as outcome,
    status,
    error_kind,
    case when latency_ms >= 0 then latency_ms end as latency_ms,
    case when ttft_ms >= 0 then ttft_ms end as ttft_ms,
    case
        when latency_ms >= 1 then cast(floor(ln(latency_ms) / ln(1.05)) as smallint)
        when latency_ms >= 0 then 0
    end as lat_bin,
    case
        when ttft_ms >= 1 then cast(floor(ln(ttft_ms) / ln(1.05)) as smallint)
        when ttft_ms >= 0 then 0
    end as ttft_bin,
    compute_seconds,
    compute_type,
    coalesce(cached_reply, false) as cached_reply,
    request_id,
    provider_request_id,
    session_id,
    bill_to,
    payer,
    try_cast(reported_cost as decimal(18, 9)) as reported_cost,
    try_cast(stated_cost as decimal(18, 9)) as stated_cost,
    'unknown' as cost_basis
from read
"""

STAGE_BLOCKS = """
insert into staged_blocks
select
    call_id,
    make_timestamp(ts),
    prefix
from read
where len(prefix) > 0
"""


# A batch rarely holds a call twice; keeping one of each by `distinct on` costs more than reading.
DROP_REPEATED = """
delete from staged
where rowid in (
    select unnest(list_sort(list(rowid))[2:])
    from staged
    group by
        call_id,
        ts
    having count(*) > 1
)
"""

DROP_REPEATED_BLOCKS = """
delete from staged_blocks
where rowid in (
    select unnest(list_sort(list(rowid))[2:])
    from staged_blocks
    group by
        call_id,
        ts
    having count(*) > 1
)
"""

PARK = "create or replace temp table parked as from staged"
UNPARK = "insert into staged from parked"


class Stage:
    """The temp tables of one cursor, filled through one file beside the ledger."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.cursor = cursor
        self._path = folder / "collecting.ndjson"

    def clear(self) -> None:
        self.cursor.execute(CREATE)
        self.cursor.execute(CREATE_BLOCKS)

    def fill(self, lines: Sequence[bytes], parked: Sequence[bytes] = ()) -> int:
        """Start anew with these lines, some of them parked for later; the number of rows.

        Belongs outside the transaction that reads the rows: see `BATCH_LINES`.
        """
        self.clear()
        aside = self.add(parked)
        self.cursor.execute(PARK)
        self.cursor.execute(CREATE)
        return aside + self.add(lines)

    def unpark(self) -> None:
        """Bring the parked rows in."""
        self.cursor.execute(UNPARK)

    def add(self, lines: Sequence[bytes]) -> int:
        """Add call lines to `staged`, each (call_id, ts) once; `AT_FAULT` where one is refused."""
        if not lines:
            return 0
        with _written(self._path, lines):
            self.cursor.execute(READ, {"path": str(self._path)})
        added = _count(self.cursor.execute(STAGE))
        self.cursor.execute(STAGE_BLOCKS)
        self.cursor.execute("drop table read")
        repeated = _count(self.cursor.execute(DROP_REPEATED))
        if repeated:
            self.cursor.execute(DROP_REPEATED_BLOCKS)
        return added - repeated

    def refused(self, lines: Sequence[bytes], then: Callable[[], None] | None = None) -> list[int]:
        """Indexes of the lines that can't be staged (or that `then` fails on)."""
        return guilty(lines, lambda some: self._passes(some, then))

    def _passes(self, lines: Sequence[bytes], then: Callable[[], None] | None) -> bool:
        self.cursor.execute("begin")
        try:
            self.clear()
            self.add(lines)
            if then:
                then()
        except AT_FAULT:
            return False
        finally:
            self.cursor.execute("rollback")
        return True


def guilty(lines: Sequence[bytes], passes: Callable[[Sequence[bytes]], bool]) -> list[int]:
    """Indexes of the lines without which all others pass together, found by halving."""
    found: list[int] = []
    ranges = [(0, len(lines))]
    while ranges:
        start, end = ranges.pop()
        if start == end or passes(lines[start:end]):
            continue
        if end - start == 1:
            found.append(start)
        else:
            middle = (start + end) // 2
            ranges += [(middle, end), (start, middle)]
    return found


def _count(changed: duckdb.DuckDBPyConnection) -> int:
    """Rows that an insert or a delete says it changed."""
    (count,) = changed.fetchone() or (0,)
    return int(count)


@contextmanager
def _written(path: Path, lines: Sequence[bytes]) -> Iterator[None]:
    """The lines as a file readable by its user only, gone afterwards."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    try:
        path.write_bytes(b"\n".join([*lines, b""]))
        yield
    finally:
        path.unlink(missing_ok=True)
