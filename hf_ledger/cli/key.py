"""`hf-ledger key`: keys of users and of hosts that post their calls, and of the prompts' hashes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from hf_ledger.cli import key_scope as scope
from hf_ledger.cli.options import Format, Shape, listed
from hf_ledger.ingest.errors import Usage

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keys of users, of hosts that post their calls here, and of the hashes of prompts.",
)

PERIOD_COLUMNS = ("key_id", "since", "until")
COLUMNS = (
    "key_id",
    "name",
    "created_at",
    "revoked_at",
    "role",
    "user",
    "team",
    "project",
    "environment",
    "models",
    "providers",
    "expires_at",
    "limits",
    "screening",
    "replaying",
)
ALWAYS = ("key_id", "name", "role", "created_at", "revoked_at")
HOST_KEY = (
    "It posts calls of another host (role host). One that calls models: --role call, or say whom "
    "it is for."
)
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As hf-ledger key list shows it.")]


@app.callback()
def root() -> None:
    """Keys of users, of hosts that post their calls here, and of the hashes of prompts."""


@app.command()
def create(
    *,
    name: scope.Name,
    role: scope.RoleOption = None,
    user: scope.User = None,
    team: scope.Team = None,
    project: scope.Project = None,
    environment: scope.Environment = None,
    models: scope.Models = None,
    providers: scope.Providers = None,
    expires: scope.Expires = None,
    rpm: scope.Rpm = None,
    burst: scope.Burst = None,
    concurrent: scope.Concurrent = None,
    max_tokens: scope.MaxTokens = None,
    max_body: scope.Body = None,
    budget: scope.BudgetOption = None,
    data_class: scope.ClassOption = None,
    screen: scope.Screen = False,
    found: scope.FoundOption = None,
    target: scope.Target = None,
    replay_share: scope.ReplayShare = None,
    replay_candidate: scope.ReplayCandidate = None,
    replay_usd: scope.ReplayUsd = None,
) -> None:
    """Make a key and show it, this once; the ledger keeps only its hash.

    With a name alone it is the key of a host that posts its calls here.
    """
    said = scope.key_scope(
        role,
        expires,
        user=user,
        team=team,
        project=project,
        environment=environment,
        models=listed(models),
        providers=listed(providers),
        limits=scope.limits_of(rpm, burst, concurrent, max_tokens, max_body),
        budget=scope.budget_of(budget),
        screening=scope.screening_of(screen, found, data_class, target),
        replaying=scope.replaying_of(replay_share, replay_candidate, replay_usd),
    )
    made(name, said, told=role is not None)


def made(name: str, said: dict[str, Any], *, told: bool) -> None:
    """Make the key here, so that only its hash goes to whoever holds the ledger."""
    from hf_ledger.ingest.doors.api.keys import make_key

    key, kept = make_key(name)
    plain = {field: getattr(kept, field) for field in ("key_id", "name", "key_hash", "algorithm")}
    asked("key_create", **plain, **said)
    typer.echo(key)
    typer.echo("Keep it now: it is not shown again.", err=True)
    if said["role"] == "host" and not told:
        typer.echo(HOST_KEY, err=True)


@app.command("list")
def list_keys(output: Shape = Format.table) -> None:
    """Every key with its name, dates, scope and limits, never the key itself."""
    rows = asked("key_list")["keys"]
    if output is Format.table and not rows:
        typer.echo("There is no key yet; make one with: hf-ledger key create --name HOST")
    elif output is Format.json:
        show(rows, output, COLUMNS)
    else:
        rows = [{name: cell(value) for name, value in row.items()} for row in rows]
        show(rows, output, COLUMNS if output is Format.csv else filled(rows))


def filled(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Columns that say something of at least one key: a terminal is narrow."""
    further = [name for name in COLUMNS if any(row[name] for row in rows)]
    return (*ALWAYS, *(name for name in further if name not in ALWAYS))


def cell(value: Any) -> str | None:
    """A list with spaces between, limits as name=value."""
    if isinstance(value, list):
        return " ".join(value) or None
    if isinstance(value, dict):
        return " ".join(f"{name}={each}" for name, each in value.items()) or None
    return value if value is None else str(value)


@app.command()
def limit(
    *,
    team: Annotated[str, typer.Option(help="The team whose keys it concerns.")],
    rpm: scope.Rpm = None,
    burst: scope.Burst = None,
    concurrent: scope.Concurrent = None,
    max_tokens: scope.MaxTokens = None,
    max_body: scope.Body = None,
    standard: Annotated[bool, typer.Option("--standard", help="Back to the standard.")] = False,
) -> None:
    """Limits of a team's keys, in the place of what was said of the team before."""
    said = scope.limits_of(rpm, burst, concurrent, max_tokens, max_body)
    if bool(said) == standard:
        raise Usage("say what the team's limits are, or --standard: one of the two.")
    asked("team_limit", team=team, limits=said)
    shown = cell(said) if said else "the standard ones"
    typer.echo(f"Limits of {team}: {shown}. A key's own limits count before its team's.")


@app.command()
def revoke(key_id: KeyId) -> None:
    """End a key: what is sent with it from now on is refused, at every gateway."""
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
