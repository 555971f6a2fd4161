"""`hf-ledger key`: keys of hosts that post their calls here, and the key of the prompts' hashes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from hf_ledger.cli.options import Format, Shape

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keys of hosts that post their calls here, and of the hashes of prompts.",
)

PERIOD_COLUMNS = ("key_id", "since", "until")
COLUMNS = ("key_id", "name", "created_at", "revoked_at")
Name = Annotated[str, typer.Option(help="Whose key it is, such as the host's name.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As hf-ledger key list shows it.")]


@app.callback()
def root() -> None:
    """Keys of hosts that post their calls here, and of the hashes of prompts."""


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
    if output is Format.table and not rows:
        typer.echo("There is no key yet; make one with: hf-ledger key create --name HOST")
    else:
        show(rows, output, COLUMNS)


@app.command()
def revoke(key_id: KeyId) -> None:
    """End a key: what is posted with it from now on is refused."""
    asked("key_revoke", key_id=key_id)
    typer.echo(f"Key {key_id} is revoked.")


@app.command("rotate-hash")
def rotate_hash() -> None:
    """Hash prompts under a new key from now on; old hashes compare among themselves only."""
    from hf_ledger.ingest.errors import Unusable
    from hf_ledger.ingest.keyring import periods, rotate
    from hf_ledger.ingest.places import Places

    folder = Places.default().keys
    key = rotate(folder)
    if key is None:
        raise Unusable(f"the hash key in {folder} can't be read: make it readable first.")
    *_, before, _ = periods(folder)
    typer.echo(f"Hashes are made with key {key.id} from now on; before, with key {before.key_id}.")
    typer.echo("Duplicates and prefixes are found among calls of one key, not across.", err=True)


@app.command("list-hash")
def list_hash(output: Shape = Format.table) -> None:
    """The keys of the prompts' hashes, and from when to when each was in force."""
    from hf_ledger.ingest.keyring import periods
    from hf_ledger.ingest.places import Places

    found = [
        {"key_id": each.key_id, "since": _said(each.since), "until": _said(each.until)}
        for each in periods(Places.default().keys)
    ]
    if output is Format.table and not found:
        typer.echo("There is no hash key yet; it is made with the first call.")
    else:
        show(found, output, PERIOD_COLUMNS)


def _said(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def show(rows: list[dict[str, Any]], output: Format, columns: Sequence[str]) -> None:
    if output is Format.json:
        typer.echo(json.dumps({"keys": rows}, indent=2))
    elif output is Format.csv:
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(rows)
    else:
        typer.echo(table(rows, columns))


def asked(command: str, **params: Any) -> dict[str, Any]:
    """Have the ledger's holder do it, or do it here where nobody holds it."""
    from hf_ledger.analytics.connect import connect

    with connect() as session:
        return session.command(command, **params)


def table(rows: list[dict[str, Any]], columns: Sequence[str]) -> str:
    shown = [tuple(columns), *(tuple(row[name] or "" for name in columns) for row in rows)]
    widths = [max(len(line[place]) for line in shown) for place in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in shown
    )
