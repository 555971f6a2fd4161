"""What the requests of one document cost so far: whoever holds it may look any time."""

from __future__ import annotations

from decimal import Decimal

from hf_ledger.ingest.doors.documents.parts import Spent


class Meter:
    """Counts each request when it begins, so that one that is cut off is not forgotten."""

    def __init__(self) -> None:
        self._called = 0
        self._priced = 0
        self._under_way = 0
        self._known = Decimal(0)

    def begin(self) -> None:
        self._called += 1
        self._under_way += 1

    def end(self, known: Decimal | None, *, whole: bool) -> None:
        """`known` of its cost, and whether that is all of it."""
        self._under_way -= 1
        self._priced += whole
        self._known += known or 0

    @property
    def spent(self) -> Spent:
        return Spent(self._called, self._priced, self._known, self._under_way)
