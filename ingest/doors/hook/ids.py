"""Call ids: UUIDv7, so that rows sort by time and no two recorders ever agree on one."""

from __future__ import annotations

import os

VERSION = 7 << 76
VARIANT = 2 << 62
RANDOM = (1 << 62) - 1
NS_PER_MS = 1_000_000


def uuid7(time_ns: int) -> str:
    """RFC 9562's version 7 for this moment; twelve bits hold the part of the millisecond."""
    milliseconds, rest = divmod(time_ns, NS_PER_MS)
    fraction = rest * 4096 // NS_PER_MS
    random = int.from_bytes(os.urandom(8), "big") & RANDOM
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | VERSION | fraction << 64 | VARIANT | random
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
