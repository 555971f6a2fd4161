"""`hf-ledger month`: close a month, and see what came after the close."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any

import typer

from hf_ledger.cli.options import Format, Shape, Zone

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Close months, and what came after the close."
)
Month = Annotated[str, typer.Argument(metavar="MONTH", help="As 2026-10.")]


@app.callback()
def root() -> None:
    """Close months, and what came after the close."""


@app.command()
def close(month: Month, zone: Zone = None, output: Shape = Format.table) -> None:
    """Write down a month's sums; repricing changes its calls no more."""
    from hf_ledger.analytics.periods import zone_info
    from hf_ledger.cli.holder import ledger_of_yours
    from hf_ledger.cli.options import configured_zone
    from hf_ledger.ingest.places import Places

    places = Places.default()
    key = zone_info(zone or configured_zone(places)).key
    with ledger_of_yours(places) as session:
        done = session.command("month_close", month=month, zone=key)
    if output is Format.table:
        typer.echo(closed(done))
    else:
        typer.echo(json.dumps(done, indent=2))


@app.command("list")
def list_months(output: Shape = Format.table) -> None:
    """Closed months: as closed, corrected since, and calls that arrived late."""
    from hf_ledger.cli.holder import ledger_of_yours
    from hf_ledger.cli.output import as_text, write_csv

    with ledger_of_yours() as session:
        table = session.ask("months")
    if output is Format.csv:
        return write_csv(table)
    rows = table.to_pylist()
    if output is Format.json:
        answer = {"question": "months", "rows": rows}
        return typer.echo(json.dumps(answer, default=as_text, indent=2))
    typer.echo("\n".join(map(told, rows)) or "No month is closed yet.")
    return None


def closed(done: dict[str, Any]) -> str:
    line = f"{done['month']} is closed: {done['calls']:,} calls, {dollars(done['cost'])}"
    if done["unpriced_calls"]:
        line += f", {done['unpriced_calls']:,} of them without a known price"
    if done["endpoint_cost"] is not None:
        line += f"; endpoint hours {dollars(done['endpoint_cost'])}"
    return f"{line}."


def told(row: dict[str, Any]) -> str:
    """One month as it was closed, and each thing that came after, apart."""
    line = f"{row['month']}  closed {row['closed_at']:%Y-%m-%d}: {dollars(row['cost'])}"
    if row["corrected_calls"]:
        line += f"; corrections to {row['corrected_calls']:,} calls {dollars(row['corrections'])}"
    if row["late_calls"]:
        line += f"; {row['late_calls']:,} calls arrived late, {dollars(row['late_cost'])}"
    return f"{line}; now {dollars(row['cost_now'])}."


def dollars(amount: Any) -> str:
    return "price unknown" if amount is None else f"${Decimal(amount):f}"
