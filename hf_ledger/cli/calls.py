"""`hf-ledger calls`: the calls themselves, or one with how it was priced."""

from __future__ import annotations

from typing import Annotated

import typer

from hf_ledger.cli.options import Asked, Format, shared
from hf_ledger.cli.output import cell, money_notes, write
from hf_ledger.ingest.errors import Usage

CallId = Annotated[str | None, typer.Argument(help="Show this one call, with its prices.")]
Limit = Annotated[int, typer.Option(help="At most so many rows.")]
Offset = Annotated[int, typer.Option(help="Leave out so many rows first.")]
Order = Annotated[str, typer.Option(help="Column to order by, such as ts, cost, latency_ms.")]
Ascending = Annotated[bool, typer.Option("--ascending", help="Smallest or oldest first.")]

COLUMNS = (
    "ts",
    "team",
    "provider",
    "model",
    "task",
    "input_tokens",
    "output_tokens",
    "latency_ms",
    "outcome",
    "cost",
    "cost_basis",
    "call_id",
)

ALLOCATED = "allocated cost: a call's share of its endpoint's hours; in no total of calls."


@shared
def calls(
    asked: Asked,
    *,
    call_id: CallId = None,
    limit: Limit = 50,
    offset: Offset = 0,
    order: Order = "ts",
    ascending: Ascending = False,
) -> None:
    """The calls of a period, newest first, or one call with every column and its prices."""
    if call_id:
        return one(asked, call_id)
    page = {"limit": limit, "offset": offset, "order": order, "descending": not ascending}
    with asked.asking() as ask:
        table = ask("calls", asked.scope, **page)
        totals = ask("totals", asked.scope).to_pylist()[0]
    shares = table["allocated_cost"].null_count < table.num_rows
    columns = (*COLUMNS, "allocated_cost") if shares else COLUMNS
    notes = [*money_notes(totals), *([ALLOCATED] if shares else [])]
    return write(asked, "calls", table, title="Calls", columns=columns, notes=notes, totals=totals)


def one(asked: Asked, call_id: str) -> None:
    """Every column of one call; to people, those that say something."""
    with asked.asking() as ask:
        table = ask("call", call_id=call_id)
    if not table.num_rows:
        raise Usage(f"the ledger has no call {call_id}.")
    if asked.format is not Format.table:
        return write(asked, "call", table, title="Call")
    for name, value in table.to_pylist()[0].items():
        if value is not None:
            print(f"{name:22} {cell(name, value)}")
    return None
