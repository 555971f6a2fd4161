"""`hf-ledger peaks`: the busiest hours of the day, or hour by weekday."""

from __future__ import annotations

from typing import Annotated

import typer

from hf_ledger.cli.options import Asked, shared
from hf_ledger.cli.output import write

Count = Annotated[int, typer.Option("--top", help="How many hours of the day.")]
Heat = Annotated[bool, typer.Option("--heat", help="All 168 hours of the week instead.")]


@shared
def peaks(asked: Asked, top: Count = 3, heat: Heat = False) -> None:
    """The busiest hours of the day by calls, or with --heat hour by weekday."""
    with asked.asking() as ask:
        if heat:
            table = ask("heat", asked.scope)
            note = "weekday 1 is Monday; hours: how often the period holds that hour."
            write(asked, "heat", table, title="Calls by weekday and hour", notes=[note])
        else:
            table = ask("busiest", asked.scope, n=top)
            write(asked, "busiest", table, title="Busiest hours of the day")
