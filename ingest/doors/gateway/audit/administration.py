"""Who changed what may be done: one record for each change of a key, a budget, a limit, a token."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import msgspec

from hf_ledger.ingest.doors.gateway.audit.records import Administered
from hf_ledger.ingest.doors.gateway.audit.trail import Trail
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

#: Commands that are noted; what else changes the ledger is not the gateway's.
NOTED = frozenset(
    {"key_create", "key_revoke", "team_limit", "budget_set", "budget_remove", "token_changed"}
)
#: What of a command is told; a key's hash is not.
TOLD = (
    "name", "role", "user", "team", "project", "environment", "models", "providers", "expires_at",
    "dimension", "value", "period", "usd", "hard", "unpriced", "assumed_usd", "what",
)  # fmt: skip
SUBJECTS = ("key_id", "budget_id", "team")

NOT_NOTED = (
    "the change is made, but the audit could not note it ({why}): make {folder} writable, then "
    "make it again."
)


def note(
    places: Places,
    command: str,
    payload: bytes,
    done: Mapping[str, Any],
    who: str | None = None,
) -> None:
    """Note a command that was carried out, if it is one of `NOTED`.

    `who` is the id of the key that asked for it, else the user of this machine. Raises `Unusable`
    where it can't be written: whoever asked must know that nobody else will.
    """
    if command not in NOTED:
        return
    asked = msgspec.json.decode(payload)
    known = {**asked, **done}
    record = Administered(
        action=command,
        who=who or f"user:{_user()}",
        subject=str(next((known[name] for name in SUBJECTS if known.get(name)), "")),
        values={name: _text(asked[name]) for name in TOLD if asked.get(name) not in (None, [], "")},
    )
    try:
        with closing(Trail(places)) as trail:
            trail.write(record)
    except OSError as error:
        folder = places.root / "audit"
        raise Unusable(NOT_NOTED.format(why=error.strerror, folder=folder)) from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return str(os.getuid())
