"""Put what stands beside the calls of a batch into its tables, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec

from hf_ledger.ingest.call import Call, Noticed, Replayed
from hf_ledger.ingest.spool.reading import Batch, Segment

FORGET_SEGMENTS = """
delete from segments
where name in (select unnest($names))
"""

KEEP_SEGMENTS = """
insert into segments
select
    unnest($names),
    unnest($bytes),
    unnest($lines),
    unnest($first_seen),
    $now,
    unnest($recorders)
"""

KEEP_REJECTED = """
insert into quarantine
select
    unnest($segments),
    unnest($lines),
    unnest($offsets),
    unnest($reasons),
    $now
"""

KEEP_ROUTES = """
insert into routes
with seen as (
    select
        unnest($models) as model,
        unnest($providers) as provider,
        unnest($provider_models) as provider_model,
        unnest($tasks) as task,
        make_timestamp(unnest($times)) as seen_from
)
select
    model,
    provider,
    provider_model,
    any_value(task),
    min(seen_from),
    'mapping'
from seen
where not exists (
    from routes
    where routes.model = seen.model
        and routes.provider = seen.provider
        and routes.provider_model = seen.provider_model
        and routes.seen_from <= seen.seen_from
)
group by all
"""

# What another host noticed may arrive twice; it is known by its segment there and its time.
KEEP_NOTICED = """
insert into noticed
with seen as (
    select
        unnest($segments) as segment,
        make_timestamp(unnest($times)) as ts,
        unnest($reasons) as reason,
        unnest($counts) as count,
        unnest($posted) as posted
)
select
    segment,
    ts,
    reason,
    count
from seen
where not posted
union all
select distinct
    segment,
    ts,
    reason,
    count
from seen
where posted
    and not exists (
        from noticed
        where noticed.segment = seen.segment
            and noticed.ts = seen.ts
            and noticed.reason = seen.reason
    )
"""

KEEP_OPENED = """
insert into open_calls
select
    unnest($ids)::uuid,
    make_timestamp(unnest($times)),
    unnest($segments),
    unnest($pids),
    unnest($starts),
    unnest($hosts),
    unnest($lines)
"""

FORGET_WITHDRAWN = """
delete from open_calls
where call_id in (select unnest($ids)::uuid)
"""

# A replay is known by its id: the same segment may be read again, or arrive twice.
KEEP_REPLAYS = """
insert into replays by name
with seen as (
    select
        unnest($replay_id)::uuid as replay_id,
        unnest($call_id)::uuid as call_id,
        make_timestamp(unnest($ts)) as ts,
        unnest($evidence) as evidence,
        unnest($origin) as origin,
        unnest($key_id)::varchar as key_id,
        unnest($model)::varchar as model,
        unnest($candidate) as candidate,
        unnest($judge)::varchar as judge,
        unnest($verdict)::varchar as verdict,
        unnest($score)::double as score,
        unnest($model_score)::double as model_score,
        unnest($model_input_tokens)::bigint as model_input_tokens,
        unnest($model_output_tokens)::bigint as model_output_tokens,
        unnest($candidate_input_tokens)::bigint as candidate_input_tokens,
        unnest($candidate_output_tokens)::bigint as candidate_output_tokens,
        try_cast(unnest($model_cost)::varchar as decimal(18, 9)) as model_cost,
        try_cast(unnest($candidate_cost)::varchar as decimal(18, 9)) as candidate_cost,
        try_cast(unnest($judge_cost)::varchar as decimal(18, 9)) as judge_cost,
        unnest($sampling_probability)::double as sampling_probability,
        unnest($order_swapped)::boolean as order_swapped,
        unnest($outcome) as outcome
)
select distinct on (replay_id) *
from seen
where not exists (
    from replays
    where replays.replay_id = seen.replay_id
)
"""

FIRST_OPENED = "select min(ts) from open_calls"

FORGET_ENDED = """
delete from open_calls
using calls
where calls.call_id = open_calls.call_id
    and calls.ts = open_calls.ts
    and calls.ts >= $first
"""


def keep_routes(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    if not batch.routes:
        return
    values = {
        "models": [route.model for route in batch.routes],
        "providers": [route.provider for route in batch.routes],
        "provider_models": [route.provider_model for route in batch.routes],
        "tasks": [route.task for route in batch.routes],
        "times": [route.ts for route in batch.routes],
    }
    cursor.execute(KEEP_ROUTES, values)


def keep_opened(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    known = [(each, mark.call) for each, mark in batch.opened if each.recorder]
    if known:
        cursor.execute(KEEP_OPENED, _opened_values(known))
    if batch.withdrawn:
        cursor.execute(FORGET_WITHDRAWN, {"ids": [mark.call_id for mark in batch.withdrawn]})
    (first,) = cursor.execute(FIRST_OPENED).fetchone() or (None,)
    if first is not None:
        cursor.execute(FORGET_ENDED, {"first": first})


def _opened_values(opened: Sequence[tuple[Segment, Call]]) -> dict[str, list[Any]]:
    recorders = [segment.recorder for segment, _ in opened if segment.recorder]
    return {
        "ids": [call.call_id for _, call in opened],
        "times": [call.ts for _, call in opened],
        "segments": [segment.name for segment, _ in opened],
        "pids": [recorder.pid for recorder in recorders],
        "starts": [recorder.process_start for recorder in recorders],
        "hosts": [recorder.host for recorder in recorders],
        "lines": [msgspec.json.encode(call).decode() for _, call in opened],
    }


def keep_noticed(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    counts = [_counts(segment, notice) for segment, notice in batch.noticed]
    rows = [row for each in counts for row in each]
    if rows:
        names = ("segments", "times", "reasons", "counts", "posted")
        columns = (list(column) for column in zip(*rows, strict=True))
        cursor.execute(KEEP_NOTICED, dict(zip(names, columns, strict=True)))


def _counts(segment: Segment, notice: Noticed) -> list[tuple[str, int, str, int, bool]]:
    stood, posted = notice.segment or segment.name, notice.segment is not None
    return [(stood, notice.ts, reason, count, posted) for reason, count in notice.counts.items()]


def keep_replays(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    if batch.replays:
        names = Replayed.__struct_fields__
        values = {name: [getattr(each, name) for each in batch.replays] for name in names}
        cursor.execute(KEEP_REPLAYS, values)


def keep_rejected(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    if not batch.rejected:
        return
    values = {
        "segments": [each.position.segment for each in batch.rejected],
        "lines": [each.position.line for each in batch.rejected],
        "offsets": [each.position.offset for each in batch.rejected],
        "reasons": [each.reason for each in batch.rejected],
        "now": _now(),
    }
    cursor.execute(KEEP_REJECTED, values)


def keep_segments(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    now = _now()
    values = {
        "names": [each.name for each in batch.segments],
        "bytes": [each.taken_bytes for each in batch.segments],
        "lines": [each.taken_lines for each in batch.segments],
        "first_seen": [each.first_seen or now for each in batch.segments],
        "recorders": [
            each.recorder and msgspec.json.encode(each.recorder).decode() for each in batch.segments
        ],
        "now": now,
    }
    cursor.execute(FORGET_SEGMENTS, {"names": values["names"]})
    cursor.execute(KEEP_SEGMENTS, values)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
