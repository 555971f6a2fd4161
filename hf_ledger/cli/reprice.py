"""`hf-ledger reprice`: price calls again, see what changes first, take it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_ledger.cli.options import Format, Shape, Since, Until, Zone

if TYPE_CHECKING:
    from hf_ledger.analytics.connect import Session

MOST_ROWS = 40

Reason = Annotated[str | None, typer.Option(help="Why; it is kept with the run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]
Undo = Annotated[int | None, typer.Option(metavar="RUN", help="Take this run back, to the cent.")]
Runs = Annotated[bool, typer.Option("--runs", help="List the runs so far.")]


def reprice(
    *,
    since: Since = None,
    until: Until = None,
    zone: Zone = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    undo: Undo = None,
    runs: Runs = False,
    output: Shape = Format.table,
) -> None:
    """Price calls again with the prices known now; closed months get corrections instead."""
    from hf_ledger.cli.holder import ledger_of_yours

    one_of(since, undo, runs=runs)
    with ledger_of_yours() as session:
        if runs:
            return show_runs(session, output)
        if undo is not None:
            done = session.command("reprice_undo", run_id=undo, dry_run=dry_run)
        else:
            first, last = span(since, until, zone)
            words = reason or "prices changed"
            given = {"since": first, "until": last, "reason": words, "dry_run": dry_run}
            done = session.command("reprice", **given)
    return show(done, output, dry_run=dry_run)


def one_of(since: str | None, undo: int | None, *, runs: bool) -> None:
    from hf_ledger.ingest.errors import Usage

    if sum((since is not None, undo is not None, runs)) != 1:
        raise Usage("give --since DATE to reprice, --undo RUN to take a run back, or --runs.")


def span(since: str | None, until: str | None, zone: str | None) -> tuple[datetime, datetime]:
    from hf_ledger.cli.options import configured_zone, spanned
    from hf_ledger.ingest.places import Places

    name = zone or configured_zone(Places.default())
    found = spanned(None, since, until, datetime.now(UTC), name)
    return found.since, found.until


def show(done: dict[str, Any], output: Format, *, dry_run: bool) -> None:
    if output is Format.json:
        typer.echo(json.dumps({**done, "dry_run": dry_run}, indent=2, ensure_ascii=False))
    elif output is Format.csv:
        write_rows(done["moved"])
    else:
        typer.echo(told(done, dry_run=dry_run))


def write_rows(rows: list[dict[str, Any]]) -> None:
    import csv
    import sys

    columns = ("day", "model", "month", "calls", "before", "after")
    names = (*columns, "unpriced_before", "unpriced_after")
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def told(done: dict[str, Any], *, dry_run: bool) -> str:
    """The run in words, and before and after by day and model."""
    changed, corrected = done["changed"], done["corrected"]
    if not changed + corrected:
        return f"{done['calls']:,} calls looked at: every cost is as it would be now."
    would = "would get" if dry_run else "got"
    lines = [f"{done['calls']:,} calls looked at, {changed:,} {would} another cost."]
    if corrected:
        lines.append(f"{corrected:,} calls of closed months {would} a correction, the calls stay.")
    lines += [row_told(row) for row in done["moved"][:MOST_ROWS]]
    if len(done["moved"]) > MOST_ROWS:
        lines.append(f"  … {len(done['moved']) - MOST_ROWS:,} further rows: --format csv.")
    if not dry_run:
        lines.append(f"This is run {done['run_id']}; to take it back: {back(done['run_id'])}")
    return "\n".join(lines)


def back(run_id: int) -> str:
    return f"hf-ledger reprice --undo {run_id}"


def row_told(row: dict[str, Any]) -> str:
    where = f" (correction to {row['month']})" if row["month"] else ""
    model = row["model"] or "unknown model"
    money = f"{dollars(row['before'])} → {dollars(row['after'])}"
    return f"  {row['day']}  {model}: {row['calls']:,} calls, {money}{where}"


def dollars(text: str | None) -> str:
    return "price unknown" if text is None else f"${text}"


def show_runs(session: Session, output: Format) -> None:
    rows = session.ask("repricing_runs").to_pylist()
    if output is Format.json:
        typer.echo(json.dumps({"question": "repricing_runs", "rows": rows}, default=str, indent=2))
    elif output is Format.csv:
        from hf_ledger.cli.output import write_csv

        write_csv(session.ask("repricing_runs"))
    elif not rows:
        typer.echo("No call was ever repriced.")
    for row in rows if output is Format.table else ():
        undone = f", undone by run {row['undone_by']}" if row["undone_by"] else ""
        typer.echo(
            f"{row['run_id']}  {row['ran_at']:%Y-%m-%d %H:%M} UTC  {row['changed']:,} of "
            f"{row['calls']:,} calls: {row['reason']}{undone}"
        )
