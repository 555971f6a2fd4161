"""`hf-ledger model ID…`: how large models are, offline and without a ledger."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
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
FORMATS = ("screen", "table", "json")

#: So many models have a screen each; of more a table shows more.
SCREENS = 3


def model(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID…",
            help="Model ids (the Hub's, a provider's, links); without any, one a line from "
            "standard input, where # begins a comment.",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Task the models do: tells the family where a name does not.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="screen|table|json",
            help="json: one object a line. Without it, a screen with prices over time for up to "
            "three models, a table for more.",
        ),
    ] = None,
) -> None:
    """Show family, size class, parameters and prices of models; unknown is said, never guessed."""
    from hf_ledger.ingest.catalogue.sizes import size_of
    from hf_ledger.ingest.errors import Usage

    if output not in (None, *FORMATS):
        raise Usage(f"--format takes screen, table or json, not {output!r}")
    named = ids or list(asked_in(sys.stdin))
    sizes = [size_of(each, task) for each in named]
    chosen = output or ("screen" if len(sizes) <= SCREENS else "table")
    if chosen == "json":
        print_json(sizes)
    elif chosen == "table":
        print_table(sizes)
    else:
        print_screens(sizes)


def asked_in(stream: Iterable[str]) -> Iterator[str]:
    """An id a line; empty lines and comments are none. Bytes that are no text stay visible."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    lines = (line.strip() for line in stream)
    return (line for line in lines if line and not line.startswith("#"))


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


def print_screens(sizes: Sequence[Size]) -> None:
    from hf_ledger.cli.model_screen import print_screen

    for place, size in enumerate(sizes):
        if place:
            print()
        print_screen(size)


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
