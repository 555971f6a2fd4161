"""Call lines become rows of the temp table `staged`, which has the columns of `calls` and `prefix`.

DuckDB's JSON reader takes all lines of a piece at once. It refuses a piece for one line, so what
it refuses is bisected: each guilty line is found in about log2(n) readings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

from hf_ledger.ingest.spool.reading import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = TypeVar("Item")

#: What DuckDB raises for a line that is at fault. A full disk or memory is not its fault.
AT_FAULT = (duckdb.DataError, duckdb.ProgrammingError, duckdb.IntegrityError)

#: DuckDB reads a file in parts of twice this, side by side; only few lines need more.
USUALLY_LONGEST = 2**20

CREATE = """
create or replace temp table staged as
select
    *,
    null::bigint[] as prefix,
    null::varchar as prefix_route
from calls
limit 0
"""

# Whole numbers of JSON are read exactly, decimals only as strings. A line leaves out what has its
# default; 900 s and 5 % are the widths of the two kinds of bins. A prefix can be shared only
# with what went to the same model at the same place and was read there.
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
    'unknown' as cost_basis,
    prefix,
    prefix_route,
    case when prefix_route is not null and uncached_input_tokens >= 0 then 0 end
        as prefix_tokens_5m,
    prefix_tokens_5m as prefix_tokens_1h
from (
    select
        *,
        case
            when hash_key_id is not null
                and coalesce(outcome, 'ok') in ('ok', 'interrupted', 'cancelled')
                and coalesce(endpoint, provider) is not null
                and coalesce(endpoint, provider_model, requested_model) is not null
                then concat_ws(
                    ' ',
                    coalesce(origin, 'live'),
                    host_kind,
                    coalesce(endpoint, provider),
                    lower(coalesce(provider_model, requested_model))
                )
        end as prefix_route
    from read_json(
        $path,
        format = 'newline_delimited',
        auto_detect = false,
        maximum_object_size = $longest,
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
)
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

# Rowids have holes only where `DROP_REPEATED` made them, so their ranges can be halved.
KEEP_ONLY = """
delete from staged
where rowid < $start
    or rowid >= $stop
"""

LAST_ROW = """
select coalesce(max(rowid) + 1, 0)
from staged
"""

PARK = """
create or replace temp table parked as
from staged
where rowid in (select unnest($ids))
"""

UNPARK = """
insert into staged
from parked
"""

FORGET_PARKED = """
delete from staged
where rowid in (select unnest($ids))
"""


class Stage:
    """The temp tables of one cursor, filled through one file beside the ledger."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.cursor = cursor
        self.parked = 0
        self._path = path

    def clear(self) -> None:
        """Start anew, without what a killed collector left."""
        self._path.unlink(missing_ok=True)
        self.cursor.execute(CREATE)
        self.parked = 0

    def add(self, lines: Iterable[bytes | memoryview], longest: int = USUALLY_LONGEST) -> int:
        """Add call lines, newlines included, to `staged`; `AT_FAULT` where one is refused.

        Belongs outside the transaction that reads the rows: see `filling.BATCH_CALLS`.
        """
        with _written(self._path, lines):
            values = {"path": str(self._path), "longest": longest}
            return _count(self.cursor.execute(STAGE, values))

    def drop_repeated(self) -> int:
        """Keep each (call_id, ts) once; how many rows went."""
        return _count(self.cursor.execute(DROP_REPEATED))

    def park(self, rows: Sequence[int]) -> None:
        """Put rows aside, by rowid, until `unpark`."""
        self.cursor.execute(PARK, {"ids": list(rows)})
        self.cursor.execute(FORGET_PARKED, {"ids": list(rows)})
        self.parked = len(rows)

    def unpark(self) -> None:
        """Bring the parked rows in."""
        if self.parked:
            self.cursor.execute(UNPARK)

    def refused(self, lines: Sequence[bytes]) -> list[int]:
        """Indexes of the lines that can't become rows; `staged` stays as it is."""
        return guilty(lines, lambda some: self._passes(lambda: self.add(some, PIECE_BYTES)))

    def failing(self, then: Callable[[], object]) -> list[int]:
        """Rowids of the staged rows with which `then` fails; `staged` stays as it is."""
        (rows,) = self.cursor.execute(LAST_ROW).fetchone() or (0,)

        def passes(some: Sequence[int]) -> bool:
            bounds = {"start": some[0], "stop": some[-1] + 1}
            return self._passes(lambda: self.cursor.execute(KEEP_ONLY, bounds) and then())

        return guilty(range(rows), passes)

    def _passes(self, attempt: Callable[[], object]) -> bool:
        self.cursor.execute("begin")
        try:
            attempt()
        except AT_FAULT:
            return False
        finally:
            self.cursor.execute("rollback")
        return True


def guilty(items: Sequence[Item], passes: Callable[[Sequence[Item]], bool]) -> list[int]:
    """Indexes of the items without which all others pass together, found by halving."""
    found: list[int] = []
    ranges = [(0, len(items))]
    while ranges:
        start, end = ranges.pop()
        if start == end or passes(items[start:end]):
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
def _written(path: Path, lines: Iterable[bytes | memoryview]) -> Iterator[None]:
    """The lines as a file readable by its user only, gone afterwards."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    try:
        with path.open("wb") as file:
            file.writelines(lines)
        yield
    finally:
        path.unlink(missing_ok=True)
