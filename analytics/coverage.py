"""What a total covers: which part of the calls and tokens that are billed per call has a price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Coverage:
    """Calls billed per call (dedicated endpoints are not), how many of them are priced, and tokens.

    Free calls count as priced: their price is known. Shares are None where there is nothing to
    price.
    """

    per_call: int
    priced: int
    unpriced: int
    endpoint: int
    calls_share: float | None
    tokens_share: float | None

    @property
    def complete(self) -> bool:
        return self.unpriced == 0


def coverage(totals: Mapping[str, Any]) -> Coverage:
    """Coverage of a row of `totals`."""
    per_call = totals["calls"] - totals["endpoint_calls"]
    tokens = (totals["priced_tokens"] or 0) + (totals["unpriced_tokens"] or 0)
    return Coverage(
        per_call,
        per_call - totals["unpriced_calls"],
        totals["unpriced_calls"],
        totals["endpoint_calls"],
        share(per_call - totals["unpriced_calls"], per_call),
        share(totals["priced_tokens"] or 0, tokens),
    )


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
