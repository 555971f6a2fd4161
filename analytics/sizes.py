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
    import pyarrow as pa

    keys = unrepeated(("size_class", *unrepeated(by)))
    table = spend(cursor, scope, keys).select([*keys, *COLUMNS])
    classes = table["size_class"].to_pylist()
    order = sorted(range(len(classes)), key=lambda row: place(classes[row]))
    return table.take(pa.array(order, pa.int64()))


def place(size_class: str | None) -> int:
    """Where a class stands in a table; unknown comes last."""
    return CLASSES.index(size_class) if size_class in CLASSES else len(CLASSES)
