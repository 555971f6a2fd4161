"""`hf-ledger savings`: price differences per move, untested; or the original flat analyzer."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hf_ledger.analytics.words import UNTESTED
from hf_ledger.cli.options import Asked, shared
from hf_ledger.cli.output import money_notes, write

NOTES = (
    "Same tokens at the list price of each call's day; no quality was tested. The kinds look at "
    "the same calls, so their differences are not added up.",
)
NONE_CHEAPER = "No move is cheaper by list price, or no call has a list price."
FLAT_NOTE = "Price book flat: $0.001 small, 0.005 medium, 0.01 large, 0.02 xl a request; untested."
COLUMNS = (
    "kind",
    "from_model",
    "from_provider",
    "to_model",
    "to_provider",
    "calls",
    "cost",
    "cost_after",
    "difference",
    "label",
)


class PriceBook(StrEnum):
    list = "list"
    flat = "flat"


Book = Annotated[
    PriceBook,
    typer.Option("--price-book", help="list: route prices; flat: the original analyzer."),
]


@shared
def savings(asked: Asked, price_book: Book = PriceBook.list) -> None:
    """Price difference of smaller models and cheaper providers, per move, untested."""
    with asked.asking() as ask:
        if price_book is PriceBook.flat:
            table = ask("flat", asked.scope)
            write(asked, "flat", table, title="The original analyzer", notes=[FLAT_NOTE])
        else:
            table = ask("savings", asked.scope)
            totals = ask("totals", asked.scope).to_pylist()[0]
            write(
                asked,
                "savings",
                table,
                title=UNTESTED,
                columns=COLUMNS,
                notes=[*NOTES, *money_notes(totals)],
                empty=NONE_CHEAPER,
                totals=totals,
            )
