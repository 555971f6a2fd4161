"""`hf-ledger overkill`: work done by models two or more classes too big."""

from __future__ import annotations

from hf_ledger.cli.options import Asked, shared
from hf_ledger.cli.output import money_notes, write

NONE = "No call went to a model two or more classes too big."
NOTE = "By rule from task and length, not by test: an observation, no proof that smaller suffices."


@shared
def overkill(asked: Asked) -> None:
    """Calls answered by models two or more size classes above the smallest suitable one."""
    with asked.asking() as ask:
        table = ask("overkill", asked.scope)
        totals = ask("totals", asked.scope).to_pylist()[0]
    notes = [NOTE, *money_notes(totals)]
    write(asked, "overkill", table, title="Overkill", notes=notes, empty=NONE, totals=totals)
