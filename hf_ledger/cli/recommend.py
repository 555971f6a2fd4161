"""`hf-ledger recommend`: observations in words, with their figures."""

from __future__ import annotations

from typing import Annotated

import typer

from hf_ledger.cli.options import Asked, shared
from hf_ledger.cli.output import money_notes, write

Count = Annotated[int, typer.Option("--top", help="At most so many.")]

NOTE = "Observations, not proofs; a price difference is of list prices and untested."


@shared
def recommend(asked: Asked, top: Count = 10) -> None:
    """Observations in words with their figures, greatest price difference first."""
    with asked.asking() as ask:
        table = ask("recommendations", asked.scope, n=top)
        totals = ask("totals", asked.scope).to_pylist()[0]
    write(
        asked,
        "recommendations",
        table,
        title="Observations",
        columns=("rank", "kind", "sentence", "calls"),
        notes=[NOTE, *money_notes(totals)],
        empty="Nothing to observe: no calls match.",
        totals=totals,
    )
