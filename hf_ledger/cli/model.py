"""`hf-ledger model ID…`: how large models are, offline and without a ledger."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hf_ledger.ingest.catalogue.sizes import Size

FIELDS = (
    "model",
    "family",
    "size_class",
    "params_total_b",
    "params_active_b",
    "source",
    "confidence",
)


def model(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID…",
            help="Hugging Face model ids; without any, one a line from standard input.",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Task the models do: tells the family where a name does not.")
    ] = None,
    output: Annotated[
        str, typer.Option("--format", metavar="table|json", help="json: one object a line.")
    ] = "table",
) -> None:
    """Show family, size class and parameters of models; unknown is said, never guessed."""
    from hf_ledger.ingest.catalogue.sizes import size_of
    from hf_ledger.ingest.errors import Usage

    if output not in ("table", "json"):
        raise Usage(f"--format takes table or json, not {output!r}")
    named = ids or [line.strip() for line in sys.stdin if line.strip()]
    sizes = [size_of(each, task) for each in named]
    print_json(sizes) if output == "json" else print_table(sizes)


def print_json(sizes: Sequence[Size]) -> None:
    import json

    for size in sizes:
        print(json.dumps({name: getattr(size, name) for name in FIELDS}))


def print_table(sizes: Sequence[Size]) -> None:
    import pyarrow as pa
    from rich.console import Console

    from hf_ledger.cli.output import PIPE_WIDTH, grid

    rows = [shown(size) for size in sizes]
    if not rows:
        return
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else PIPE_WIDTH
    console.print(grid(pa.Table.from_pylist(rows), list(rows[0])))


def shown(size: Size) -> dict[str, str]:
    return {
        "model": size.model,
        "family": size.family,
        "class": size.size_class or "unknown",
        "parameters": billions(size.params_total_b),
        "active": billions(size.params_active_b),
        "source": size.source,
        "confidence": size.confidence,
    }


def billions(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.4g} B"
