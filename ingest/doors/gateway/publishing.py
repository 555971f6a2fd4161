"""The ledger's side of `run/gateway.json`: keys, budgets, limits and prices as they hold now."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import duckdb
import msgspec

from hf_ledger.ingest.doors.gateway.limits.bank import bank_here
from hf_ledger.ingest.doors.gateway.limits.budgets import read_budgets
from hf_ledger.ingest.doors.gateway.limits.prices_now import prices_now
from hf_ledger.ingest.doors.gateway.state import (
    Key,
    Limits,
    Replaying,
    Screening,
    State,
)
from hf_ledger.ingest.doors.gateway.state_file import publish, published
from hf_ledger.ingest.doors.replays.caps import caps_of
from hf_ledger.ingest.errors import LedgerError, Unusable
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.parameters import read
from hf_ledger.ingest.places import Places

REFRESH_SECONDS = 30.0
#: For so long a key that ended is told so; after that it is unknown.
REMEMBERED = timedelta(days=30)

KEYS = """
select
    key_id,
    key_hash,
    name,
    role,
    user_id as user,
    team,
    project,
    environment,
    coalesce(models, []) as models,
    coalesce(providers, []) as providers,
    epoch(expires_at)::bigint as expires_at,
    limits,
    screening,
    replaying
from keys
where algorithm = 'sha256'
    and revoked_at is null
    and (expires_at is null or expires_at > $remembered)
order by key_id
"""

TEAMS = """
select
    team,
    limits
from team_limits
order by team
"""

Said = TypeVar("Said", Limits, Screening, Replaying)

_log = logging.getLogger("hf_ledger")


class Publisher(threading.Thread):
    """Publishes when it is made, and again and again until `stop()`: prices begin and end."""

    def __init__(
        self, ledger: Ledger, places: Places, every_seconds: float = REFRESH_SECONDS
    ) -> None:
        super().__init__(name="hf-ledger-publisher", daemon=True)
        self._ledger, self._places = ledger, places
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self.attend()

    def run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            self.attend()

    def attend(self) -> None:
        """Publish once; a failure is one line in the log, and the next time comes as usual."""
        try:
            refresh_state(self._ledger, self._places)
        except (LedgerError, msgspec.MsgspecError, duckdb.Error) as error:
            log_failure("gateways", error)

    def stop(self) -> None:
        """End the thread, which lets go of the ledger first."""
        self._stopping.set()
        if self.is_alive():
            self.join(10)


def log_failure(whom: str, error: Exception) -> None:
    """One line; a foreign error by its name only, as DuckDB quotes values."""
    said = str(error) if isinstance(error, LedgerError) else type(error).__name__
    _log.error("hf-ledger could not tell its %s what holds: %s", whom, said)


def refresh_state(ledger: Ledger, places: Places) -> bool:
    """Publish what holds now, and tell this process's bank; False where every gateway knows it.

    Raises `Unusable` where it can't be written.
    """
    with ledger.publishing:
        with closing(ledger.cursor()) as cursor:
            state = gateway_state(cursor, zone_of(ledger, places))
        if bank := bank_here(places):
            bank.adopt(state)
        if msgspec.json.encode(state) == published(places):
            return False
        publish(places, state)
    return True


def zone_of(ledger: Ledger, places: Places) -> str:
    """As the server was told, else as the settings say. A key is revoked whatever they say."""
    from hf_ledger.settings import Settings

    if ledger.zone:
        return ledger.zone
    try:
        return Settings.load(places).zone
    except Unusable as error:
        _log.error("hf-ledger counts budgets by days in UTC: %s", error)
        return State().zone


def gateway_state(
    cursor: duckdb.DuckDBPyConnection, zone: str, moment: datetime | None = None
) -> State:
    """Everything a gateway must know, as of a moment (UTC; now)."""
    now = (moment or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    keys = keys_now(cursor, now)
    return State(
        zone=zone,
        keys=keys,
        teams=teams_now(cursor),
        budgets=(*read_budgets(cursor), *caps_of(keys)),
        prices=prices_now(cursor, now),
    )


def keys_now(cursor: duckdb.DuckDBPyConnection, now: datetime) -> tuple[Key, ...]:
    """Keys that are not revoked; those that ended a while ago are left out."""
    return tuple(map(_key, _rows(cursor, KEYS, {"remembered": now - REMEMBERED})))


def teams_now(cursor: duckdb.DuckDBPyConnection) -> dict[str, Limits]:
    return {row["team"]: _said(row["limits"], Limits) for row in _rows(cursor, TEAMS)}


def _rows(
    cursor: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    found = cursor.execute(query, values) if values else cursor.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _key(row: dict[str, Any]) -> Key:
    row["limits"] = _said(row["limits"], Limits)
    row["screening"] = _said(row["screening"], Screening)
    row["replaying"] = _said(row["replaying"], Replaying)
    return msgspec.convert(row, Key)


def _said(text: str | None, kind: type[Said]) -> Said:
    """What differs from the standard, on top of it."""
    return read((text or "{}").encode(), kind)
