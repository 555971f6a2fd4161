"""What a key is for and what it may, and which of that makes sense together."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Literal

import msgspec

from hf_ledger.ingest.doors.api.key_form import ALGORITHM
from hf_ledger.ingest.doors.gateway.state import Limits, Period, Replaying, Screening
from hf_ledger.ingest.errors import Usage

LONGEST_NAME = 100
#: A key may name this many patterns of models, or providers.
MOST_PATTERNS = 100
#: The year 3000, behind any end that is meant; seconds since 1970.
FAR = 32_503_680_000
MOST_USD = Decimal(10) ** 9
Role = Literal["call", "admin", "host"]


class NewBudget(msgspec.Struct):
    """What a key may spend in a period, at most."""

    usd: Decimal
    period: Period = "month"


class NewKey(msgspec.Struct, omit_defaults=True):
    """What is kept of a key: never the key itself."""

    key_id: str
    name: str
    key_hash: str
    algorithm: str = ALGORITHM
    role: Role = "host"
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


def check_scope(new: NewKey) -> None:
    """Raise `Usage` for the first thing about a key that makes no sense."""
    labels = ("name", "user", "team", "project", "environment")
    check_texts({label: getattr(new, label) for label in labels})
    check_patterns("model", new.models)
    check_patterns("provider", new.providers)
    check_role(new)
    check_limits(new.limits)
    check_screening(new.screening)
    check_replaying(new.replaying)
    if new.budget and not amount(new.budget.usd):
        raise Usage("a budget is an amount of USD above 0, with at most nine places.")


def scoped(new: NewKey) -> bool:
    """Whether anything is said that concerns only keys which call models."""
    bare = NewKey(new.key_id, new.name, new.key_hash, new.algorithm, new.role)
    bare.expires_at = new.expires_at
    return new != bare


def check_end(expires_at: int | None, now: float) -> None:
    """A key ends after it begins; both in seconds since 1970."""
    if expires_at is not None and not now < expires_at < FAR:
        raise Usage("a key ends at a moment to come, in seconds since 1970 (or --expires 90d).")


def check_role(new: NewKey) -> None:
    if new.role != "call" and scoped(new):
        raise Usage(
            f"a key of role {new.role} calls no models, so that it takes no users, models, limits "
            "or budgets: leave them out, or make it --role call."
        )


def check_texts(labels: Mapping[str, str | None]) -> None:
    for label, text in labels.items():
        if text is not None and not (0 < len(text) <= LONGEST_NAME and text.isprintable()):
            raise Usage(f"{label} is a text of 1 to {LONGEST_NAME} characters on one line.")


def check_patterns(what: str, patterns: tuple[str, ...]) -> None:
    if len(patterns) > MOST_PATTERNS:
        raise Usage(f"a key names at most {MOST_PATTERNS} {what}s; use patterns as org/*.")
    for each in patterns:
        if not each or len(each) > 200 or not each.isprintable() or " " in each:
            raise Usage(f"{each!r} is no pattern of {what}s; write one as meta-llama/*.")


def check_limits(limits: Limits) -> None:
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        if value is not None and not (value > 0 and isfinite(value)):
            raise Usage(f"the limit {name} is {value}: it has to be above 0.")


def check_screening(screening: Screening) -> None:
    if (screening.found == "route") != (screening.target is not None):
        raise Usage("--found route needs the --target to go to, and nothing else takes one.")


def check_replaying(replaying: Replaying) -> None:
    if not 0 <= replaying.share <= 1:
        raise Usage(f"the share of calls to replay is {replaying.share}: it is from 0 to 1.")
    if (replaying.share > 0) != (replaying.candidate is not None):
        raise Usage("replays need a share above 0 and a candidate model, both of them.")
    if amount(replaying.usd) is None:
        raise Usage("what replays may cost a month is an amount of USD, not negative.")


def amount(text: str | Decimal) -> Decimal | None:
    """An amount of USD: not negative, below 10⁹, at most nine places; None where it is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    fits = found.is_finite() and 0 <= found < MOST_USD
    return found if fits and found == round(found, 9) else None
