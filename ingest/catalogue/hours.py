"""What dedicated endpoints cost: billed minutes × replicas × hourly rate, calls or not.

Hugging Face bills each minute in which a replica initializes or runs. A state holds until the next
one seen, or as long as its source vouches for it; every minute beyond is a gap, and unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

# Of which minutes it is known what state the endpoint was in at their start.
PIECES = """
create or replace temp table pieces as
with minuted as (
    select
        *,
        date_trunc('minute', seen_at + interval 59999999 microseconds) as starts,
        date_trunc(
            'minute',
            lead(seen_at) over (partition by endpoint order by seen_at)
                + interval 59999999 microseconds
        ) as next_starts
    from endpoint_states
    where endpoint in (select unnest($endpoints))
),
spans as (
    select
        *,
        coalesce(
            least(next_starts, starts + to_minutes(holds_minutes)),
            next_starts,
            starts
        ) as ends
    from minuted
    where next_starts is not null
),
known as (
    select
        endpoint,
        starts,
        ends,
        case
            when state = 'running' then ready_replicas
            when state = 'initializing'
                then greatest(coalesce(target_replicas, 1), coalesce(ready_replicas, 1), 1)
            when state in ('pending', 'paused', 'failed', 'scaledToZero') then 0
        end as replicas,
        vendor,
        instance_type,
        instance_size,
        usd_per_hour
    from spans
    where ends > starts
    union all
    select
        endpoint,
        ends,
        next_starts,
        null,
        null,
        null,
        null,
        null
    from spans
    where next_starts > ends
),
hourly as (
    select
        *,
        unnest(range(date_trunc('hour', starts), ends, interval 1 hour)) as hour
    from known
)
select
    endpoint,
    hour,
    date_diff(
        'minute',
        greatest(starts, hour),
        least(ends, hour + interval 1 hour)
    ) as minutes,
    replicas,
    vendor,
    instance_type,
    instance_size,
    usd_per_hour
from hourly
where hour >= $since
"""

# The rate of the hour in whole nano-USD: stated by the source, else by the table of its day.
RATED = """
create or replace temp table rated as
select
    pieces.endpoint,
    pieces.hour,
    pieces.minutes,
    pieces.replicas,
    cast(
        coalesce(pieces.usd_per_hour, hardware.usd_per_hour)::decimal(38, 9) * 1000000000
        as hugeint
    ) as nano
from pieces
left join hardware_prices as hardware
    on hardware.vendor = pieces.vendor
    and hardware.instance_type = pieces.instance_type
    and hardware.instance_size = pieces.instance_size
    and pieces.hour >= hardware.valid_from
    and (hardware.valid_to is null or pieces.hour < hardware.valid_to)
"""

FORGET_HOURS = """
delete from endpoint_hours
where endpoint in (select unnest($endpoints))
    and hour >= $since
"""

# Rounded once for each hour, half-even, in whole numbers.
KEEP_HOURS = """
insert into endpoint_hours
with summed as (
    select
        endpoint,
        hour,
        sum(minutes) filter (where replicas > 0) as billed_minutes,
        sum(minutes * replicas) as replica_minutes,
        sum(minutes) filter (where replicas is null) as gap_minutes,
        sum(minutes * replicas) filter (where replicas > 0 and nano is null) as unpriced_minutes,
        sum(minutes::hugeint * replicas * coalesce(nano, case when replicas = 0 then 0 end))
            as numerator
    from rated
    group by all
),
divided as (
    select
        *,
        numerator::hugeint // 60 as whole,
        2 * (numerator::hugeint % 60) as twice_rest
    from summed
)
select
    endpoint,
    hour,
    coalesce(billed_minutes, 0),
    coalesce(replica_minutes, 0),
    coalesce(gap_minutes, 0),
    coalesce(unpriced_minutes, 0),
    cast(
        cast(
            whole + case
                when twice_rest > 60 then 1
                when twice_rest = 60 then whole % 2
                else 0
            end as decimal(18, 0)
        ) * 0.000000001 as decimal(18, 9)
    )
from divided
order by
    endpoint,
    hour
"""


def work_out_hours(
    cursor: duckdb.DuckDBPyConnection, endpoints: Sequence[str], since: datetime
) -> None:
    """Fill `endpoint_hours` of these endpoints anew from the hour of `since` (UTC, naive) on.

    The caller holds the transaction. An endpoint's last state opens no hour: what comes after it
    is not known yet.
    """
    hour = since.replace(minute=0, second=0, microsecond=0)
    values = {"endpoints": list(endpoints), "since": hour}
    cursor.execute(PIECES, values)
    cursor.execute(RATED)
    cursor.execute(FORGET_HOURS, values)
    cursor.execute(KEEP_HOURS)
    cursor.execute("drop table pieces")
    cursor.execute("drop table rated")
