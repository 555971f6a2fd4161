"""States of dedicated endpoints: from a file, or from what Hugging Face's API answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hf_ledger.ingest.catalogue.comparing import naive
from hf_ledger.ingest.catalogue.hours import work_out_hours
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger, transaction

STATES = (
    "pending",
    "initializing",
    "running",
    "updating",
    "updateFailed",
    "paused",
    "failed",
    "scaledToZero",
)
COLUMNS = (
    "endpoint",
    "time",
    "state",
    "ready_replicas",
    "target_replicas",
    "vendor",
    "instance_type",
    "instance_size",
    "usd_per_hour",
    "url",
    "model",
)
NEEDED = ("endpoint", "time", "state")


class State(msgspec.Struct, frozen=True):
    """One look at an endpoint; `seen_at` aware, `usd_per_hour` of one replica where stated."""

    endpoint: str
    seen_at: datetime
    state: str
    ready_replicas: int | None = None
    target_replicas: int | None = None
    vendor: str | None = None
    instance_type: str | None = None
    instance_size: str | None = None
    usd_per_hour: Decimal | None = None
    host: str | None = None
    model: str | None = None


class Reading(msgspec.Struct):
    """What a file says, and what in it could not be read: line and reason."""

    states: list[State] = []
    rejected: list[str] = []


# A second file with the same looks adds nothing; the first one read counts.
ADD_STATES = """
insert into endpoint_states
select
    unnest($endpoints) as endpoint,
    unnest($moments) as seen_at,
    unnest($states),
    unnest($ready),
    unnest($target),
    unnest($vendors),
    unnest($types),
    unnest($sizes),
    unnest($rates)::decimal(18, 9),
    $holds_minutes,
    $source
"""

KNOWN = """
select
    endpoint,
    seen_at
from endpoint_states
where endpoint in (select unnest($endpoints))
"""

FORGET_ENDPOINTS = """
delete from endpoints
where endpoint in (select unnest($endpoints))
"""

SPAN = """
select
    min(seen_at),
    max(seen_at)
from endpoint_states
where endpoint = $endpoint
"""

NAMED = """
select
    host,
    model
from endpoints
where endpoint = $endpoint
"""

ADD_ENDPOINT = """
insert into endpoints
values ($endpoint, $host, $model, $first_seen, $last_seen)
"""

# The look before the first new one held until then: hours from there on are worked out anew.
BEFORE = """
select min(coalesce((
    select max(earlier.seen_at)
    from endpoint_states as earlier
    where earlier.endpoint = new.endpoint
        and earlier.seen_at < new.seen_at
), new.seen_at))
from (
    select
        unnest($endpoints) as endpoint,
        unnest($moments) as seen_at
) as new
"""


def read_states(path: Path) -> Reading:
    """The states in a CSV file with a header, or a JSON list of objects, with `COLUMNS`.

    Raises `Usage` for a file that is neither; single lines that are wrong are listed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} can't be read as text: {error}.") from error
    reading = Reading()
    for where, row in enumerate(rows_of(path, text), start=1):
        try:
            reading.states.append(state_of(row))
        except ValueError as error:
            reading.rejected.append(f"{path.name}, row {where}: {error}")
    return reading


def rows_of(path: Path, text: str) -> Iterable[Any]:
    if text.lstrip().startswith(("[", "{")):
        try:
            found = json.loads(text, parse_float=Decimal)
        except ValueError as error:
            raise Usage(f"{path} is not valid JSON: {error}.") from error
        return found if isinstance(found, list) else [found]
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise Usage(f"{path} lacks the column {missing[0]}; it has to have {', '.join(NEEDED)}.")
    return list(reader)


def state_of(row: Any) -> State:
    """One row as a state; ValueError says what is wrong with it."""
    if not isinstance(row, dict):
        raise ValueError("not an object")
    told = {name: str(row[name]).strip() for name in COLUMNS if row.get(name) not in (None, "")}
    for name in NEEDED:
        if not told.get(name):
            raise ValueError(f"no {name}")
    if told["state"] not in STATES:
        raise ValueError(f"unknown state {told['state']!r}; there are {', '.join(STATES)}")
    return State(
        endpoint=told["endpoint"],
        seen_at=moment(told["time"]),
        state=told["state"],
        ready_replicas=count(told, "ready_replicas"),
        target_replicas=count(told, "target_replicas"),
        vendor=told.get("vendor"),
        instance_type=instance_type(told.get("instance_type")),
        instance_size=told.get("instance_size"),
        usd_per_hour=usd(told.get("usd_per_hour")),
        host=host_of(told.get("url")),
        model=told.get("model"),
    )


