"""`hf-ledger report weekly`: the week's report as HTML and XLSX."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hf_ledger.cli.options import (
    Origins,
    Sample,
    Zone,
    chosen_origins,
    configured_zone,
    connected,
    listed,
)
from hf_ledger.ingest.places import Places

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Reports as files.")

Week = Annotated[str, typer.Option(help="ISO week, as 2026-W46, or last-week.")]
Formats = Annotated[
    list[str] | None, typer.Option("--format", help="html, xlsx; with commas for several.")
]
Out = Annotated[Path | None, typer.Option(help="Folder to write to (the ledger's reports folder).")]


@app.callback()
def report() -> None:
    """Reports as files."""


@app.command()
def weekly(
    *,
    week: Week = "last-week",
    formats: Formats = None,
    out: Out = None,
    zone: Zone = None,
    origin: Origins = None,
    sample: Sample = False,
) -> None:
    """Spend against the week before, by team and model, peaks, sizes, observations, coverage."""
    from hf_ledger.analytics.report import weekly as build
    from hf_ledger.dashboard.report.files import FORMATS, save

    places = Places.default()
    zone = zone or configured_zone(places)
    origins = chosen_origins(origin, sample=sample)
    with connected(places.sample if sample else places) as ask:
        made = build(ask, week, zone=zone, now=datetime.now(UTC), origins=origins)
    folder = out or places.make(places.reports)
    for path in save(made, folder, listed(formats, list(FORMATS))):
        print(path)
