"""Question `noticed`: what recorders saw and is no call, and how many calls they could not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.scan import fetch, naive_utc
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

NOTICED = """
select
    reason,
    cast(sum(count) as bigint) as count
from noticed
where ts >= ?
    and ts < ?
group by reason
order by reason
"""


def noticed(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """Counts by reason, told in the scope's period; they belong to no team, model or origin."""
    return fetch(cursor, NOTICED, [naive_utc(scope.since), naive_utc(scope.until)])
