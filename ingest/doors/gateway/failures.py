"""How often each address may show a wrong key: so many at once, then one every few seconds."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

AT_ONCE = 10
EVERY_SECONDS = 6.0
MOST_ADDRESSES = 10_000


class Failures:
    """A bucket of tokens for each address; each failure takes one.

    A bucket is the moment at which it would be full again. Beyond `most` addresses the one that
    failed longest ago is forgotten.
    """

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        every_seconds: float = EVERY_SECONDS,
        most: int = MOST_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._span = at_once * every_seconds
        self._every = every_seconds
        self._most = most
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def count(self, address: str) -> float:
        """Count a failure; 0, or the seconds until there is room for it where there is none."""
        where, now = counted_as(address), self._clock()
        full_at = max(now, self._full_at.get(where, now)) + self._every
        wait = full_at - now - self._span
        if wait <= 0:
            self._full_at[where] = full_at
        self._full_at.move_to_end(where)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return max(wait, 0.0)


def counted_as(address: str) -> str:
    """The address; of IPv6 its /64, since whoever has one address of it has them all."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped) if found.ipv4_mapped else found.packed[:8].hex()
