"""What a question is asked about: a half-open period in UTC, a reporting zone, and filters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

#: Columns of `entries` that a scope may filter and a question may group by.
DIMENSIONS = (
    "source",
    "origin",
    "purpose",
    "operation",
    "app",
    "environment",
    "team",
    "project",
    "user_id",
    "key_id",
    "host_kind",
    "provider",
    "routing",
    "model",
    "requested_model",
    "provider_model",
    "endpoint",
    "task",
    "stream",
    "size_class",
    "outcome",
    "status",
    "error_kind",
    "payer",
    "cost_basis",
    "price_id",
)

#: Dimensions that are worked out from stored columns by a rule; they filter and group likewise.
DERIVED = ("suitable_class",)

#: No total mixes origins: these are the user's own; sample and practice only by choice.
OWN_ORIGINS = ("live", "import")


@dataclass(frozen=True)
class Scope:
    """Calls with `since <= ts < until`, of these origins, whose dimensions match.

    `since` and `until` are aware UTC datetimes; `zone` is an IANA name and only finishes results.
    `where` maps a dimension to the values accepted; the value "" stands for NULL ("not set").
    """

    since: datetime
    until: datetime
    zone: str = "UTC"
    origins: tuple[str, ...] = OWN_ORIGINS
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
