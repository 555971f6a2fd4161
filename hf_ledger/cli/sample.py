"""`hf-ledger sample`: a ledger of made-up calls beside the user's own."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.sample.making import Sample

MADE = """\
Sample data: made-up calls of a made-up company, beside your own ledger.
  {calls:,} calls of {teams} teams to {models} models, {since} to {last}
  {errors:,} errors, {unpriced:,} without a known price, {endpoint_calls:,} to a dedicated endpoint
  ${cost:,.2f} at list prices, unpriced calls and endpoint hours not included
  {path}"""


def sample(
    days: Annotated[int, typer.Option(help="How many days the sample covers.", min=1)] = 90,
    calls: Annotated[int, typer.Option(help="How many calls it holds.", min=0)] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same calls.", min=0)] = 1,
    until: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Its last day; yesterday if not given.")
    ] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Leave a sample that is there as it is.")
    ] = False,
) -> None:
    """Make the sample ledger, or make it anew; your own ledger is not touched."""
    from hf_ledger.ingest.places import Places

    places = Places.default()
    if if_missing and places.sample.ledger.exists():
        return
    from hf_ledger.ingest.doors.sample.making import make_sample

    made = make_sample(
        places,
        seed=seed,
        calls=calls,
        days=days,
        last=last_day(until, datetime.now(UTC).date()),
        progress=Progress(calls),
    )
    typer.echo(told(made))


def last_day(until: str | None, today: date) -> date:
    """The given day, else the one before `today`."""
    from hf_ledger.ingest.errors import Usage

    if until is None:
        return today - timedelta(days=1)
    try:
        return date.fromisoformat(until)
    except ValueError as error:
        raise Usage(f"--until takes a day like 2026-11-22, not {until!r}") from error


def told(made: Sample) -> str:
    return MADE.format(
        calls=made.calls,
        teams=made.teams,
        models=made.models,
        since=made.period.since.date(),
        last=made.period.last,
        errors=made.errors,
        unpriced=made.unpriced,
        endpoint_calls=made.endpoint_calls,
        cost=made.cost,
        path=made.places.ledger,
    )


class Progress:
    """One line on a terminal that is written over; nothing where output is not a terminal."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.shown = sys.stderr.isatty()

    def __call__(self, step: str, done: int) -> None:
        if self.shown:
            end = "\n" if step == "collected" else ""
            text = f"{step} {done:,} of {self.calls:,} calls" if done else f"{step} …"
            print(f"\r{text:60}", end=end, file=sys.stderr, flush=True)
