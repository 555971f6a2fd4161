"""`hf-ledger coverage`: how much of the traffic is priced, by what, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hf_ledger.cli.options import Asked, shared
from hf_ledger.cli.output import money_notes, write

if TYPE_CHECKING:
    import pyarrow as pa

Unpriced = Annotated[bool, typer.Option("--unpriced", help="The routes of calls without a price.")]

COLUMNS = ("calls", "priced_calls", "unpriced_calls", "endpoint_calls", "free_calls", "cost")


def most_unpriced(table: pa.Table) -> pa.Table:
    """Rows with calls without a price, most of them first."""
    import pyarrow.compute as pc

    missing = table.filter(pc.greater(table["unpriced_calls"], 0))
    return missing.sort_by([("unpriced_calls", "descending")])


@shared
def coverage(asked: Asked, unpriced: Unpriced = False) -> None:
    """How much of the traffic is priced and by what basis, or with --unpriced what is not."""
    by = ("host_kind", "provider", "model", "task") if unpriced else ("cost_basis",)
    with asked.asking() as ask:
        totals = ask("totals", asked.scope).to_pylist()[0]
        table = ask("spend", asked.scope, by=list(by))
    if unpriced:
        table = most_unpriced(table)
    write(
        asked,
        "coverage",
        table,
        title="Calls without a price" if unpriced else "Coverage by cost basis",
        columns=[*by, *COLUMNS],
        notes=money_notes(totals),
        totals=totals,
    )
