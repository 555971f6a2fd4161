"""What part of its endpoint's hours falls to a call: allocated, so no total ever adds it to usage.

An hour's cost without its idle part is divided among the calls that were under way in it, by the
time each was (FOCUS: split by proportional usage). Whole nano-USD, largest remainder: the shares of
an hour and its idle part make its cost. Worked out when asked, so that hours that become known
later, and rates that change, need no call to be written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.endpoint_hours import LONGEST, hour_rows, idle_cost
from hf_ledger.analytics.kernel.scan import fetch
from hf_ledger.analytics.scope import OWN_ORIGINS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

HOUR = timedelta(hours=1)

# Of equal remainders the earlier id takes the nano-USD that is left over.
SHARES = """
with pots as (
    select
        unnest(?::varchar[]) as host,
        unnest(?::timestamp[]) as hour,
        unnest(?::hugeint[]) as nano
),
under_way as (
    select
        call_id,
        endpoint as host,
        ts,
        ts + to_microseconds(
            cast(1000 * least(coalesce(latency_ms, 1), 3600000) + 1 as bigint)
        ) as ends
    from calls
    where host_kind = 'endpoint'
        and outcome <> 'refused'
        and origin in ('live', 'import')
        and ts >= ?
        and ts < ?
        and endpoint in (select unnest(?::varchar[]))
),
spread as (
    select
        *,
        unnest(range(date_trunc('hour', ts), ends, interval 1 hour)) as hour
    from under_way
),
weighed as (
    select
        spread.call_id,
        spread.host,
        spread.hour,
        pots.nano,
        date_diff(
            'microsecond',
            greatest(spread.ts, spread.hour),
            least(spread.ends, spread.hour + interval 1 hour)
        )::hugeint as weight
    from spread
    left join pots using (host, hour)
),
divided as (
    select
        *,
        nano * weight // sum(weight) over hours as share,
        nano * weight % sum(weight) over hours as remainder
    from weighed
    window hours as (partition by host, hour)
),
placed as (
    select
        *,
        nano - sum(share) over hours as left_over,
        row_number() over (hours order by remainder desc, call_id) as place
    from divided
    window hours as (partition by host, hour)
)
select
    cast(call_id as varchar) as call_id,
    case when count(nano) = count(*)
        then cast(sum(share + case when place <= left_over then 1 else 0 end) as bigint)
    end as nano
from placed
where call_id in (select unnest(?::uuid[]))
group by call_id
"""

Row = Mapping[str, Any]


def with_shares(cursor: duckdb.DuckDBPyConnection, table: pa.Table) -> pa.Table:
    """A table of calls with `allocated_cost`: USD, NULL for other calls and unknown hours."""
    import pyarrow as pa

    names = ["call_id", "ts", "host_kind", "endpoint", "origin"]
    shares = allocated(cursor, table.select(names).to_pylist())
    costs = [shares.get(each) for each in table["call_id"].to_pylist()]
    return table.append_column("allocated_cost", pa.array(costs, pa.decimal128(38, 9)))


def allocated(cursor: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> dict[str, Decimal]:
    """The known shares by call id, of the rows that are calls of endpoints."""
    mine = [
        row
        for row in rows
        if row["host_kind"] == "endpoint" and row["endpoint"] and row["origin"] in OWN_ORIGINS
    ]
    if not mine:
        return {}
    since, until = span_of([row["ts"] for row in mine])
    pots = pots_of(hour_rows(cursor, since, until))
    hosts = sorted({row["endpoint"] for row in mine})
    keys = [key for key in pots if key[0] in hosts]
    found = fetch(
        cursor,
        SHARES,
        [
            [host for host, _ in keys],
            [hour for _, hour in keys],
            [pots[key] for key in keys],
            since - LONGEST,
            until,
            hosts,
            [row["call_id"] for row in mine],
        ],
    )
    return {
        call_id: Decimal(nano).scaleb(-9)
        for call_id, nano in zip(
            *(found[name].to_pylist() for name in found.column_names), strict=True
        )
        if nano is not None
    }


def span_of(moments: Sequence[datetime]) -> tuple[datetime, datetime]:
    """The whole hours that calls of these starts can touch, naive UTC."""
    naive = [moment.astimezone(UTC).replace(tzinfo=None) for moment in moments]
    first = min(naive).replace(minute=0, second=0, microsecond=0)
    last = max(naive).replace(minute=0, second=0, microsecond=0)
    return first, last + HOUR + LONGEST


def pots_of(rows: Sequence[Row]) -> dict[tuple[str, datetime], int | None]:
    """What each host's hour has to divide, in nano-USD; None where its cost is unknown."""
    pots: dict[tuple[str, datetime], int | None] = {}
    for row in rows:
        if row["host"] is None:
            continue
        key, idle = (row["host"], row["hour"]), idle_cost(row)
        known = row["cost"] is not None and idle is not None and pots.get(key, 0) is not None
        pots[key] = (pots.get(key) or 0) + int((row["cost"] - idle).scaleb(9)) if known else None
    return pots
