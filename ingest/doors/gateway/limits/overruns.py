"""Soft budgets that have passed their limit: one line in the owner's log for each period."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hf_ledger.ingest.doors.gateway.limits.books import Books
from hf_ledger.ingest.doors.gateway.limits.journal import Share
from hf_ledger.ingest.doors.gateway.limits.refusing import named

_log = logging.getLogger("hf_ledger")


class Overruns:
    """Remembers what was told; what was over before this owner began is taken as told."""

    def __init__(self, books: Books) -> None:
        self._books = books
        shares = (share for each in books.accounts.values() for share in each.shares.values())
        self._told = {key_of(each) for each in shares if self._is_over(each)}

    def tell(self, shares: Iterable[Share]) -> None:
        """Log the soft budgets among these that are over for the first time in their period."""
        for share in shares:
            if key_of(share) not in self._told and self._is_over(share):
                self._told.add(key_of(share))
                self._say(share)

    def _is_over(self, share: Share) -> bool:
        budget, left = self._books.budget(share.budget_id), self._books.left(share)
        return budget is not None and not budget.hard and left is not None and left < 0

    def _say(self, share: Share) -> None:
        budget = self._books.budget(share.budget_id)
        assert budget is not None
        _log.warning(
            "hf-ledger: %s is over its %s USD for %s; it is soft, so nothing is refused",
            named(budget),
            budget.usd,
            share.period,
        )


def key_of(share: Share) -> tuple[str, str]:
    return share.budget_id, share.period
