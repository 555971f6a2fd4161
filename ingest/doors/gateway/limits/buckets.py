"""Token buckets, exact: whole units of 10⁻¹⁵ tokens and nanoseconds, so that nothing drifts.

Over any window of `t` seconds never more than `capacity + per_second × t` are admitted.
Where several processes admit, `lending.py` keeps the same law over all of them.
"""

from __future__ import annotations

import math

CAPACITY = 100
PER_SECOND = 10.0

TOKEN = 10**15
#: A nanosecond at one token a second brings 10⁶ units, so a rate is exact to a millionth.
PER_NS = 10**6
NEVER = math.inf


class Tank:
    """A bucket's level at a moment: arithmetic alone, without lock or clock."""

    __slots__ = ("at", "capacity", "rate", "units")

    def __init__(self, capacity: int, per_second: float, now: int, units: int) -> None:
        self.capacity = capacity
        self.rate = rate_of(per_second)
        self.units = units
        self.at = now

    def fill(self, now: int, lent: int = 0) -> None:
        """Bring the level to `now`; what is lent takes its place in the capacity."""
        passed = max(0, now - self.at)
        self.at += passed
        room = max(0, self.capacity - lent) * TOKEN
        self.units = min(self.units + passed * self.rate, room)

    def take(self, n: int) -> float:
        """0 where taken, else the nanoseconds until `n` could be."""
        if self.units >= n * TOKEN:
            self.units -= n * TOKEN
            return 0
        return self.wait(n)

    def wait(self, n: int) -> float:
        """Nanoseconds until there are `n`, `NEVER` where there will not be."""
        if n > self.capacity or not self.rate:
            return NEVER
        return -(-(n * TOKEN - self.units) // self.rate)


def rate_of(per_second: float) -> int:
    """Units that a nanosecond brings."""
    return round(per_second * PER_NS)


def limit_headers(capacity: int, per_second: float, left: int) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy` as the Hub writes them; resets when full again."""
    seconds = math.ceil((capacity - left) / per_second) if per_second else 0
    window = math.ceil(capacity / per_second) if per_second else 0
    return {
        "ratelimit": f'"api";r={left};t={seconds}',
        "ratelimit-policy": f'"fixed window";"api";q={capacity};w={window}',
    }
