"""Question `sizes`: calls, tokens and cost over model size classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hf_ledger.analytics.kernel.suitable import CLASSES
from hf_ledger.analytics.scope import Scope
from hf_ledger.analytics.spend import spend, unrepeated

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

COLUMNS = ("calls", "input_tokens", "output_tokens", "cost", "priced_calls")


def sizes(cursor: duckdb.DuckDBPyConnection, scope: Scope, by: Sequence[str] = ()) -> pa.Table:
    """A row for each size class met (NULL: unknown), small to xl, then by further dimensions."""
    keys = unrepeated(("size_class", *unrepeated(by)))
    table = spend(cursor, scope, keys).select([*keys, *COLUMNS])
    order = sorted(range(table.num_rows), key=lambda row: place(table["size_class"][row].as_py()))
    return table.take(order)


def place(size_class: str | None) -> int:
    """Where a class stands in a table; unknown comes last."""
    return CLASSES.index(size_class) if size_class in CLASSES else len(CLASSES)
