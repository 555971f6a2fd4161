"""What is counted and summed of a group of calls, and what its cost may be called.

Every call is in exactly one of four parts: priced, free, on a dedicated endpoint (billed by the
replica hour), unpriced. A cost is unknown (NULL) where nothing in the group that could cost
something has a price; it never becomes 0 by missing prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: Outcomes in which the caller did not get what was asked for, through no wish of its own.
FAILED = ("error", "interrupted", "lost")

PARTS = """
    count(*) as calls,
    count(case when outcome in ('error', 'interrupted', 'lost') then 1 end) as errors,
    count(case when outcome = 'refused' then 1 end) as refused,
    count(case when cost is not null and cost_basis <> 'free' then 1 end) as priced_calls,
    count(case when cost is null and cost_basis <> 'endpoint_hours' then 1 end) as unpriced_calls,
    count(case when cost is null and cost_basis = 'endpoint_hours' then 1 end) as endpoint_calls,
    count(case when cost is not null and cost_basis = 'free' then 1 end) as free_calls,
    count(case when list_cost is not null and cost_basis <> 'free' then 1 end) as listed_calls,
    sum(cost) as cost,
    sum(list_cost) as list_cost
"""

TOKENS = """
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens
"""

#: Columns that say which part of the calls a cost covers, in the order tables show them.
COVERAGE = ("priced_calls", "unpriced_calls", "endpoint_calls", "free_calls")


def error_share(errors: int, calls: int, refused: int) -> float | None:
    """Errors among the calls that were sent on; None where none was.

    What a gateway refused reached no model: counted here, it would hide that models fail.
    """
    return errors / (calls - refused) if calls > refused else None


def regroup(
    table: pa.Table, keys: Sequence[str], aggregates: Mapping[str, str] | None = None
) -> pa.Table:
    """Add up the rows that share `keys`; money stays decimal, NULL only where all were NULL."""
    how = aggregates or {}
    rest = [name for name in table.column_names if name not in keys]
    wanted = [(name, how.get(name, "sum")) for name in rest]
    summed = table.group_by(list(keys), use_threads=False).aggregate(wanted)
    return summed.rename_columns([*keys, *rest]).select(table.column_names)


def with_known_costs(table: pa.Table) -> pa.Table:
    """Cost and list cost by the rule above; `listed_calls`, which only the rule needs, goes."""
    costly = plus(table, "priced_calls", "unpriced_calls", "endpoint_calls")
    for name, counted in (("cost", "priced_calls"), ("list_cost", "listed_calls")):
        place = table.column_names.index(name)
        column = known(table[name], table[counted], costly)
        table = table.set_column(place, name, column)
    return table.drop_columns(["listed_calls"])


def plus(table: pa.Table, *names: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    total = table[names[0]]
    for name in names[1:]:
        total = pc.add(total, table[name])
    return total


def known(
    money: pa.ChunkedArray, counted: pa.ChunkedArray, costly: pa.ChunkedArray
) -> pa.ChunkedArray:
    """The sum, 0 where nothing could cost anything, NULL where nothing that could has a price."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.decimal128(38, 9)
    zero = pa.scalar(Decimal(0), kind)
    summed = pc.coalesce(money.cast(kind), zero)
    unknown = pc.and_(pc.equal(counted, 0), pc.greater(costly, 0))
    return pc.if_else(unknown, pa.scalar(None, kind), summed)


def sort(table: pa.Table, *order: tuple[str, str]) -> pa.Table:
    """Rows by these columns ("ascending" or "descending"), NULL last; the sort is stable."""
    import pyarrow.compute as pc

    if table.num_rows < 2 or not order:
        return table
    return table.take(pc.sort_indices(table, sort_keys=list(order)))
