"""`hf-ledger budget`: so many USD a period for a team, a user, a model … or the whole company."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hf_ledger.cli.key import asked, table
from hf_ledger.cli.options import Format, Shape

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Budgets that the gateway keeps, and what is left of them.",
)

COLUMNS = (
    "budget_id",
    "dimension",
    "value",
    "period",
    "usd",
    "hard",
    "unpriced",
    "assumed_usd",
)
SHOWN = (
    "budget_id",
    "dimension",
    "value",
    "period",
    "hard",
    "limit_usd",
    "settled_usd",
    "unaccounted_usd",
    "reserved_usd",
    "left_usd",
)
Usd = Annotated[str, typer.Argument(metavar="USD", help="As 250 or 0.05.")]
For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="DIMENSION=VALUE",
        help="key, user, team, project, environment, model or provider; else the whole company.",
    ),
]
Every = Annotated[str, typer.Option("--period", help="day, week (ISO) or month.")]
Soft = Annotated[bool, typer.Option("--soft", help="Never refuse, only count.")]
Unpriced = Annotated[
    str, typer.Option(help="Calls without a known price: refuse, allow (uncounted) or assume.")
]
Assumed = Annotated[
    str | None, typer.Option("--assumed-usd", help="What a call counts under --unpriced assume.")
]
BudgetId = Annotated[
    str, typer.Argument(metavar="BUDGET_ID", help="As hf-ledger budget list shows it.")
]


@app.callback()
def root() -> None:
    """Budgets that the gateway keeps, and what is left of them."""


@app.command("set")
def set_budget(
    usd: Usd,
    *,
    whose: For = None,
    period: Every = "month",
    soft: Soft = False,
    unpriced: Unpriced = "refuse",
    assumed_usd: Assumed = None,
) -> None:
    """Set a budget; what was spent in its period stays spent."""
    from hf_ledger.ingest.doors.gateway.limits.budgets import new_budget

    dimension, value = split(whose)
    made = new_budget(
        dimension=dimension,
        value=value,
        period=period,
        usd=usd,
        hard=not soft,
        unpriced=unpriced,
        assumed_usd=assumed_usd,
    )
    fields = {field: getattr(made, field) for field in made.__struct_fields__}
    budget_id = asked("budget_set", **fields)["budget_id"]
    typer.echo(f"Budget {budget_id}: {usd} USD a {period} for {whose or 'the whole company'}.")


@app.command("list")
def list_budgets(output: Shape = Format.table) -> None:
    """Every budget that is in force."""
    show_rows(asked("budget_list")["budgets"], output, COLUMNS)


@app.command()
def remove(budget_id: BudgetId) -> None:
    """End a budget: nothing is refused for it any more."""
    asked("budget_remove", budget_id=budget_id)
    typer.echo(f"Budget {budget_id} is removed.")


@app.command()
def show(output: Shape = Format.table) -> None:
    """What each budget has come to in its current period: settled, reserved, left."""
    show_rows(asked("budget_show")["budgets"], output, SHOWN)


def split(whose: str | None) -> tuple[str | None, str | None]:
    """`team=search` as its two parts."""
    from hf_ledger.ingest.errors import Usage

    if whose is None:
        return None, None
    dimension, given, value = whose.partition("=")
    if not given or not value:
        raise Usage(f"--for is {whose!r}: write DIMENSION=VALUE, such as team=search.")
    return dimension, value


def show_rows(rows: list[dict[str, Any]], output: Format, columns: tuple[str, ...]) -> None:
    import csv
    import json
    import sys

    if output is Format.json:
        typer.echo(json.dumps({"budgets": rows}, indent=2))
    elif output is Format.csv:
        writer = csv.DictWriter(sys.stdout, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        typer.echo("There is no budget yet; set one with: hf-ledger budget set USD")
    else:
        typer.echo(table([worded(row, columns) for row in rows], columns))


def worded(row: dict[str, Any], columns: tuple[str, ...]) -> dict[str, str]:
    """A row for people: who is limited by name, yes and no for true and false."""
    said = {name: row.get(name) for name in columns}
    said["hard"] = "yes" if row.get("hard", True) else "no"
    said["dimension"] = said["dimension"] or "company"
    return {name: str(value) if value is not None else "" for name, value in said.items()}
