"""The scan: one SELECT over `entries`, grouped by known columns, with every value bound.

No text from a person ever becomes SQL: a key must be a stored column or one of `DERIVED`, and
values are parameters.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.kernel.suitable import FLAT_CLASS, SUITABLE_CLASS
from hf_ledger.analytics.scope import DERIVED, DIMENSIONS, Scope
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Integers stored with every call, for time zones and quantiles in the finish.
BINS = ("bucket15", "lat_bin", "ttft_bin")

#: Dimensions that are a CASE over stored columns.
EXPRESSIONS = {"suitable_class": SUITABLE_CLASS, "flat_class": FLAT_CLASS}

#: Dimensions that are not text; they are filtered by their text form.
NOT_TEXT = frozenset({"stream", "status"})


def expression(name: str) -> str:
    """The SQL of a dimension or bin; `Usage` names the nearest where there is none."""
    if name in EXPRESSIONS:
        return EXPRESSIONS[name]
    if name in DIMENSIONS or name in BINS:
        return name
    known = (*DIMENSIONS, *DERIVED)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
    raise Usage(f"unknown dimension {name!r}; {hint}")


def naive_utc(moment: datetime) -> datetime:
    """As the ledger stores times; `Usage` for a time without zone."""
    if moment.tzinfo is None:
        raise Usage(f"the time {moment} has no zone; give periods in UTC.")
    return moment.astimezone(UTC).replace(tzinfo=None)


def matching(scope: Scope) -> tuple[str, list[Any]]:
    """The condition of a scope and its parameters."""
    conditions = ["ts >= ?", "ts < ?", one_of("origin", scope.origins)]
    values: list[Any] = [naive_utc(scope.since), naive_utc(scope.until), *scope.origins]
    for dimension, accepted in scope.where.items():
        conditions.append(one_of(dimension, accepted))
        values += [value for value in accepted if value != ""]
    return "\n    and ".join(conditions), values


def one_of(dimension: str, accepted: Sequence[str]) -> str:
    """A condition that the dimension has one of these values; "" stands for NULL."""
    column = expression(dimension)
    if dimension in NOT_TEXT:
        column = f"cast({column} as varchar)"
    marks = ", ".join("?" for value in accepted if value != "")
    parts = [f"{column} in ({marks})"] if marks else []
    if "" in accepted:
        parts.append(f"{column} is null")
    return f"({' or '.join(parts) or 'false'})"


def aggregate(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    keys: Sequence[str],
    measures: str,
    *,
    only: str | None = None,
    edges: Sequence[datetime] | None = None,
) -> pa.Table:
    """Measures of a scope's calls, a row for each combination of keys (one row without keys).

    `measures` and `only` (a further condition) are SQL constants of the calling module. With
    `edges`, `era` is a further key: how many of these times, in their order, a call is not before.
    Rows come in no order: the finish sorts.
    """
    named = {key: expression(key) for key in keys}
    if edges is not None:
        named["era"] = era(len(edges))
    condition, values = matching(scope)
    columns = ",\n    ".join([*(f"{sql} as {key}" for key, sql in named.items()), measures.strip()])
    lines = ["select", "    " + columns, "from entries", "where " + condition]
    if only:
        lines.append(f"    and ({only})")
    if named:
        lines.append("group by " + ", ".join(named))
    return fetch(cursor, "\n".join(lines), [*map(naive_utc, edges or ()), *values])


def era(edges: int) -> str:
    """A CASE that numbers the stretches between ascending times, each a parameter."""
    before = " ".join(f"when ts < ? then {number}" for number in range(edges))
    return f"case {before} else {edges} end" if edges else "0"


def fetch(cursor: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> pa.Table:
    """The rows of a SELECT as an Arrow table."""
    table: pa.Table = cursor.sql(sql, params=list(values)).to_arrow_table()
    return table
