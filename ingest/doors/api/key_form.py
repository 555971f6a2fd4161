"""How a key looks and how it is hashed; needs no ledger, so that a gateway can check one."""

from __future__ import annotations

import hashlib
import re

ALGORITHM = "sha256"
KEY = re.compile(r"hfl_([0-9a-f]{8})_[A-Za-z0-9_-]{43}", re.ASCII)


def key_hash(key: str) -> str:
    """SHA-256 of the whole key, as hex; 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
