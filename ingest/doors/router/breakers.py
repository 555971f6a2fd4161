"""A target that fails again and again is left alone for a while, then tried with one request.

closed ── so many failures in a row, or too large a share ──► open
open ── the pause is over ──► half open: one request is let through, the rest are not
half open ── it succeeded ──► closed; failed ──► open, for twice as long
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Literal, NamedTuple

from hf_ledger.ingest.doors.router.key import Key, key_of
from hf_ledger.ingest.doors.router.target import Target

State = Literal["closed", "open", "half_open"]


class Limits(NamedTuple):
    """When a breaker opens, and for how long."""

    in_a_row: int = 5
    share: float = 0.5  # of the last `calls`, once there were so many
    calls: int = 20
    pause_s: float = 5.0
    longest_s: float = 300.0
    jitter: float = 0.2  # of a pause, on top of it: processes shall not come back together
    longest_asked_s: float = 3600.0  # of a Retry-After that is believed
    probe_s: float = 120.0  # a request that was let through and never told of counts as lost


LIMITS = Limits()


class _Breaker:
    """One target's. `until` is None where it is closed."""

    __slots__ = ("in_a_row", "last", "opened", "probing_until", "until")

    def __init__(self, calls: int) -> None:
        self.in_a_row = 0
        self.last: deque[bool] = deque(maxlen=calls)
        self.opened = 0  # times in a row, for the pause
        self.until: float | None = None
        self.probing_until: float | None = None


class Breakers:
    """Breakers of all targets, by key; may be used by many threads. Times are monotonic seconds.

    Every `admits` that says yes is followed by one of `succeeded`, `failed` and `let_go`.
    `random` gives numbers in [0, 1).
    """

    def __init__(self, random: Callable[[], float], limits: Limits = LIMITS) -> None:
        self._random, self._limits = random, limits
        self._breakers: dict[Key, _Breaker] = {}
        self._lock = Lock()

    def admits(self, target: Target, now: float) -> bool:
        """Whether a request may be sent; of a half-open breaker one asker at a time gets a yes."""
        if not self._breakers:
            return True
        with self._lock:
            found = self._breakers.get(key_of(target))
            if found is None or found.until is None:
                return True
            if _is_open(found, now) or _probing(found, now):
                return False
            found.probing_until = now + self._limits.probe_s
            return True

    def succeeded(self, target: Target, now: float) -> None:
        """The target answered. While it is open that is an answer of before, and says nothing."""
        if not self._breakers:
            return
        key = key_of(target)
        with self._lock:
            found = self._breakers.get(key)
            if found is None or _is_open(found, now):
                return
            found.in_a_row = 0
            found.last.append(True)
            if found.until is not None or False not in found.last:
                del self._breakers[key]

    def failed(self, target: Target, now: float, retry_after_s: float | None = None) -> None:
        """The target failed, and perhaps said for how long it is to be left alone."""
        limits = self._limits
        with self._lock:
            found = self._breakers.setdefault(key_of(target), _Breaker(limits.calls))
            late = _is_open(found, now)
            found.in_a_row += 1
            found.last.append(False)
            if retry_after_s is not None and retry_after_s > 0:
                self._open(found, now + min(retry_after_s, limits.longest_asked_s))
            elif not late and (found.until is not None or self._too_many(found)):
                pause = min(limits.pause_s * 2.0 ** min(found.opened, 30), limits.longest_s)
                found.opened += 1
                self._open(found, now + pause * (1 + limits.jitter * self._random()))

    def let_go(self, target: Target) -> None:
        """What was let through says nothing of the target: it was taken back, or was no good."""
        with self._lock:
            if found := self._breakers.get(key_of(target)):
                found.probing_until = None

    def state(self, target: Target, now: float) -> State:
        """As it is, without letting anything through."""
        with self._lock:
            found = self._breakers.get(key_of(target))
            if found is None or found.until is None:
                return "closed"
            return "open" if _is_open(found, now) else "half_open"

    def shut(self, now: float) -> dict[Key, float]:
        """Keys to which nothing may be sent, and until when; for most programs there is none."""
        if not self._breakers:
            return {}
        with self._lock:
            return {
                key: max(each.until or 0.0, each.probing_until or 0.0)
                for key, each in self._breakers.items()
                if _is_open(each, now) or _probing(each, now)
            }

    def _open(self, found: _Breaker, until: float) -> None:
        found.until = max(until, found.until or until)
        found.probing_until = None

    def _too_many(self, found: _Breaker) -> bool:
        limits, last = self._limits, found.last
        if found.in_a_row >= limits.in_a_row:
            return True
        return len(last) == limits.calls and last.count(False) >= limits.share * limits.calls


def _is_open(found: _Breaker, now: float) -> bool:
    return found.until is not None and now < found.until


def _probing(found: _Breaker, now: float) -> bool:
    return found.probing_until is not None and now < found.probing_until
