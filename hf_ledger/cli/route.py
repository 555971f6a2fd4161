"""`hf-ledger route`: what the router knows of targets, and how it would choose."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from hf_ledger.cli.key import cell, table
from hf_ledger.cli.options import Format, Shape

if TYPE_CHECKING:
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
NONE_YET = "There is no target yet; write [targets.NAME] into {config}."


@app.callback()
def root() -> None:
    """What the router knows of targets, and how it would choose."""


@app.command()
def targets(output: Shape = Format.table) -> None:
    """Every target that the router knows, with what it can do."""
    from hf_ledger.ingest.doors.router.registry import Registry

    registry = Registry.open()
    rows = [row_of(target, registry) for target in registry.targets]
    if output is Format.json:
        typer.echo(json.dumps({"targets": rows}, indent=2))
    elif output is Format.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    elif not rows:
        typer.echo(NONE_YET.format(config=registry.places.config))
    else:
        shown = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
        typer.echo(table([{name: cell(row[name]) for name in shown} for row in rows], shown))


def row_of(target: Target, registry: Registry) -> dict[str, Any]:
    """A target in the shape that stays; unknown is null."""
    seen = registry.seen(target.name)
    told = {name: getattr(target, name) for name in COLUMNS if name != "seen"}
    told["tasks"] = sorted(target.tasks)
    classes = target.data_classes
    told["data_classes"] = None if classes is None else sorted(classes)
    moment = None if seen is None else datetime.fromtimestamp(seen, UTC)
    return {**told, "seen": moment.isoformat(timespec="seconds") if moment else None}
