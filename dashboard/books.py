"""The ledgers that the pages may ask, and which calls of each: yours, practice, sample.

The server opens them once and hands them over with `shelve`; pages take them with `books`.
No page sees a connection, and no book mixes origins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.scope import OWN_ORIGINS
from hf_ledger.ingest.places import Places

if TYPE_CHECKING:
    from hf_ledger.dashboard.console.allowing import Allowance

BookName = Literal["yours", "practice", "sample"]
Row = dict[str, Any]

LABELS: dict[str, str] = {"yours": "Yours", "practice": "Practice", "sample": "Sample"}
BANNERS: dict[str, str] = {
    "sample": "Sample data: made-up calls of a made-up company.",
    "practice": "Practice server, no model ran: the answers and their figures are made up.",
}


@dataclass(frozen=True)
class Book:
    """Calls of these origins in one ledger; `version` changes whenever its rows do."""

    name: BookName
    origins: tuple[str, ...]
    ask: Ask
    version: Callable[[], tuple[int, ...]]
    budgets: Callable[[], list[Row]] = list  # as `hf-ledger budget show` has them; none by default

    @property
    def label(self) -> str:
        return LABELS[self.name]

    @property
    def banner(self) -> str | None:
        """What must stand on every page and file made from this book."""
        return BANNERS.get(self.name)


@dataclass(frozen=True)
class Shelf:
    """All books of this server, and what the pages must know of it."""

    books: dict[str, Book] = field(default_factory=dict)
    zone: str = "UTC"
    practice_url: str | None = None
    targets: tuple[str, ...] = ()  # names that the console offers beside Hugging Face
    places: Places = field(default_factory=Places.default)
    checkout: str | None = None  # where `pip install -e` finds this project, when it is a checkout
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    allowance: Callable[[], Allowance] | None = None  # budgets and limits of the console's calls

    def __getitem__(self, name: str) -> Book:
        return self.books[name]


_shelves: list[Shelf] = []


def shelve(shelf: Shelf) -> None:
    """Give the pages of this process their ledgers, in place of any before."""
    _shelves[:] = [shelf]


def shelf() -> Shelf:
    """The ledgers of this process; an empty shelf before the server has opened any."""
    return _shelves[0] if _shelves else Shelf()


def book_origins(name: BookName) -> tuple[str, ...]:
    """Your own calls are live and imported ones; the other books hold one origin each."""
    return OWN_ORIGINS if name == "yours" else (name,)
