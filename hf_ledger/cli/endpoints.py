"""`hf-ledger endpoints`: states of dedicated endpoints, from a file or the API, and their hours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hf_ledger.cli.options import Asked, shared

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Hours of dedicated endpoints: billed with calls or without.",
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON; docs/endpoints.md.")]
Every = Annotated[
    int | None,
    typer.Option(
        "--holds-minutes",
        min=1,
        help="Each row is a look that vouches for so many minutes; none: rows are changes.",
    ),
]


@app.callback()
def root() -> None:
    """Hours of dedicated endpoints: billed with calls or without."""


@app.command("import")
def import_states(file: File, holds_minutes: Every = None) -> None:
    """Bring in a file of states; a second time adds nothing."""
    from hf_ledger.ingest.catalogue.endpoints import read_states
    from hf_ledger.ingest.errors import Incomplete

    reading = read_states(file)
    new = sent(reading.states, file.name, holds_minutes)
    typer.echo(f"{len(reading.states):,} states read, {new:,} of them new.")
    for line in reading.rejected:
        typer.echo(line, err=True)
    if reading.rejected:
        raise Incomplete(f"{len(reading.rejected):,} rows were not taken; the others are in.")


@app.command()
def poll() -> None:
    """Look at the endpoints of the configured namespace once; needs a token that may read."""
    from datetime import UTC, datetime

    from hf_ledger.ingest.catalogue.daily import HOLDS_MINUTES
    from hf_ledger.ingest.catalogue.fetching import client, fetch_states
    from hf_ledger.ingest.errors import Unusable
    from hf_ledger.settings import Settings

    settings = Settings.load()
    addresses = settings.addresses()
    if not addresses.namespace:
        raise Unusable("set endpoint_namespace in hf-ledger.toml: whose endpoints to look at.")
    if not addresses.token:
        raise Unusable(f"there is no token in {settings.token_variable}: set one that may read.")
    with client() as http:
        states = fetch_states(http, addresses, datetime.now(UTC))
    new = sent(states, "poll", HOLDS_MINUTES)
    typer.echo(f"{len(states):,} endpoints looked at, {new:,} states kept.")


def sent(states: list[Any], source: str, holds_minutes: int | None) -> int:
    """Have the ledger's holder keep them, as many at a time as one request holds."""
    from hf_ledger.cli.holder import ledger_of_yours

    new = 0
    with ledger_of_yours() as session:
        for first in range(0, len(states), 1000):
            part = states[first : first + 1000]
            given = {"source": source, "holds_minutes": holds_minutes}
            new += session.command("endpoints_keep", states=part, **given)["states"]
    return new


@app.command()
@shared
def hours(asked: Asked) -> None:
    """Minutes and cost by endpoint and day, idle ones and gaps among them."""
    from hf_ledger.cli.output import write

    with asked.asking() as ask:
        table = ask("endpoint_hours", asked.scope)
    write(asked, "endpoint_hours", table, title="Endpoint hours", notes=notes(table.to_pylist()))


def notes(rows: list[dict[str, Any]]) -> list[str]:
    from hf_ledger.analytics.endpoint_hours import summed

    return summed(rows).words()
