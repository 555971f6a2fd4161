"""How targets do now, in this process and, through the ledger, in every other.

Slices are numbered from 1970 because processes and the ledger share them; a clock that is set
forgets slices, and never keeps one for longer. All of it is kept in memory: for each place at most
one count for each slice of the window.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from threading import Lock

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.router.key import Key, key_of, key_of_call
from hf_ledger.ingest.doors.router.ranked import Health
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.window import Counts, Window, counts_of

WINDOW_S = 600
SLICE_S = 10
#: A program that calls ever new models must not fill its memory.
MOST_KEYS = 10_000
MINUTE_S = 60.0
#: Whoever has not looked for so many changes looks at everything.
REMEMBERED = 1024


class Metrics:
    """Counts what calls came to; may be used by many threads.

    `clock` gives seconds since 1970, as the calls' own times are.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        window_s: int = WINDOW_S,
        slice_s: int = SLICE_S,
    ) -> None:
        self._clock = clock
        self._slice_s = slice_s
        self._slices = window_s // slice_s
        self._windows: dict[Key, Window] = {}
        self._sent: dict[Key, deque[float]] = {}
        self._lock = Lock()
        self._now = 0  # the slice in which `_forget` was last
        self.told = 0  # the last slice that the ledger told
        self._version = 0  # grows by one with each change
        self._changed: deque[Key | None] = deque(maxlen=REMEMBERED)  # None: everything

    def observe(self, call: Call) -> None:
        """Count a finished call, once. One that says nothing of its target is left out."""
        counts = counts_of(call)
        if counts is None:
            return
        piece, key = self.piece_of(call), key_of_call(call)
        with self._lock:
            now = self._advance()
            if max(now - self._slices, self.told) < piece <= now + 1:
                self._window(key).observe(piece, counts)
                self._change(key)

    def piece_of(self, call: Call) -> int:
        """The slice in which a call ended, as the ledger computes it too."""
        ended_us = call.ts + int((call.latency_ms or 0.0) * 1000)
        return ended_us // (self._slice_s * 1_000_000)

    def health(self, target: Target) -> Health:
        """How a target has done in the window; its breaker is not asked."""
        with self._lock:
            self._advance()
            window = self._windows.get(key_of(target))
            return window.health() if window else Health()

    def healths(self, keys: list[Key]) -> list[Health]:
        """The same of many at once."""
        nothing = Health()
        with self._lock:
            self._advance()
            found = map(self._windows.get, keys)
            return [nothing if each is None else each.health() for each in found]

    def changed_since(self, version: int) -> tuple[int, list[Key] | None]:
        """The version now, and whose health may be another since that one; None: everybody's."""
        with self._lock:
            self._advance()
            behind = self._version - version
            if behind <= 0:
                return self._version, []
            if version < 0 or behind > len(self._changed):
                return self._version, None
            changed = list(islice(self._changed, len(self._changed) - behind, None))
        known = [key for key in changed if key is not None]
        return version + behind, known if len(known) == len(changed) else None

    def tell(self, base: Mapping[Key, dict[int, Counts]], told: int) -> None:
        """Take over what the ledger has seen up to and with slice `told`; it is copied by nobody.

        What this process observed up to there is in it, and is counted no more.
        """
        with self._lock:
            self.told = told
            for key in self._windows.keys() | base.keys():
                self._window(key).tell(base.get(key, {}), told)
            self._now = 0
            self._advance()

    # -- what is under way -------------------------------------------------------------------------

    def sent(self, target: Target, now_s: float) -> None:
        """A request is on its way to the target; `done` must follow."""
        key = key_of(target)
        with self._lock:
            self._window(key).now_under_way(1)
            if target.requests_per_minute is not None:
                times = self._sent.setdefault(key, deque())
                times.append(now_s)
                _forget_old(times, now_s)
            self._change(key)

    def done(self, target: Target) -> None:
        """The request came to an end, whichever."""
        key = key_of(target)
        with self._lock:
            if window := self._windows.get(key):
                window.now_under_way(-1)
                self._change(key)

    def full(self, target: Target, now_s: float) -> str | None:
        """Why no further request may be sent to the target now; None where one may."""
        key = key_of(target)
        with self._lock:
            window, times = self._windows.get(key), self._sent.get(key)
            under_way = window.under_way if window else 0
            if target.most_at_once is not None and under_way >= target.most_at_once:
                return f"{under_way} under way, and {target.most_at_once} at once allowed"
            if target.requests_per_minute is None:
                return None
            sent = _forget_old(times, now_s) if times else 0
            if sent < target.requests_per_minute:
                return None
        return f"all {target.requests_per_minute} of this minute are used up"

    # -- keeping it small --------------------------------------------------------------------------

    def _window(self, key: Key) -> Window:
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= MOST_KEYS:
                self._drop()
            window = self._windows[key] = Window()
        return window

    def _drop(self) -> None:
        """The key that came first goes, of those with nothing under way."""
        oldest = next((key for key, each in self._windows.items() if not each.under_way), None)
        if oldest is not None:
            del self._windows[oldest]

    def _advance(self) -> int:
        """The slice that it is now; with a new one the oldest are forgotten."""
        now = int(self._clock() // self._slice_s)
        if now != self._now:
            self._now = now
            for key, window in list(self._windows.items()):
                window.forget(now - self._slices + 1, now + 1)
                if window.empty:
                    del self._windows[key]
            self._change(None)
        return now

    def _change(self, key: Key | None) -> None:
        self._version += 1
        self._changed.append(key)


def _forget_old(times: deque[float], now_s: float) -> int:
    """How many were sent in the last minute."""
    while times and times[0] <= now_s - MINUTE_S:
        times.popleft()
    return len(times)
