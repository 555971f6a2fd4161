"""Question `matches`: which imported calls were recorded live as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.scan import fetch
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Clocks of a program and of the ledger it was imported from may differ by this much.
APART_US = 3_600_000_000
#: 1970 and 2100: the whole ledger.
EARLIEST_US, LATEST_US = 0, 4_102_444_800_000_000

# An id may be the router's in one ledger and the provider's in the other.
MATCHES = """
with ids as (
    select
        source in ('import', 'otlp') as imported,
        call_id,
        unnest(list_distinct([request_id, provider_request_id])) as id
    from calls
    where ts between make_timestamp(?) and make_timestamp(?)
        and origin in ('import', 'live')
)
select count(distinct one.call_id) as calls
from ids as one
where one.imported
    and one.id is not null
    and one.id in (
        select id
        from ids
        where not imported
            and id is not null
    )
"""


def matches(
    cursor: duckdb.DuckDBPyConnection,
    _scope: Scope | None = None,
    *,
    first_us: int = EARLIEST_US,
    last_us: int = LATEST_US,
) -> pa.Table:
    """One row: `calls` imported from elsewhere, started between the two times (µs UTC), that share
    a request id with a call that a recorder, gateway or client wrote within an hour of the period.
    """
    return fetch(cursor, MATCHES, (first_us - APART_US, last_us + APART_US))
