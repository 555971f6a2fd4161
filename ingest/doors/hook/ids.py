"""Call ids: UUIDv7, so that rows sort by time and no two recorders ever agree on one."""

from __future__ import annotations

import os
import random

NS_PER_MS = 1_000_000
VARIANT = 0x8000
MILLISECONDS = (1 << 48) - 1

#: Seeded by the system's own source, which takes a system call that each id would have to wait for.
_random = random.Random(os.urandom(32))


def uuid7(time_ns: int) -> str:
    """RFC 9562's version 7 for this moment; twelve bits hold the part of the millisecond."""
    milliseconds, rest = divmod(time_ns, NS_PER_MS)
    milliseconds &= MILLISECONDS
    bits = _random.getrandbits(62)
    return (
        f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{rest * 4096 // NS_PER_MS:03x}"
        f"-{VARIANT | bits >> 48:04x}-{bits & 0xFFFF_FFFF_FFFF:012x}"
    )


def seed_anew() -> None:
    """In a fork's child: parent and child must not draw the same bits."""
    _random.seed(os.urandom(32))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=seed_anew)
