"""What a key of role admin may have the ledger do: make, list and end keys, and limit teams."""

from __future__ import annotations

from typing import Any

import msgspec

from hf_ledger.ingest.doors.api.keys import make_key, perform
from hf_ledger.ingest.doors.api.scopes import NewBudget
from hf_ledger.ingest.doors.gateway.publishing import refresh_state
from hf_ledger.ingest.doors.gateway.state import Limits, Replaying, Screening
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.parameters import read
from hf_ledger.ingest.places import Places

COMMANDS = ("key_create", "key_list", "key_revoke", "team_limit")
NO_ADMINS = "keys of role admin are made where the ledger is: hf-ledger key create --role admin."
NO_COMMAND = "there is no such command; there are {known}."


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A key that is asked for, as `NewKey` without what is made here."""

    name: str
    role: str = "call"
    user: str | None = None
    team: str | None = None
    project: str | None = None
    environment: str | None = None
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    expires_at: int | None = None  # seconds since 1970, UTC
    limits: Limits = Limits()
    screening: Screening = Screening()
    replaying: Replaying = Replaying()
    budget: NewBudget | None = None


def admin(ledger: Ledger, places: Places, command: str, payload: bytes) -> dict[str, Any]:
    """Carry out one of `COMMANDS`; every gateway knows of it when this returns.

    The answer of "key_create" holds the key itself, this once. Raises `Usage` for what makes no
    sense, and for a key that would make keys: whoever takes an admin's key takes no second one.
    """
    if command not in COMMANDS:
        raise Usage(NO_COMMAND.format(known=", ".join(COMMANDS)))
    made: dict[str, Any] = {}
    if command == "key_create":
        made["key"], payload = _new(read(payload, Asked))
    done = perform(ledger, command, payload)
    refresh_state(ledger, places)
    return done | made


def _new(asked: Asked) -> tuple[str, bytes]:
    """The key as text, and what the ledger is to keep of it."""
    if asked.role not in ("call", "host"):
        raise Usage(NO_ADMINS)
    scope = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "name"}
    key, kept = make_key(asked.name, **scope)
    return key, msgspec.json.encode(kept)
