"""Closing months: sums are written down, and the calls keep their costs from then on.

Repricing does not change them any more (it writes corrections), and calls that arrive later are
counted apart. A closed month stays closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hf_ledger.ingest.catalogue.comparing import naive
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger, transaction

CLOSED = """
select closed_at
from months
where month = $month
"""

# A month in another zone would share hours with its neighbour, and these would be summed twice.
OVERLAPPING = """
select
    month,
    zone
from months
where since < $until
    and until > $since
limit 1
"""

CLOSE = """
insert into months
select
    $month as month,
    $zone as zone,
    $since as since,
    $until as until,
    $now as closed_at,
    count(*) as calls,
    count(*) filter (where cost is not null and cost_basis <> 'free') as priced_calls,
    count(*) filter (where cost is null and cost_basis <> 'endpoint_hours') as unpriced_calls,
    case when priced_calls > 0 or unpriced_calls = 0 then coalesce(sum(cost), 0) end as cost,
    case when priced_calls > 0 or unpriced_calls = 0 then coalesce(sum(list_cost), 0) end
        as list_cost,
    (
        select sum(cost)
        from endpoint_hours
        where hour >= $since
            and hour < $until
    ) as endpoint_cost
from calls
where ts >= $since
    and ts < $until
    and origin in ('live', 'import')
returning
    calls,
    priced_calls,
    unpriced_calls,
    cost,
    list_cost,
    endpoint_cost
"""


@dataclass(frozen=True)
class Closed:
    """What a month was closed with: live and imported calls, exact sums in USD, None: unknown."""

    month: str
    zone: str
    calls: int
    priced_calls: int
    unpriced_calls: int
    cost: Decimal | None
    list_cost: Decimal | None
    endpoint_cost: Decimal | None


def close_month(ledger: Ledger, month: str, zone: str, now: datetime | None = None) -> Closed:
    """Write down the sums of a month that is over, in the reporting zone's months.

    Raises `Usage` for a month that is no month, not over, closed already, or overlaps one that was
    closed in another zone.
    """
    now = now or datetime.now(UTC)
    since, until = bounds(month, zone)
    if now < until:
        raise Usage(f"{month} is not over yet in {zone}: close it from {until.date()} on.")
    span = {"since": naive(since), "until": naive(until)}
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                if found := cursor.execute(CLOSED, {"month": month}).fetchone():
                    raise Usage(f"{month} was closed on {found[0]:%-d %b %Y}; it stays closed.")
                if other := cursor.execute(OVERLAPPING, span).fetchone():
                    raise Usage(f"{month} in {zone} overlaps {other[0]}, closed in {other[1]}.")
                values = {**span, "month": month, "zone": zone, "now": naive(now)}
                sums = cursor.execute(CLOSE, values).fetchone() or ()
        finally:
            cursor.close()
    return Closed(month, zone, *sums)


def bounds(month: str, zone: str) -> tuple[datetime, datetime]:
    """First moment of a month in its zone, and the first after it."""
    if not re.fullmatch(r"[12]\d{3}-(0[1-9]|1[0-2])", month, re.ASCII):
        raise Usage(f"{month!r} is no month; write it as 2026-10.")
    year, number = int(month[:4]), int(month[5:])
    following = (year, number + 1) if number < 12 else (year + 1, 1)
    local = ZoneInfo(zone)
    since = datetime(year, number, 1, tzinfo=local)
    return since, datetime(*following, 1, tzinfo=local)
