"""Answers that were paid for already: found by a keyed hash of all that the answer depends on.

The hash says nothing without the ledger's key. What is kept in memory ends with the process; what
is kept on disk (journal.py) is encrypted, and only there where somebody asked for it.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

from hf_ledger.ingest.doors.documents.job import Job
from hf_ledger.ingest.doors.documents.plain import canonical
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.hashing import HashKey
from hf_ledger.ingest.places import Places

VERSION = "hf-ledger document cache 1"
KEY_BYTES = 16
MOST_REMEMBERED = 100

Kind = Literal["memory", "disk", "off"]

NO_KEY = "answers can't be kept on disk: the ledger's key in {folder} can't be read or made."


class Begun(NamedTuple):
    """A request that is about to be made: its name for a gateway, and whether one was lost."""

    once: str | None = None
    again: bool = False  # an earlier run ended while this was under way


class Store(Protocol):
    """Keeps answers under a key, and what is known of requests that have no answer yet."""

    def get(self, key: bytes) -> bytes | None:
        """The answer; None where there is none, or none that can be trusted."""
        ...

    def put(self, key: bytes, answer: bytes) -> Callable[[], None] | None:
        """Keep it, at once. What comes back blocks until it is on the disk. Both raise OSError."""
        ...

    def begin(self, key: bytes) -> Begun:
        """A request for it leaves now. Raises OSError."""
        ...

    def close(self, key: bytes) -> None:
        """The request ended without an answer, and that is known. Raises OSError."""
        ...

    def shut(self) -> None:
        """Nothing more is kept here; what was kept stays."""


class Remembered:
    """The answers used last, in memory."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._held: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: bytes, answer: bytes) -> Callable[[], None] | None:
        with self._lock:
            self._held[key] = answer
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return None

    def begin(self, key: bytes) -> Begun:
        return Begun()

    def close(self, key: bytes) -> None:
        """Nothing was noted."""

    def shut(self) -> None:
        """Memory stays, for the next document."""


class Cache:
    """A store, and the secret that its keys are made with."""

    def __init__(self, secret: bytes, store: Store) -> None:
        self._secret = derived(secret, b"content")
        self.store = store

    def key(self, job: Job, inputs: Mapping[str, Any]) -> bytes:
        """The keyed hash of all that the answer depends on."""
        said = (VERSION, job.task, job.answered_by, job.parameters, inputs, job.version)
        return hmac.digest(self._secret, canonical(said), "sha256")[:KEY_BYTES]

    def close(self) -> None:
        """Nothing more is kept through this one; what was kept stays."""
        self.store.shut()


def derived(secret: bytes, use: bytes) -> bytes:
    """A key of its own for each use, from which the ledger's can't be told (HKDF's second step)."""
    return hmac.digest(secret, f"{VERSION}\0".encode() + use + b"\1", "sha256")


_remembered = Remembered()
_alone = os.urandom(32)  # where the ledger has no key, memory does without


def open_cache(kind: Kind, places: Places | None = None) -> Cache | None:
    """The cache of that kind in this ledger; None for `off`.

    All of a process share one memory. Raises Unusable where nothing can be kept on disk.
    """
    if kind not in ("memory", "disk", "off"):
        raise Usage(f"cache is memory, disk or off, not {kind!r}.")
    if kind == "off":
        return None
    where = places or Places.default()
    if kind == "memory":
        return Cache(_alone, _remembered)
    where.make(where.keys)
    key = HashKey.load(where.keys)
    if key is None:
        raise Unusable(NO_KEY.format(folder=where.keys))
    from hf_ledger.ingest.doors.documents.journal import Journal, folder_of

    return Cache(key.secret, Journal(folder_of(where), derived(key.secret, b"encryption")))
