"""`hf-ledger key`: keys with which other hosts post their calls to this server."""

from __future__ import annotations

import csv
import json
import sys
from typing import Annotated, Any

import typer

from hf_ledger.cli.options import Format, Shape

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Keys for hosts that post their calls here."
)

COLUMNS = ("key_id", "name", "created_at", "revoked_at")
Name = Annotated[str, typer.Option(help="Whose key it is, such as the host's name.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As hf-ledger key list shows it.")]


@app.callback()
def root() -> None:
    """Keys for hosts that post their calls here."""


@app.command()
def create(name: Name) -> None:
    """Make a key and show it, this once; the ledger keeps only its hash."""
    from hf_ledger.ingest.doors.api.keys import make_key

    key, kept = make_key(name)
    asked("key_create", **{field: getattr(kept, field) for field in kept.__struct_fields__})
    typer.echo(key)
    typer.echo("Keep it now: it is not shown again.", err=True)


@app.command("list")
def list_keys(output: Shape = Format.table) -> None:
    """Every key with its name and dates, never the key itself."""
    rows = asked("key_list")["keys"]
    if output is Format.json:
        typer.echo(json.dumps({"keys": rows}, indent=2))
    elif output is Format.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        typer.echo("There is no key yet; make one with: hf-ledger key create --name HOST")
    else:
        typer.echo(table(rows))


@app.command()
def revoke(key_id: KeyId) -> None:
    """End a key: what is posted with it from now on is refused."""
    asked("key_revoke", key_id=key_id)
    typer.echo(f"Key {key_id} is revoked.")


def asked(command: str, **params: Any) -> dict[str, Any]:
    """Have the ledger's holder do it, or do it here where nobody holds it."""
    from hf_ledger.analytics.connect import connect

    with connect() as session:
        return session.command(command, **params)


def table(rows: list[dict[str, Any]]) -> str:
    shown = [COLUMNS, *(tuple(row[name] or "" for name in COLUMNS) for row in rows)]
    widths = [max(len(line[place]) for line in shown) for place in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in shown
    )
