"""Keys of hosts that post their calls: 256 random bits, shown once, kept as a hash only."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec

from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger, transaction

ALGORITHM = "sha256"
KEY = re.compile(r"hfl_([0-9a-f]{8})_[A-Za-z0-9_-]{43}", re.ASCII)
LONGEST_NAME = 100
COMMANDS = ("key_create", "key_list", "key_revoke")

ADD = """
insert into keys
values ($key_id, $name, $algorithm, $key_hash, $created_at, null)
"""

LIST = """
select
    key_id,
    name,
    created_at,
    revoked_at
from keys
order by
    created_at,
    key_id
"""

REVOKE = """
update keys
set revoked_at = coalesce(revoked_at, $revoked_at)
where key_id = $key_id
"""

FIND = """
select key_hash
from keys
where key_id = $key_id
    and algorithm = $algorithm
    and revoked_at is null
"""


class NewKey(msgspec.Struct):
    """What is kept of a key; 256 random bits need no slow hash."""

    key_id: str
    name: str
    key_hash: str
    algorithm: str = ALGORITHM


class KeyName(msgspec.Struct):
    key_id: str


def make_key(name: str) -> tuple[str, NewKey]:
    """A new key as text, to be shown once, and what the ledger keeps of it."""
    shown = name.strip()
    if not shown or len(shown) > LONGEST_NAME:
        raise Usage(f"a key needs a name of at most {LONGEST_NAME} characters.")
    key_id = secrets.token_hex(4)
    key = f"hfl_{key_id}_{secrets.token_urlsafe(32)}"
    return key, NewKey(key_id, shown, key_hash(key))


def key_hash(key: str) -> str:
    """SHA-256 of the whole key, as hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def perform(ledger: Ledger, command: str, payload: bytes) -> dict[str, Any]:
    """Carry out one of `COMMANDS` in the process that holds the ledger."""
    with ledger.writing, closing(ledger.cursor()) as cursor, transaction(cursor):
        match command:
            case "key_create":
                return add_key(cursor, msgspec.json.decode(payload, type=NewKey))
            case "key_revoke":
                return revoke_key(cursor, msgspec.json.decode(payload, type=KeyName).key_id)
    with closing(ledger.cursor()) as cursor:
        return {"keys": list_keys(cursor)}


def add_key(cursor: duckdb.DuckDBPyConnection, new: NewKey) -> dict[str, Any]:
    cursor.execute(ADD, {**msgspec.to_builtins(new), "created_at": _now()})
    return {"key_id": new.key_id}


def list_keys(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Every key that was ever made, oldest first; times UTC, never the key or its hash."""
    names = ("key_id", "name", "created_at", "revoked_at")
    return [
        {name: _stamp(value) for name, value in zip(names, row, strict=True)}
        for row in cursor.execute(LIST).fetchall()
    ]


def revoke_key(cursor: duckdb.DuckDBPyConnection, key_id: str) -> dict[str, Any]:
    """End a key; raises `Usage` where there is none of this id."""
    if not any(key["key_id"] == key_id for key in list_keys(cursor)):
        raise Usage(f"there is no key {key_id!r}: hf-ledger key list shows them.")
    cursor.execute(REVOKE, {"key_id": key_id, "revoked_at": _now()})
    return {"key_id": key_id}


def key_id_of(cursor: duckdb.DuckDBPyConnection, key: str | None) -> str | None:
    """The id of a good key, else None. An unknown id costs the same comparison as a wrong key."""
    said = KEY.fullmatch(key or "")
    named = said[1] if said else ""
    values = {"key_id": named, "algorithm": ALGORITHM}
    found = cursor.execute(FIND, values).fetchone()
    kept = str(found[0]) if found else "0" * 64
    good = hmac.compare_digest(kept, key_hash(key or ""))
    return named if good and found else None


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _stamp(value: Any) -> Any:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value