def moment(text: str) -> datetime:
    """An ISO time, UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it as 2026-11-23T14:05:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def count(told: dict[str, str], name: str) -> int | None:
    if name not in told:
        return None
    if not told[name].isdecimal() or int(told[name]) > 10_000:
        raise ValueError(f"{name} is {told[name]!r}, not a number of replicas")
    return int(told[name])


def usd(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        rate = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"usd_per_hour is {text!r}, not a number") from None
    if not rate.is_finite() or not 0 <= rate < 1_000_000:
        raise ValueError(f"usd_per_hour is {text!r}, out of range")
    return rate


def instance_type(name: str | None) -> str | None:
    """As the price table has it: the API says `nvidia-a10g`, the table `a10g`."""
    return name.lower().removeprefix("nvidia-") if name else None


def host_of(url: str | None) -> str | None:
    """The host under which its calls stand in the ledger."""
    return urlsplit(url if "//" in url else f"//{url}").hostname if url else None


def states_of(answer: Any, seen_at: datetime) -> list[State]:
    """The states in the API's list of endpoints (`GET /v2/endpoint/NAMESPACE`).

    What lacks a name or a state is left out: it shows as a gap.
    """
    items = answer.get("items") if isinstance(answer, dict) else answer
    found = (looked_at(item, seen_at) for item in items or () if isinstance(item, dict))
    return [state for state in found if state]


def looked_at(item: dict[str, Any], seen_at: datetime) -> State | None:
    status, compute = part(item, "status"), part(item, "compute")
    name, state = item.get("name"), status.get("state")
    if not isinstance(name, str) or not isinstance(state, str):
        return None
    return State(
        endpoint=name,
        seen_at=seen_at,
        state=state,
        ready_replicas=replicas(status.get("readyReplica")),
        target_replicas=replicas(status.get("targetReplica")),
        vendor=worded(part(item, "provider").get("vendor")),
        instance_type=instance_type(worded(compute.get("instanceType"))),
        instance_size=worded(compute.get("instanceSize")),
        host=host_of(worded(status.get("url"))),
        model=worded(part(item, "model").get("repository")),
    )


def part(item: dict[str, Any], name: str) -> dict[str, Any]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def worded(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def replicas(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def keep_states(
    ledger: Ledger, states: Sequence[State], source: str, holds_minutes: int | None
) -> int:
    """Add the states that are new and work out the hours they touch; how many were new.

    `holds_minutes` None: a list of changes, each holds until the next. One transaction.
    """
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                new = unknown(cursor, states)
                if new:
                    add(cursor, new, source, holds_minutes)
        finally:
            cursor.close()
    return len(new)


def unknown(cursor: Any, states: Sequence[State]) -> list[State]:
    """Those whose endpoint was not looked at in that moment yet, once each, in order of time."""
    asked = {"endpoints": sorted({state.endpoint for state in states})}
    known = set(cursor.execute(KNOWN, asked).fetchall())
    new: dict[tuple[str, datetime], State] = {}
    for state in sorted(states, key=lambda each: each.seen_at):
        key = (state.endpoint, naive(state.seen_at))
        if key not in known:
            new.setdefault(key, state)
    return list(new.values())


def add(cursor: Any, new: Sequence[State], source: str, holds_minutes: int | None) -> None:
    names = [state.endpoint for state in new]
    moments = [naive(state.seen_at) for state in new]
    cursor.execute(
        ADD_STATES,
        {
            "endpoints": names,
            "moments": moments,
            "states": [state.state for state in new],
            "ready": [state.ready_replicas for state in new],
            "target": [state.target_replicas for state in new],
            "vendors": [state.vendor for state in new],
            "types": [state.instance_type for state in new],
            "sizes": [state.instance_size for state in new],
            "rates": [None if s.usd_per_hour is None else str(s.usd_per_hour) for s in new],
            "holds_minutes": holds_minutes,
            "source": source,
        },
    )
    for name in sorted(set(names)):
        describe(cursor, name, [state for state in new if state.endpoint == name])
    (since,) = cursor.execute(BEFORE, {"endpoints": names, "moments": moments}).fetchone()
    work_out_hours(cursor, sorted(set(names)), since)


def describe(cursor: Any, endpoint: str, new: Sequence[State]) -> None:
    """Its host and model, the newest that was told."""
    host, model = cursor.execute(NAMED, {"endpoint": endpoint}).fetchone() or (None, None)
    for state in new:
        host, model = state.host or host, state.model or model
    first, last = cursor.execute(SPAN, {"endpoint": endpoint}).fetchone()
    cursor.execute(FORGET_ENDPOINTS, {"endpoints": [endpoint]})
    cursor.execute(
        ADD_ENDPOINT,
        {
            "endpoint": endpoint,
            "host": host,
            "model": model,
            "first_seen": first,
            "last_seen": last,
        },
    )
