"""`hf-ledger route`: what the router knows of targets, and how it would choose."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_ledger.cli.key import cell, table
from hf_ledger.cli.options import Format, Shape

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.router.found import Source
    from hf_ledger.ingest.doors.router.registry import Registry
    from hf_ledger.ingest.doors.router.target import Target

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What the router knows of targets, and how it would choose.",
)

COLUMNS = (
    "name",
    "kind",
    "model",
    "provider",
    "tasks",
    "context_length",
    "max_output_tokens",
    "data_classes",
    "most_at_once",
    "engine",
    "state",
    "known",
    "seen",
)
SOURCE_COLUMNS = ("name", "seen", "failed_since", "why", "models")
FAILED = "{name} has told nothing since {failed_since}: {why}; what it said before is kept."
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Ask routers and servers first what they serve now.")
]
NONE_YET = "There is no target yet; write [targets.NAME] into {config}."


@app.callback()
def root() -> None:
    """What the router knows of targets, and how it would choose."""


@app.command()
def targets(output: Shape = Format.table, refresh: Refresh = False) -> None:
    """Every target that the router knows, with what it can do."""
    from hf_ledger.ingest.doors.router.registry import Registry

    registry = Registry.open()
    if refresh:
        refreshed(registry)
    rows = [row_of(target, registry) for target in registry.targets]
    if output is Format.json:
        sources = [source_row(source) for source in registry.sources.values()]
        typer.echo(json.dumps({"targets": rows, "sources": sources}, indent=2))
    elif output is Format.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    elif not rows:
        typer.echo(NONE_YET.format(config=registry.places.config))
    else:
        shown = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
        typer.echo(table([{name: cell(row[name]) for name in shown} for row in rows], shown))


def refreshed(registry: Registry) -> None:
    """Ask every source; one that fails is a line beside the answer, and keeps what it said."""
    from hf_ledger.ingest.doors.router.refreshing import refresh

    for source in asyncio.run(refresh(registry, registry.places)):
        if source.why is not None:
            typer.echo(FAILED.format(**source_row(source)), err=True)


def row_of(target: Target, registry: Registry) -> dict[str, Any]:
    """A target in the shape that stays; unknown is null."""
    seen = registry.seen(target.name)
    told = {name: getattr(target, name) for name in COLUMNS if name != "seen"}
    told["tasks"] = sorted(target.tasks)
    classes = target.data_classes
    told["data_classes"] = None if classes is None else sorted(classes)
    return {**told, "seen": moment(seen)}


def source_row(source: Source) -> dict[str, Any]:
    """What was asked for in the shape that stays, and how many models it named."""
    seen, since = moment(source.seen_at), moment(source.failed_since)
    values = (source.name, seen, since, source.why, len(source.found))
    return dict(zip(SOURCE_COLUMNS, values, strict=True))


def moment(seconds: float | None) -> str | None:
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat("T", "seconds")
    )
