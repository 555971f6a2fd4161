"""The key of a ledger's hashes, and one pass of HMAC-SHA-256 over a canonical form.

Which bytes are hashed is said in fingerprint.py and, as a contract, in docs/wire.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VERSION = b"hf-ledger input 1\n"
RAW_VERSION = b"hf-ledger bytes 1\n"
#: Some 512 tokens of English: fine enough to find a shared prefix, cheap enough for every call.
BLOCK_BYTES = 2048
MOST_BLOCKS = 512

_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))
KEY_BYTES = 32
KEY_FILE = "fingerprint.key"


class HashKey:
    """The secret that makes hashes of prompts useless to anybody without it."""

    __slots__ = ("_begun", "_inner", "_outer", "id", "secret")

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        #: Tells keys apart without telling them: stands beside every hash.
        self.id = hashlib.sha256(b"hf-ledger key id\0" + secret).hexdigest()[:8]
        padded = secret.ljust(64, b"\0")
        self._inner = hashlib.sha256(padded.translate(_IPAD))
        self._begun = hashlib.sha256(padded.translate(_IPAD) + VERSION)
        self._outer = hashlib.sha256(padded.translate(_OPAD))

    def __repr__(self) -> str:
        return f"HashKey(id={self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HashKey) and self.secret == other.secret

    def __hash__(self) -> int:
        return hash(self.secret)

    @classmethod
    def load(cls, folder: Path) -> HashKey | None:
        """The folder's key, made on first use; None where it can't be read or made."""
        path = folder / KEY_FILE
        try:
            secret = path.read_bytes() if path.exists() else _make_key(path)
        except OSError:
            return None
        return cls(secret) if len(secret) == KEY_BYTES else None

    def bytes_hash(self, body: bytes) -> str:
        """Of a body that is no JSON."""
        inner = self._inner.copy()
        inner.update(RAW_VERSION)
        inner.update(body)
        return _closed(inner, self._outer)

    def short_hash(self, form: bytes) -> str:
        """Of a canonical form without template and without a full block, as most are."""
        inner = self._begun.copy()
        inner.update(form)
        return _closed(inner, self._outer)

    def pass_over(self) -> _Pass:
        """Begin to hash a canonical form."""
        return _Pass(self._begun.copy(), self._outer)


def _closed(inner: Any, outer: Any) -> str:
    """The first 128 bit of an HMAC-SHA-256, in hexadecimal, by the state inside it."""
    outer = outer.copy()
    outer.update(inner.digest())
    return str(outer.hexdigest()[:32])


def _make_key(path: Path) -> bytes:
    """A new key, unless another maker was first: one stays."""
    with _draft(path, os.urandom(KEY_BYTES)) as draft, contextlib.suppress(FileExistsError):
        os.link(draft, path)
    return path.read_bytes()


def replace_key(folder: Path, secret: bytes) -> None:
    """Put this secret in the place of the folder's key; there is no moment without one."""
    path = folder / KEY_FILE
    with _draft(path, secret) as draft:
        draft.replace(path)


@contextlib.contextmanager
def _draft(path: Path, secret: bytes) -> Iterator[Path]:
    """A key written whole before it gets its name."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


class _Pass:
    """One HMAC-SHA-256 over a canonical form, whose state can be asked for on the way."""

    __slots__ = ("_hash", "_outer", "_room", "blocks", "update")

    def __init__(self, inner: Any, outer: Any) -> None:
        self._hash = inner
        self._outer = outer
        self._room = BLOCK_BYTES
        self.blocks: list[int] = []
        self.update = inner.update  # takes bytes that no block hash covers

    def content(self, data: bytes) -> None:
        """Take bytes of the ask; each full block leaves the state that all up to it led to."""
        if len(data) >= self._room:
            data = self._blocks_of(data)
        self.update(data)
        self._room -= len(data)

    def _blocks_of(self, data: bytes) -> bytes:
        """Take all full blocks and give back what is left."""
        at, view, update, digest = 0, memoryview(data), self.update, self._hash.digest
        states: list[bytes] = []
        for _ in range(
            min((len(data) - self._room) // BLOCK_BYTES + 1, MOST_BLOCKS - len(self.blocks))
        ):
            update(view[at : at + self._room])
            at += self._room
            self._room = BLOCK_BYTES
            states.append(digest())
        self.blocks += [int.from_bytes(state[:8], "big", signed=True) for state in states]
        return data[at:]

    def hex128(self) -> str:
        """The hash of all so far."""
        return _closed(self._hash, self._outer)
