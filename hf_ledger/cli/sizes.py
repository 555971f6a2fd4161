"""`hf-ledger sizes`: calls, tokens and cost over model size classes."""

from __future__ import annotations

from hf_ledger.cli.options import Asked, By, listed, shared
from hf_ledger.cli.output import money_notes, write


@shared
def sizes(asked: Asked, by: By = None) -> None:
    """Calls, tokens and cost over model size classes (docs/questions.md has the cuts)."""
    with asked.asking() as ask:
        table = ask("sizes", asked.scope, by=listed(by))
        totals = ask("totals", asked.scope).to_pylist()[0]
    write(asked, "sizes", table, title="Model sizes", notes=money_notes(totals), totals=totals)
