"""The Ed25519 key that checkpoints are signed with: 32 bytes, made on first use, mode 0600."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from hf_ledger.ingest.errors import Unusable

KEY_FILE = "audit-ed25519"
SECRET_BYTES = 32
CONTEXT = b"hf-ledger audit checkpoint 1\n"


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The folder's key, made where there is none; raises `Unusable` or `OSError`."""
    path = folder / KEY_FILE
    if not path.exists():
        _make(path)
    return _private(path)


def public_key(folder: Path) -> str | None:
    """The public half as hex, for whoever verifies; None where there is no key."""
    path = folder / KEY_FILE
    return public_hex(_private(path)) if path.exists() else None


def public_hex(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def sign(key: Ed25519PrivateKey, chain: bytes, body: bytes) -> str:
    """Over the chain before the checkpoint and all of it up to its signature; 128 hex digits."""
    return key.sign(CONTEXT + chain + body).hex()


def signed(public: str, chain: bytes, body: bytes, signature: str) -> bool:
    """Whether the holder of this public key signed that."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), CONTEXT + chain + body)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(path: Path) -> Ed25519PrivateKey:
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise Unusable(f"{path} holds no key of {SECRET_BYTES} bytes: bring back its backup.")
    return Ed25519PrivateKey.from_private_bytes(secret)


def _make(path: Path) -> None:
    """Write a key whole before it gets its name; where two make one, the first stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
