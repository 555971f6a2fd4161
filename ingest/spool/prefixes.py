"""How much of a call's input stood already at the start of an earlier call: `prefix_tokens_*`.

Two inputs share their beginning as far as their chained block hashes are equal, so the last equal
one says how far. An earlier call counts where it went to the same route, under the same hash key,
strictly before, and was read by the model. The answer is the same in whatever order calls arrive:
what comes late also counts for the later calls that the ledger has already. docs/storage.md
("prefixes") says how blocks become tokens.
"""

from __future__ import annotations

import duckdb

BOUNDS = """
select
    min(ts),
    max(ts)
from staged
where len(prefix) > 0
    and prefix_route is not null
"""

# Route and key are folded into the hash: only what may be compared is equal.
FRESH = """
create or replace temp table fresh_blocks as
select
    call_id,
    epoch_us(ts) as micros,
    len(prefix) as blocks,
    try_cast(
        uncached_input_tokens::hugeint
        + coalesce(cache_read_tokens, 0)
        + coalesce(cache_write_tokens, 0) as bigint
    ) as input_tokens,
    generate_subscripts(prefix, 1) as depth,
    xor(unnest(prefix), (hash(prefix_route, hash_key_id) >> 1)::bigint) as block
from staged
where len(prefix) > 0
    and prefix_route is not null
"""

# Within five minutes only the first and the last call matter: one of the two is before a given
# moment if any is, and no further from it than five minutes more than the shorter window allows.
GIVERS = """
create or replace temp table givers as
with kept as (
    select
        epoch_us(ts) as micros,
        xor(unnest(blocks), (hash(route, hash_key_id) >> 1)::bigint) as block
    from prefixes
    where ts between $first - interval 1 hour and $last
        and route is not null
),
thinned as (
    select
        block,
        min(micros) as first_micros,
        max(micros) as last_micros
    from kept
    semi join fresh_blocks using (block)
    group by
        block,
        micros // 300000000
)
select
    block,
    micros
from fresh_blocks
union all
select
    block,
    first_micros
from thinned
union all
select
    block,
    last_micros
from thinned
where last_micros > first_micros
"""

RECEIVERS = """
create or replace temp table receivers as
with kept as (
    select
        call_id,
        epoch_us(ts) as micros,
        len(blocks) as blocks,
        input_tokens,
        generate_subscripts(blocks, 1) as depth,
        xor(unnest(blocks), (hash(route, hash_key_id) >> 1)::bigint) as block
    from prefixes
    where ts > $first
        and ts <= $last + interval 1 hour
        and route is not null
)
select
    *,
    true as is_fresh
from fresh_blocks
where input_tokens >= 0
    and block in (
        select block
        from givers
        group by block
        having count(*) > 1
    )
union all
select
    *,
    false
from kept
semi join fresh_blocks using (block)
where input_tokens >= 0
"""

# Of n whole blocks k are shared, and the input has less than n + 1: k / (n + 1) of its tokens is
# never too much. Of an input longer than the most blocks, a block counts 512 tokens.
SHARED = """
create or replace temp table shared_prefixes as
with nearest as (
    select
        receivers.*,
        receivers.micros - givers.micros as gap
    from receivers
    asof join givers
        on receivers.block = givers.block
        and receivers.micros > givers.micros
),
depths as (
    select
        call_id,
        micros,
        is_fresh,
        input_tokens::hugeint as tokens,
        blocks,
        coalesce(max(depth) filter (where gap <= 300000000), 0) as depth_5m,
        max(depth) as depth_1h
    from nearest
    where gap <= 3600000000
    group by all
)
select
    call_id,
    make_timestamp(micros) as ts,
    is_fresh,
    least(
        tokens * depth_5m // (blocks + 1),
        case when blocks >= 512 then depth_5m * 512 end
    )::bigint as tokens_5m,
    least(
        tokens * depth_1h // (blocks + 1),
        case when blocks >= 512 then depth_1h * 512 end
    )::bigint as tokens_1h
from depths
"""

FILL_STAGED = """
update staged
set
    prefix_tokens_5m = shared.tokens_5m,
    prefix_tokens_1h = shared.tokens_1h
from shared_prefixes as shared
where shared.is_fresh
    and staged.prefix_tokens_1h is not null
    and staged.call_id = shared.call_id
    and staged.ts = shared.ts
"""

# A call that comes late can only add to what later ones shared.
FILL_CALLS = """
update calls
set
    prefix_tokens_5m = greatest(calls.prefix_tokens_5m, shared.tokens_5m),
    prefix_tokens_1h = greatest(calls.prefix_tokens_1h, shared.tokens_1h)
from shared_prefixes as shared
where not shared.is_fresh
    and calls.call_id = shared.call_id
    and calls.ts = shared.ts
    and calls.ts > $first
    and calls.ts <= $last + interval 1 hour
    and (
        calls.prefix_tokens_5m is null
        or shared.tokens_5m > calls.prefix_tokens_5m
        or shared.tokens_1h > calls.prefix_tokens_1h
    )
"""

KEEP_BLOCKS = """
insert into prefixes
select
    call_id,
    ts,
    prefix,
    prefix_route,
    hash_key_id,
    try_cast(
        uncached_input_tokens::hugeint
        + coalesce(cache_read_tokens, 0)
        + coalesce(cache_write_tokens, 0) as bigint
    )
from staged
where len(prefix) > 0
    and prefix_route is not null
"""


def fill_prefixes(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fill `prefix_tokens_*` of the new calls in `staged`, and of later ones in `calls`.

    Keeps their block hashes. The caller holds the transaction.
    """
    first, last = cursor.execute(BOUNDS).fetchone() or (None, None)
    if first is None:
        return
    bounds = {"first": first, "last": last}
    cursor.execute(FRESH)
    cursor.execute(GIVERS, bounds)
    cursor.execute(RECEIVERS, bounds)
    cursor.execute(SHARED)
    cursor.execute(FILL_STAGED)
    cursor.execute(FILL_CALLS, bounds)
    cursor.execute(KEEP_BLOCKS)
