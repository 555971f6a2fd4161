"""Change the key of the prompts' hashes: which key was in force from when to when.

Hashes under different keys can't be compared, so each stands beside its key's id. An old key stays
in the folder, so that a prompt can still be looked for among the calls of its period.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hf_ledger.ingest.hashing import KEY_BYTES, KEY_FILE, HashKey, replace_key

PERIODS = "fingerprint.periods.json"
LOCK = "fingerprint.lock"


class Period(msgspec.Struct, kw_only=True):
    """From when to when a key was in force; `until` is None for the one in force."""

    key_id: str
    since: datetime
    until: datetime | None = None


_PERIODS = msgspec.json.Decoder(list[Period])


def old_key(folder: Path, key_id: str) -> Path:
    """Where a key stands that is no longer in force."""
    return folder / f"fingerprint-{key_id}.key"


def renewed(folder: Path, key: HashKey) -> HashKey:
    """The key in force: this one, unless the file holds another. Never makes one, never raises."""
    try:
        secret = (folder / KEY_FILE).read_bytes()
    except OSError:
        return key
    return key if secret == key.secret or len(secret) != len(key.secret) else HashKey(secret)


def rotate(folder: Path, now: datetime | None = None) -> HashKey | None:
    """Put a new key in force and keep the old one with its period; None where that can't be.

    Recorders under way take the new key with their next beat; each call has one key.
    """
    return put_in_force(folder, os.urandom(KEY_BYTES), now)


def put_in_force(folder: Path, secret: bytes, now: datetime | None = None) -> HashKey | None:
    """As `rotate`, with a key from elsewhere."""
    with _alone(folder):
        key = HashKey.load(folder)
        if key is None:
            return None
        _end(folder, key, now or datetime.now(UTC))
        replace_key(folder, secret)
    return HashKey(secret)


def periods(folder: Path) -> list[Period]:
    """Every key's period, oldest first; empty before the first key."""
    ended = _ended(folder)
    current = folder / KEY_FILE
    key = HashKey.load(folder) if current.exists() else None
    if key is None:
        return ended
    # A rotation cut short ended a period on paper only.
    past = [each for each in ended if each.key_id != key.id]
    since = past[-1].until if past else None
    return [*past, Period(key_id=key.id, since=since or _made(current))]


def key_of(folder: Path, key_id: str) -> HashKey | None:
    """The key with this id, in force or old; None where it is not here."""
    for path in (folder / KEY_FILE, old_key(folder, key_id)):
        with contextlib.suppress(OSError):
            key = HashKey(path.read_bytes())
            if key.id == key_id:
                return key
    return None


def _end(folder: Path, key: HashKey, moment: datetime) -> None:
    """Keep the key under its own name, then say when its period ended."""
    with contextlib.suppress(FileExistsError):
        os.link(folder / KEY_FILE, old_key(folder, key.id))
    *past, current = periods(folder)
    current.until = moment
    draft = folder / f"{PERIODS}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode([*past, current]))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / PERIODS)


def _ended(folder: Path) -> list[Period]:
    try:
        return _PERIODS.decode((folder / PERIODS).read_bytes())
    except FileNotFoundError:
        return []


def _made(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One rotation at a time; the lock goes with the process that holds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
