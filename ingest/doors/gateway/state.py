"""What every gateway process must know: keys, budgets, prices. The ledger's owner writes the file.

`run/gateway.json` (0600) is replaced in one step whenever something in it changes; each process
looks at the file's stamp with every request, so that a revoked key is refused at once, everywhere.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Period = Literal["day", "week", "month"]
#: Whom a budget counts: one of these and a value, or the whole company.
Dimension = Literal["key", "user", "team", "project", "environment", "model", "provider"]
DataClass = Literal["public", "internal", "confidential", "restricted"]
Found = Literal["allow", "route", "mask", "refuse"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Overrides of the standard limits, on a key or a team; None is the standard."""

    capacity: int | None = None  # tokens of the bucket of each (user, model)
    per_second: float | None = None  # its refill
    concurrent: int | None = None  # requests under way at once
    max_tokens: int | None = None  # the most a request may ask for
    body_bytes: int | None = None


class Screening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is looked for in a key's requests before they are sent; off unless `on`."""

    on: bool = False
    data_class: DataClass = "internal"  # of what this key sends, unless its header says higher
    found: Found = "refuse"  # what happens to a request in which something was found
    target: str | None = None  # the self-hosted target that `route` goes to


class Replaying(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a share of a key's calls is sent to a candidate model too, and for how much."""

    share: float = 0.0
    candidate: str | None = None
    usd: str = "0"  # the most that replays of this key may cost in a month


class Key(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A gateway key as far as it is kept: never the key itself."""

    key_id: str
    key_hash: str  # SHA-256 of the whole key, hex
    name: str
    role: Literal["call", "admin", "host"] = "call"  # host: posts batches of calls only
    user: str | None = None
    team: str | None = None
    project: str | None = None
    environment: str | None = None
    models: tuple[str, ...] = ()  # patterns as of fnmatch; none: any
    providers: tuple[str, ...] = ()  # none: any
    expires_at: int | None = None  # seconds since 1970, UTC
    limits: Limits = Limits()
    screening: Screening = Screening()
    replaying: Replaying = Replaying()


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So many USD a period for what has this value in this dimension."""

    budget_id: str
    dimension: Dimension | None = None  # None: the whole company
    value: str | None = None
    period: Period = "month"
    usd: str = "0"  # decimal
    hard: bool = True  # refuse; else only say so
    unpriced: Literal["refuse", "allow", "assume"] = "refuse"
    assumed_usd: str | None = None  # a call without a known price counts so much


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model costs at a provider now: USD per `per_units` tokens, decimals as strings."""

    provider: str
    model: str
    price_id: str
    per_units: int = 1_000_000
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None  # None: as input
    cache_write: str | None = None  # None: as input
    valid_to: int | None = None  # seconds since 1970, UTC


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of it all."""

    zone: str = "UTC"  # in which days, weeks and months of budgets begin
    keys: tuple[Key, ...] = ()
    teams: dict[str, Limits] = {}
    budgets: tuple[Budget, ...] = ()
    prices: tuple[Price, ...] = ()
