"""What budgets have come to, in words: the Overview's banner and its table of budgets.

A budget has its own current period, whatever period and filters a page is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hf_ledger.analytics.words import dollars, percent
from hf_ledger.dashboard.format import plain

CAPTION = (
    "Each in its own current period, whatever is chosen above. Settled: spent, or held by a "
    "gateway that is gone. Reserved: lent to gateways; what they don't spend comes back. "
    "Set with `hf-ledger budget set`."
)

#: From this share of its limit on a budget is in the banner.
NEAR = Decimal("0.8")

#: A banner is read, not searched: the table has the rest.
MOST_LINES = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """One budget in its current period, USD."""

    budget_id: str
    dimension: str | None
    value: str | None
    period: str
    hard: bool
    limit: Decimal
    settled: Decimal
    reserved: Decimal
    left: Decimal

    @property
    def is_over(self) -> bool:
        return self.settled > self.limit

    @property
    def is_near(self) -> bool:
        """At 80 % of the limit or more; a budget of nothing is not near it before it is spent."""
        return not self.is_over and 0 < self.settled >= NEAR * self.limit

    @property
    def share(self) -> float | None:
        return float(self.settled / self.limit) if self.limit else None


def standings(shown: Sequence[Mapping[str, Any]]) -> list[Standing]:
    """Rows of `hf-ledger budget show`, the fullest first."""
    found = [standing(row) for row in shown]
    return sorted(found, key=lambda each: (-fullness(each), each.budget_id))


def standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        budget_id=row["budget_id"],
        dimension=row["dimension"],
        value=row["value"],
        period=row["period"],
        hard=row["hard"],
        limit=Decimal(row["limit_usd"]),
        settled=Decimal(row["settled_usd"]),
        reserved=Decimal(row["reserved_usd"]),
        left=Decimal(row["left_usd"]),
    )


def fullness(of: Standing) -> float:
    if of.share is None:
        return float("inf") if of.settled else 0.0
    return of.share


def over(found: Sequence[Standing]) -> list[str]:
    return [line(each) for each in found if each.is_over]


def near(found: Sequence[Standing]) -> list[str]:
    return [line(each) for each in found if each.is_near]


def line(of: Standing) -> str:
    """ "Team core: $42.10 of $50.00 this month (84 %), hard." """
    spent = f"{who(of)}: {dollars(of.settled)} of {dollars(of.limit)} {when(of.period)}"
    share = "" if of.share is None else f" ({percent(of.share)})"
    passed = ", over budget" if of.is_over else ""
    return f"{spent}{share}{passed}, {kind(of)}."


def listed(lines: Sequence[str]) -> str:
    """Lines as Markdown, below each other; empty without any."""
    rest = len(lines) - MOST_LINES
    told = [
        *lines[:MOST_LINES],
        *([f"And {rest} more in the table of budgets."] if rest > 0 else []),
    ]
    return "  \n".join(map(plain, told))


def who(of: Standing) -> str:
    if of.dimension is None:
        return "The whole company"
    return f"{of.dimension.capitalize()} {of.value}"


def kind(of: Standing) -> str:
    return "hard" if of.hard else "soft"


def when(period: str) -> str:
    """A current period's name as one says it: 2026-11, 2026-W48 or 2026-11-25."""
    if "W" in period:
        return "this week"
    return "this month" if len(period) == len("2026-11") else "today"


def table(found: Sequence[Standing]) -> list[Row]:
    return [
        {
            "Budget": who(each),
            "Used": "–" if each.share is None else percent(each.share),
            "Settled": dollars(each.settled),
            "Limit": dollars(each.limit),
            "Left": dollars(each.left),
            "Reserved": dollars(each.reserved),
            "Period": each.period,
            "Kind": kind(each),
        }
        for each in found
    ]


def rows(found: Sequence[Standing]) -> list[Row]:
    """The same for a file: every column, money in full."""
    return [
        {
            "budget_id": each.budget_id,
            "dimension": each.dimension,
            "value": each.value,
            "period": each.period,
            "hard": each.hard,
            "limit_usd": each.limit,
            "settled_usd": each.settled,
            "reserved_usd": each.reserved,
            "left_usd": each.left,
        }
        for each in found
    ]
