"""`hf-ledger spend`: estimated cost by any dimension and period."""

from __future__ import annotations

from typing import Annotated

import typer

from hf_ledger.cli.options import Asked, By, listed, shared
from hf_ledger.cli.output import money_notes, write

COLUMNS = ("calls", "errors", "input_tokens", "output_tokens", "priced_calls", "cost")

Grain = Annotated[str | None, typer.Option(help="hour, day, week or month: a row for each.")]


@shared
def spend(asked: Asked, by: By = None, grain: Grain = None) -> None:
    """Estimated cost by any dimension (--by, model if not given) and period (--grain)."""
    keys = listed(by, () if grain else ("model",))
    with asked.asking() as ask:
        rows = ask("spend", asked.scope, by=keys, grain=grain)
        totals = ask("totals", asked.scope).to_pylist()[0]
    shown = [*(["period"] if grain else []), *dict.fromkeys(keys), *COLUMNS]
    title, notes = "Spend", money_notes(totals)
    write(asked, "spend", rows, title=title, columns=shown, notes=notes, totals=totals)
