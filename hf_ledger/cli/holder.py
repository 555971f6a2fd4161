"""The way of commands that change the ledger: through its owner, else by opening the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_ledger.analytics.connect import Session
    from hf_ledger.ingest.places import Places


@contextmanager
def ledger_of_yours(places: Places | None = None) -> Iterator[Session]:
    """A session on your own ledger, which is made where there is none yet."""
    from hf_ledger.analytics.connect import connect
    from hf_ledger.ingest.places import Places

    with connect(places or Places.default()) as session:
        yield session
