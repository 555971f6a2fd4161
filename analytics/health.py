"""Question `health`: what the collector has taken, left and seen, as names and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.scan import fetch
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Times are UTC in ISO form; a value is NULL where there is none yet.
HEALTH = """
select
    name,
    value
from (
    select 1 as place, 'calls' as name, cast(count(*) as varchar) as value from calls
    union all
    select 2, 'last_call', strftime(max(ts), '%Y-%m-%dT%H:%M:%SZ') from calls
    union all
    select 3, 'segments', cast(count(*) as varchar) from segments
    union all
    select 4, 'lines_taken', cast(coalesce(sum(taken_lines), 0) as varchar) from segments
    union all
    select 5, 'last_taken', strftime(max(last_taken), '%Y-%m-%dT%H:%M:%SZ') from segments
    union all
    select 6, 'quarantined', cast(count(*) as varchar) from quarantine
    union all
    select 7, 'open_calls', cast(count(*) as varchar) from open_calls
    union all
    select 8, 'price_rows', cast(count(*) as varchar) from prices
    union all
    select 9, 'price_list_at', strftime(max(captured_at), '%Y-%m-%dT%H:%M:%SZ') from price_lists
    union all
    select 10, 'models_sized', cast(count(*) as varchar) from models where size_class is not null
    union all
    select 11, 'not_counted:' || reason, cast(sum(count) as varchar) from noticed group by reason
)
order by
    place,
    name
"""


def health(cursor: duckdb.DuckDBPyConnection, _scope: Scope | None = None) -> pa.Table:
    """Rows of name and value (text); `not_counted:<reason>` for what was seen and is no call."""
    return fetch(cursor, HEALTH)
