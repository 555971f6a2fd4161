"""The owner's loop: look at the spool twice a second, collect what grew, tidy once an hour."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from hf_ledger.ingest.errors import LedgerError
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import Collected, collect
from hf_ledger.ingest.spool.reading import sizes
from hf_ledger.ingest.spool.tidying import tidy

POLL_SECONDS = 0.5
#: Processes end without writing anything: their open calls are looked for at least this often.
SURVEY_SECONDS = 10.0
TIDY_SECONDS = 3600.0
#: After a failure the next try waits longer and longer, up to this.
LONGEST_PAUSE = 30.0

_log = logging.getLogger("hf_ledger")


@dataclass
class LoopHealth:
    """What the last rounds did, for `doctor` and the health figures."""

    last_collected: datetime | None = None
    failures_in_a_row: int = 0
    last_failure: str | None = None


class CollectorThread(threading.Thread):
    """Collects in the background until `stop()`; a call is in the ledger within a second.

    `collected` is called after each round that brought anything.
    """

    def __init__(
        self,
        ledger: Ledger,
        places: Places,
        collected: Callable[[Collected], None] | None = None,
    ) -> None:
        super().__init__(name="hf-ledger-collector", daemon=True)
        self.health = LoopHealth()
        self._ledger = ledger
        self._places = places
        self._collected = collected
        self._stopping = threading.Event()
        self._seen: dict[str, int] = {}
        self._surveyed = self._tidied = -TIDY_SECONDS

    def run(self) -> None:
        last = False
        while not last:
            # The round after `stop()` takes what was written in the meantime.
            last = self._stopping.is_set()
            pause = POLL_SECONDS
            try:
                self._round(time.monotonic())
                self.health.failures_in_a_row = 0
            except Exception as error:  # noqa: BLE001 - the loop outlives whatever a round meets
                pause = self._failed(error)
            if not last:
                self._stopping.wait(pause)

    def stop(self) -> None:
        """Collect once more, end the loop and wait for it."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def _round(self, now: float) -> None:
        found = sizes(self._places.spool)
        if found != self._seen or now - self._surveyed >= SURVEY_SECONDS:
            self._collect(found, now)
        if now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            tidy(self._ledger, self._places)

    def _collect(self, found: dict[str, int], now: float) -> None:
        brought = collect(self._ledger, self._places)
        # Only after success: what a failed round saw must be looked at again.
        self._seen, self._surveyed = found, now
        if brought:
            self.health.last_collected = datetime.now(UTC)
            if self._collected:
                self._collected(brought)

    def _failed(self, error: Exception) -> float:
        """Log the first of a row of failures; the seconds to wait before the next try."""
        self.health.failures_in_a_row += 1
        self.health.last_failure = described(error)
        if self.health.failures_in_a_row == 1:
            _log.error("hf-ledger could not collect, will retry: %s", self.health.last_failure)
        return min(POLL_SECONDS * float(2 ** min(self.health.failures_in_a_row, 8)), LONGEST_PAUSE)


def described(error: Exception) -> str:
    """The error for a log: DuckDB quotes values when it converts them, so those are left out."""
    if isinstance(error, LedgerError | OSError | duckdb.OperationalError):
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return type(error).__name__
