"""The options that say whom a gateway key is for and what it may, as what the ledger keeps."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from hf_ledger.ingest.errors import Usage


class Role(StrEnum):
    """What a key is good for; each can that alone."""

    host = "host"
    call = "call"
    admin = "admin"


class Class(StrEnum):
    """How sensitive what a key sends is."""

    public = "public"
    internal = "internal"
    confidential = "confidential"
    restricted = "restricted"


class Found(StrEnum):
    """What happens to a request in which screening found something."""

    allow = "allow"
    route = "route"
    mask = "mask"
    refuse = "refuse"


Name = Annotated[str, typer.Option(help="Whose key it is: a host's, a person's or a program's.")]
RoleOption = Annotated[
    Role | None,
    typer.Option(
        help="host posts calls, call calls models through the gateway, admin manages keys. "
        "Without: call where an option that only a call key can have is given, else host."
    ),
]
User = Annotated[str | None, typer.Option(help="User whom its calls count for.")]
Team = Annotated[str | None, typer.Option(help="Team whom its calls count for.")]
Project = Annotated[str | None, typer.Option(help="Project whom its calls count for.")]
Environment = Annotated[str | None, typer.Option(help="Environment, such as prod.")]
Models = Annotated[
    list[str] | None,
    typer.Option(help="Models it may call, as meta-llama/*; again or with commas. None: any."),
]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        help="Providers it may call, or endpoint, self_hosted; again or with commas. None: any."
    ),
]
Expires = Annotated[
    str | None, typer.Option(help="When it ends: 90d, or its last day (2027-01-31, UTC).")
]
Rpm = Annotated[
    float | None, typer.Option(help="Requests a minute, of each user and model, in the long run.")
]
Burst = Annotated[int | None, typer.Option(help="Requests at once before that rate holds.")]
Concurrent = Annotated[int | None, typer.Option(help="Requests under way at the same time.")]
MaxTokens = Annotated[int | None, typer.Option(help="Most tokens that one request may ask for.")]
Body = Annotated[int | None, typer.Option("--max-body", help="Most bytes of one request.")]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", help="USD it may spend a month; 25/day and 100/week as well."),
]
ClassOption = Annotated[
    Class | None, typer.Option("--class", help="How sensitive what it sends is (internal).")
]
Screen = Annotated[bool, typer.Option("--screen", help="Look for personal data in its requests.")]
FoundOption = Annotated[
    Found | None, typer.Option("--found", help="What happens where some was found (refuse).")
]
Target = Annotated[
    str | None, typer.Option(help="Self-hosted target that --found route sends it to.")
]
ReplayShare = Annotated[
    float | None, typer.Option(help="Share of its calls that a candidate answers too, as 0.05.")
]
ReplayCandidate = Annotated[str | None, typer.Option(help="The candidate model.")]
ReplayUsd = Annotated[str | None, typer.Option(help="USD that replays may cost a month, at most.")]

_LASTS = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)
_BUDGET = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/(day|week|month))?", re.ASCII)


def key_scope(role: str | None, expires: str | None, **given: Any) -> dict[str, Any]:
    """What `make_key` takes beside the name; an option that was not given is left out.

    Without a role it is a host's key, as it always was, unless something is given that only a key
    that calls models can have.
    """
    scope = {name: value for name, value in given.items() if value}
    scope["role"] = role or ("call" if scope else "host")
    if expires is not None:
        scope["expires_at"] = ends_at(expires, datetime.now(UTC))
    return scope


def ends_at(text: str, now: datetime) -> int:
    """Seconds since 1970 of the moment behind so many days, or behind a day of the calendar."""
    lasts = _LASTS.fullmatch(text)
    if lasts:
        return int((now + timedelta(days=int(lasts[1]))).timestamp())
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise Usage(f"--expires {text!r} is neither 90d nor a day such as 2027-01-31.") from None
    if last < now.date():
        raise Usage(f"--expires {text} is over already.")
    midnight = datetime(last.year, last.month, last.day, tzinfo=UTC)
    return int((midnight + timedelta(days=1)).timestamp())


def budget_of(text: str | None) -> dict[str, Any] | None:
    """An amount and its period, as "25/day"; a month where it names none."""
    if text is None:
        return None
    said = _BUDGET.fullmatch(text.removeprefix("$"))
    if not said:
        raise Usage(f"--budget {text!r} is no amount of USD such as 100 or 25/day.")
    return {"usd": Decimal(said[1]), "period": said[2] or "month"}


def limits_of(
    rpm: float | None,
    burst: int | None,
    concurrent: int | None,
    max_tokens: int | None,
    max_body: int | None,
) -> dict[str, Any]:
    """Overrides of the standard limits; only what is given."""
    said = {
        "capacity": burst,
        "per_second": None if rpm is None else rpm / 60,
        "concurrent": concurrent,
        "max_tokens": max_tokens,
        "body_bytes": max_body,
    }
    return {name: value for name, value in said.items() if value is not None}


def screening_of(
    screen: bool, found: str | None, data_class: str | None, target: str | None
) -> dict[str, Any]:
    """What is looked for, and what happens then; `--found` alone says that it is looked for."""
    said: dict[str, Any] = {"on": screen or found is not None or target is not None}
    if not said["on"]:
        said = {}
    named = {"found": found, "data_class": data_class, "target": target}
    return said | {name: value for name, value in named.items() if value is not None}


def replaying_of(share: float | None, candidate: str | None, usd: str | None) -> dict[str, Any]:
    said = {"share": share, "candidate": candidate, "usd": usd}
    return {name: value for name, value in said.items() if value is not None}
