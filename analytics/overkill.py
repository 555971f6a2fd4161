"""Question `overkill`: calls answered by models two or more classes bigger than they call for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.kernel.measures import sort
from hf_ledger.analytics.kernel.suitable import classes_over
from hf_ledger.analytics.scope import Scope
from hf_ledger.analytics.spend import spend

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

KEYS = ("task", "model", "size_class", "suitable_class")


def overkill(cursor: duckdb.DuckDBPyConnection, scope: Scope, least: int = 2) -> pa.Table:
    """A row for each task, model and suitable class at least `least` classes apart.

    Columns: task, model, size_class, suitable_class, classes_over, calls, mean_input_tokens,
    mean_output_tokens, cost, priced_calls; dearest first. The first four filter `calls`.
    """
    import pyarrow as pa

    rows = [oversized(row) for row in spend(cursor, scope, KEYS).to_pylist()]
    found = [
        row for row in rows if row["classes_over"] is not None and row["classes_over"] >= least
    ]
    order = [("cost", "descending"), ("calls", "descending"), *((k, "ascending") for k in KEYS)]
    return sort(pa.Table.from_pylist(found, schema=schema()), *order)


def oversized(row: dict[str, Any]) -> dict[str, Any]:
    means = {
        "mean_input_tokens": mean(row["input_tokens"], row["calls"]),
        "mean_output_tokens": mean(row["output_tokens"], row["calls"]),
    }
    return {**row, **means, "classes_over": classes_over(row["size_class"], row["suitable_class"])}


def mean(total: int | None, calls: int) -> float | None:
    return None if total is None else float(Decimal(total) / calls)


def schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            *((key, pa.string()) for key in KEYS),
            ("classes_over", pa.int64()),
            ("calls", pa.int64()),
            ("mean_input_tokens", pa.float64()),
            ("mean_output_tokens", pa.float64()),
            ("cost", pa.decimal128(38, 9)),
            ("priced_calls", pa.int64()),
        ]
    )
