"""What comes of a document: its parts in order, the whole, and what was paid for it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from hf_ledger.ingest.errors import Unusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One chunk and its answer, or why there is none.

    The chunk is text[start:end] and was sent from `sent_from` on. `level` 0 is of the document;
    the levels above are summaries of summaries, whose places are those in the text of their level.
    A chunk of spaces alone is `blank`: it is not sent, and nothing is missing.
    """

    index: int
    start: int
    end: int
    sent_from: int
    level: int = 0
    value: Any = None
    failed: str | None = None  # one clause
    blank: bool = False
    cut: bool = False  # the answer ended at the limit of output tokens
    from_cache: bool = False
    cost: Decimal | None = None  # USD of all its requests as far as known; None: nothing is known
    called: int = 0  # requests made for it
    target: str | None = None  # who answered, where that was told


class Spent(NamedTuple):
    """Requests, those whose cost is known, and what these cost together."""

    called: int = 0
    priced: int = 0
    known: Decimal = Decimal(0)
    under_way: int = 0

    @property
    def cost(self) -> Decimal | None:
        """USD; None where requests were made and nothing is known of what they cost."""
        return None if self.called and not self.priced else self.known

    @property
    def coverage(self) -> float | None:
        """Share of requests whose cost is known; None where there were none."""
        return self.priced / self.called if self.called else None


class Progress(NamedTuple):
    """How far it is: told after each part. Levels above the document's add to `total`."""

    done: int
    total: int
    cost: Decimal | None
    failed: int
    spent: Spent = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """The document's value, and each part behind it; nothing is missing that `failed` lacks.

    `cost` is what is known of all requests, None where nothing is; `coverage` is the share of
    requests whose cost is known. `asked_again` chunks were under way when an earlier run ended
    without hearing of them: they may have been billed then too.
    """

    value: Any
    parts: tuple[Part, ...]
    cost: Decimal | None
    coverage: float | None
    operation_id: str
    called: int
    from_cache: int
    failed: tuple[Part, ...]
    asked_again: int = 0
    notes: tuple[str, ...] = ()


class DocumentFailed(Unusable):
    """A chunk failed and the job says to stop: the rest was cancelled. Nothing paid is hidden."""

    def __init__(
        self, sentence: str, *, parts: tuple[Part, ...], spent: Spent, operation_id: str
    ) -> None:
        super().__init__(sentence)
        self.parts = parts
        self.spent = spent
        self.operation_id = operation_id
