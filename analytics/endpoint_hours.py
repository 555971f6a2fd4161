"""Question `endpoint_hours`: what dedicated endpoints cost by day, calls or not, idle apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hf_ledger.analytics.kernel.scan import fetch, naive_utc
from hf_ledger.analytics.scope import OWN_ORIGINS, Scope
from hf_ledger.analytics.words import counted, dollars

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

NINE_PLACES = Decimal("1e-9")
#: A call that hangs for longer counts for its first hour.
LONGEST = timedelta(hours=1)

# Minutes in which a call was under way; one that hangs for hours counts for its first.
HOURS = """
with hours as (
    select
        endpoint_hours.*,
        endpoints.host,
        endpoints.model
    from endpoint_hours
    left join endpoints using (endpoint)
    where hour >= ?
        and hour < ?
),
touched as (
    select
        endpoint as host,
        call_id,
        unnest(range(
            date_trunc('minute', ts),
            ts + to_microseconds(
                cast(1000 * least(coalesce(latency_ms, 1), 3600000) + 1 as bigint)
            ),
            interval 1 minute
        )) as minute
    from calls
    where host_kind = 'endpoint'
        and outcome <> 'refused'
        and ts >= ?
        and ts < ?
        and origin in ('live', 'import')
),
busy as (
    select
        host,
        date_trunc('hour', minute) as hour,
        count(distinct minute) as minutes,
        count(distinct call_id) as calls
    from touched
    group by all
)
select
    hours.endpoint,
    hours.host,
    hours.model,
    hours.hour,
    hours.billed_minutes,
    hours.replica_minutes,
    hours.gap_minutes,
    hours.unpriced_minutes,
    hours.cost,
    case when hours.host is not null
        then greatest(hours.billed_minutes - coalesce(busy.minutes, 0), 0)
    end as idle_minutes,
    coalesce(busy.calls, 0) as calls
from hours
left join busy
    on busy.host = hours.host
    and busy.hour = hours.hour
order by
    hours.endpoint,
    hours.hour
"""

COUNTS = ("billed_minutes", "replica_minutes", "gap_minutes", "unpriced_minutes")


@dataclass(frozen=True)
class EndpointHours:
    """The hours of a scope summed: minutes and USD; None where nothing is known.

    `idle_minutes` and `idle_cost` are part of the others: billed while no call was under way.
    """

    endpoints: int
    billed_minutes: int
    gap_minutes: int
    unpriced_minutes: int
    cost: Decimal | None
    idle_minutes: int | None
    idle_cost: Decimal | None

    def words(self) -> list[str]:
        """For people: cost, idle time on its own line, and what is not known."""
        if not self.endpoints:
            return []
        lines = [f"Endpoint hours: {dollars(self.cost)}, with calls or without."]
        if self.idle_minutes is not None:
            idle = (
                f"Idle: {dollars(self.idle_cost)} of it, {hours(self.idle_minutes)} without a call"
            )
            lines.append(f"{idle}; estimated.")
        if self.gap_minutes:
            lines.append(f"Unknown: {hours(self.gap_minutes)} in which nobody looked; not in it.")
        if self.unpriced_minutes:
            lines.append(f"No rate is known for {hours(self.unpriced_minutes)}; not in it.")
        return lines


def hours(minutes: int) -> str:
    """As "12.5 hours"; minutes below one hour."""
    return counted(minutes, "minute") if minutes < 60 else f"{minutes / 60:,.1f} hours"


def with_usage(usage: Decimal | None, endpoint_cost: Decimal | None) -> Decimal | None:
    """Usage + endpoint hours = total; what is not known adds nothing, None where neither is."""
    known = [part for part in (usage, endpoint_cost) if part is not None]
    return sum(known, Decimal(0)) if known else None


def endpoint_hours(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """Rows by endpoint and local day (of the hour's start): minutes, USD, idle part, gaps, calls.

    Hours belong to no team, app or task: a scope that filters by anything but endpoint or model
    has none, nor has one without the user's own origins.
    """
    if not set(scope.origins) & set(OWN_ORIGINS) or set(scope.where) - {"endpoint", "model"}:
        return typed([])
    rows = hour_rows(cursor, naive_utc(scope.since), naive_utc(scope.until))
    return typed(by_day((row for row in rows if chosen(row, scope)), scope.zone))


def hour_rows(
    cursor: duckdb.DuckDBPyConnection, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Hours that begin in a span (naive UTC), with the calls that were under way in each."""
    values = [since, until, since - LONGEST, until]
    rows: list[dict[str, Any]] = fetch(cursor, HOURS, values).to_pylist()
    return rows


def chosen(row: Mapping[str, Any], scope: Scope) -> bool:
    """Whether the scope's filters let it through; an endpoint goes by its name or its host."""
    names = {"endpoint": {row["endpoint"], row["host"]}, "model": {row["model"] or ""}}
    return all(names[name] & set(values) for name, values in scope.where.items())


def by_day(rows: Iterable[Mapping[str, Any]], zone: str) -> list[dict[str, Any]]:
    days: dict[tuple[str, date], list[Mapping[str, Any]]] = {}
    local = ZoneInfo(zone)
    for row in rows:
        day = row["hour"].replace(tzinfo=UTC).astimezone(local).date()
        days.setdefault((row["endpoint"], day), []).append(row)
    return [day_of(endpoint, day, found) for (endpoint, day), found in sorted(days.items())]


def day_of(endpoint: str, day: date, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "day": day,
        "model": rows[0]["model"],
        **{name: sum(row[name] for row in rows) for name in COUNTS},
        "cost": known_sum(row["cost"] for row in rows),
        "idle_minutes": known_sum(row["idle_minutes"] for row in rows),
        "idle_cost": known_sum(idle_cost(row) for row in rows),
        "calls": sum(row["calls"] for row in rows),
    }


def idle_cost(row: Mapping[str, Any]) -> Decimal | None:
    """The share of an hour's cost for its minutes without a call."""
    if row["cost"] is None or row["idle_minutes"] is None:
        return None
    if not row["billed_minutes"]:
        return Decimal(0)
    share: Decimal = row["cost"] * row["idle_minutes"] / row["billed_minutes"]
    return share.quantize(NINE_PLACES, ROUND_HALF_EVEN)


def known_sum(values: Iterable[Any]) -> Any:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def typed(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    money, count = pa.decimal128(38, 9), pa.int64()
    return pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            [
                ("endpoint", pa.string()),
                ("day", pa.date32()),
                ("model", pa.string()),
                *((name, count) for name in COUNTS),
                ("cost", money),
                ("idle_minutes", count),
                ("idle_cost", money),
                ("calls", count),
            ]
        ),
    )


def summed(rows: Sequence[Mapping[str, Any]]) -> EndpointHours:
    """The rows of an answer as one value."""
    return EndpointHours(
        endpoints=len({row["endpoint"] for row in rows}),
        billed_minutes=sum(row["billed_minutes"] for row in rows),
        gap_minutes=sum(row["gap_minutes"] for row in rows),
        unpriced_minutes=sum(row["unpriced_minutes"] for row in rows),
        cost=known_sum(row["cost"] for row in rows),
        idle_minutes=known_sum(row["idle_minutes"] for row in rows),
        idle_cost=known_sum(row["idle_cost"] for row in rows),
    )
