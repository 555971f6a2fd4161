"""Keys: 256 random bits, shown once, kept as a hash only; whom each is for and what it may."""

from __future__ import annotations

import hmac
import secrets
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec

from hf_ledger.ingest.doors.api.key_form import ALGORITHM, KEY, key_hash
from hf_ledger.ingest.doors.api.scopes import (
    LONGEST_NAME,
    NewBudget,
    NewKey,
    check_end,
    check_limits,
    check_scope,
    check_texts,
)
from hf_ledger.ingest.doors.gateway.state import Limits
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger, transaction
from hf_ledger.ingest.parameters import read

COMMANDS = ("key_create", "key_list", "key_revoke", "team_limit")


ADD = """
insert into keys by name
select
    $key_id as key_id,
    $name as name,
    $algorithm as algorithm,
    $key_hash as key_hash,
    $created_at as created_at,
    $role as role,
    $user as user_id,
    $team as team,
    $project as project,
    $environment as environment,
    $models::varchar[] as models,
    $providers::varchar[] as providers,
    $expires_at::timestamp as expires_at,
    $limits::json as limits,
    $screening::json as screening,
    $replaying::json as replaying
"""

ADD_BUDGET = """
insert into budgets by name
select
    $budget_id as budget_id,
    'key' as dimension,
    $key_id as value,
    $period as period,
    $usd::decimal(18, 9) as usd,
    true as hard,
    'refuse' as unpriced,
    $created_at as created_at
"""

LIST = """
select
    key_id,
    name,
    created_at,
    revoked_at,
    role,
    user_id as user,
    team,
    project,
    environment,
    coalesce(models, []) as models,
    coalesce(providers, []) as providers,
    expires_at,
    limits,
    screening,
    replaying
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

END_BUDGETS = """
update budgets
set removed_at = $revoked_at
where dimension = 'key'
    and value = $key_id
    and removed_at is null
"""

FIND = """
select key_hash
from keys
where key_id = $key_id
    and algorithm = $algorithm
    and role = 'host'
    and revoked_at is null
    and (expires_at is null or expires_at > $now)
"""

FORGET_TEAM = """
delete from team_limits
where team = $team
"""

LIMIT_TEAM = """
insert into team_limits
values ($team, $limits::json)
"""


class KeyName(msgspec.Struct):
    key_id: str


class TeamLimit(msgspec.Struct):
    """What a team's limits are to be; all standard ends what was said of it before."""

    team: str
    limits: Limits = Limits()


def make_key(name: str, **scope: Any) -> tuple[str, NewKey]:
    """A new key as text, to be shown once, and what the ledger keeps of it.

    `scope` is what else `NewKey` holds; without any the key is a host's.
    """
    shown = name.strip()
    if not shown or len(shown) > LONGEST_NAME:
        raise Usage(f"a key needs a name of at most {LONGEST_NAME} characters.")
    key_id = secrets.token_hex(4)
    key = f"hfl_{key_id}_{secrets.token_urlsafe(32)}"
    return key, NewKey(key_id, shown, key_hash(key), **scope)


def perform(ledger: Ledger, command: str, payload: bytes) -> dict[str, Any]:
    """Carry out one of `COMMANDS` in the process that holds the ledger."""
    with ledger.writing, closing(ledger.cursor()) as cursor, transaction(cursor):
        match command:
            case "key_create":
                return add_key(cursor, read(payload, NewKey))
            case "key_revoke":
                return revoke_key(cursor, read(payload, KeyName).key_id)
            case "team_limit":
                return limit_team(cursor, read(payload, TeamLimit))
    with closing(ledger.cursor()) as cursor:
        return {"keys": list_keys(cursor)}


def add_key(cursor: duckdb.DuckDBPyConnection, new: NewKey) -> dict[str, Any]:
    """Keep a key with what it may spend; raises `Usage` where its scope makes no sense."""
    check_scope(new)
    check_end(new.expires_at, datetime.now(UTC).timestamp())
    cursor.execute(ADD, _row(new))
    if new.budget:
        cursor.execute(ADD_BUDGET, _budget_row(new.key_id, new.budget))
    return {"key_id": new.key_id}


def list_keys(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Every key that was ever made, oldest first; times UTC, never the key or its hash."""
    found = cursor.execute(LIST)
    names = [column[0] for column in found.description or ()]
    return [
        {name: _shown(name, value) for name, value in zip(names, row, strict=True)}
        for row in found.fetchall()
    ]


def revoke_key(cursor: duckdb.DuckDBPyConnection, key_id: str) -> dict[str, Any]:
    """End a key and its own budgets; raises `Usage` where there is none of this id."""
    if not any(key["key_id"] == key_id for key in list_keys(cursor)):
        raise Usage(f"there is no key {key_id!r}: hf-ledger key list shows them.")
    ended = {"key_id": key_id, "revoked_at": _now()}
    cursor.execute(REVOKE, ended)
    cursor.execute(END_BUDGETS, ended)
    return {"key_id": key_id}


def limit_team(cursor: duckdb.DuckDBPyConnection, given: TeamLimit) -> dict[str, Any]:
    """Limits of a team's keys, in the place of what was said before; `Usage` for senseless ones."""
    check_texts({"team": given.team})
    check_limits(given.limits)
    cursor.execute(FORGET_TEAM, {"team": given.team})
    if given.limits != Limits():
        cursor.execute(LIMIT_TEAM, {"team": given.team, "limits": _json(given.limits)})
    return {"team": given.team, "limits": msgspec.to_builtins(given.limits)}


def key_id_of(cursor: duckdb.DuckDBPyConnection, key: str | None) -> str | None:
    """The id of a host's good key, else None. An unknown id costs the same as a wrong key."""
    said = KEY.fullmatch(key or "")
    named = said[1] if said else ""
    values = {"key_id": named, "algorithm": ALGORITHM, "now": _now()}
    found = cursor.execute(FIND, values).fetchone()
    kept = str(found[0]) if found else "0" * 64
    good = hmac.compare_digest(kept, key_hash(key or ""))
    return named if good and found else None


def _row(new: NewKey) -> dict[str, Any]:
    plain = ("key_id", "name", "algorithm", "key_hash", "role", "user", "team", "project")
    return {
        **{name: getattr(new, name) for name in (*plain, "environment")},
        "created_at": _now(),
        "models": list(new.models),
        "providers": list(new.providers),
        "expires_at": None if new.expires_at is None else _moment(new.expires_at),
        **{name: _json(getattr(new, name)) for name in ("limits", "screening", "replaying")},
    }


def _budget_row(key_id: str, budget: NewBudget) -> dict[str, Any]:
    return {
        "budget_id": secrets.token_hex(4),
        "key_id": key_id,
        "period": budget.period,
        "usd": f"{budget.usd:f}",
        "created_at": _now(),
    }


def _json(said: msgspec.Struct) -> str | None:
    """What differs from the standard; None where nothing does."""
    text = msgspec.json.encode(said).decode()
    return None if text == "{}" else text


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if name in ("limits", "screening", "replaying"):
        return msgspec.json.decode(value) if value else {}
    return value


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
