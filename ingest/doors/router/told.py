"""`run/router.json`: how places have done of late, written by the ledger's owner for every router.

The file holds counts by place and slice of time, of calls of every program that the ledger has; a
router adds what it saw itself after the last slice in it. Without an owner the file grows old, and
its slices leave the window one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from hf_ledger.ingest.doors.router.key import Key
from hf_ledger.ingest.doors.router.metrics import SLICE_S, Metrics
from hf_ledger.ingest.doors.router.window import Counts
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.watched_file import WatchedFile

LOOK_SECONDS = 2.0
KEPT = "hf-ledger routes by the figures that it had: %s can't be read (%s)"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """One place's counts, by the number of the slice."""

    key: Key
    slices: dict[int, Counts]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knew of calls that ended up to and with slice `last`."""

    slice_s: int = SLICE_S
    last: int = 0
    live: tuple[Place, ...] = ()
    practice: tuple[Place, ...] = ()

    def of(self, origin: str) -> tuple[Place, ...]:
        return self.practice if origin == "practice" else self.live

    def age_s(self, now: float) -> float:
        """Seconds since the end of the last slice; `now` is since 1970."""
        return max(0.0, now - (self.last + 1) * self.slice_s)


NOTHING = Told()
DECODER = msgspec.json.Decoder(Told)
ENCODER = msgspec.json.Encoder()


class Following(threading.Thread):
    """Tells metrics what the file says, again and again until `stop()`; never raises."""

    def __init__(
        self,
        places: Places,
        metrics: Metrics,
        every_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="hf-ledger-router", daemon=True)
        self._file = WatchedFile(places.router_state, DECODER.decode, NOTHING, KEPT)
        self._metrics = metrics
        self._every_seconds = every_seconds
        self._clock = clock
        self._stopping = threading.Event()
        self._told = NOTHING
        self.attend()

    def run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            self.attend()

    def attend(self) -> None:
        """Look at the file once. One of other slices than ours, of another version, is left."""
        told = self._file.now()
        if told is self._told or told.slice_s != self._metrics.slice_s:
            return
        self._told = told
        places = {each.key: dict(each.slices) for each in told.of(self._metrics.origin)}
        self._metrics.tell(places, told.last)

    @property
    def age_s(self) -> float | None:
        """How old the ledger's figures are; None where there are none."""
        return self._told.age_s(self._clock()) if self._told.last else None

    def stop(self) -> None:
        self._stopping.set()
        if self.is_alive():
            self.join(10)
