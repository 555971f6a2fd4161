"""Call ids: UUIDv7, so that rows sort by time and no two recorders ever agree on one."""

from __future__ import annotations

import os
from itertools import count

NS_PER_MS = 1_000_000
VARIANT = 0x8000
BITS_48 = (1 << 48) - 1


class _Tail:
    """What tells ids of one moment apart: 14 random bits of the process, and a count that starts at
    a random one of 48 (a draw for each id would cost as much as all the rest of it)."""

    def __init__(self) -> None:
        self.draw()

    def draw(self) -> None:
        bits = int.from_bytes(os.urandom(8), "big")
        self.variant = f"-{VARIANT | bits >> 50:04x}-"
        self.next = count(bits & BITS_48).__next__


_tail = _Tail()


def uuid7(time_ns: int) -> str:
    """RFC 9562's version 7 for this moment; twelve bits hold the part of the millisecond."""
    milliseconds, rest = divmod(time_ns, NS_PER_MS)
    milliseconds &= BITS_48
    return (
        f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{rest * 4096 // NS_PER_MS:03x}"
        f"{_tail.variant}{_tail.next() & BITS_48:012x}"
    )


if hasattr(os, "register_at_fork"):
    # Parent and child must not count on from the same number.
    os.register_at_fork(after_in_child=_tail.draw)
