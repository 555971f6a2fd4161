"""The weekly report as a value: every figure of it, before there is any file.

It asks the same questions as pages and commands, so its figures are theirs to the cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hf_ledger.analytics.coverage import Coverage, coverage
from hf_ledger.analytics.periods import Period, named
from hf_ledger.analytics.questions import Ask
from hf_ledger.analytics.rounding import apportioned
from hf_ledger.analytics.scope import OWN_ORIGINS, Scope
from hf_ledger.analytics.words import PRACTICE, SAMPLE, price_notes
from hf_ledger.ingest.errors import Usage

#: Rows of a table before the rest becomes one row.
MOST_ROWS = 12

#: Observations and moves that fit a report someone reads to the end.
MOST_OBSERVATIONS, MOST_OF_A_KIND = 8, 2
MOST_MOVES = 8
ALL_OBSERVATIONS = 10_000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One team, model or size class; `cents` add up to the rounded total of their table.

    `name` is None for calls where it is not set; `before` is the cost in the week before.
    """

    name: str | None
    calls: int
    unpriced_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    cents: Decimal | None
    before: Decimal | None
    others: int = 0  # so many parts are added up in this row


@dataclass(frozen=True)
class Day:
    """One local day, and the same weekday a week before."""

    day: date
    calls: int
    cost: Decimal | None
    before: Decimal | None


@dataclass(frozen=True)
class Hour:
    """One of the busiest local hours of the day."""

    hour: int
    calls: int
    cost: Decimal | None
    share: float


@dataclass(frozen=True)
class Cell:
    """One of 168 hours of the week; `hours` 0 or 2 where the clock changed."""

    weekday: int
    hour: int
    calls: int
    hours: float


@dataclass(frozen=True)
class Move:
    """A price difference, untested."""

    kind: str
    from_model: str
    from_provider: str
    to_model: str
    to_provider: str
    calls: int
    cost: Decimal
    cost_after: Decimal
    difference: Decimal


@dataclass(frozen=True)
class Observation:
    kind: str
    sentence: str
    amount: Decimal | None
    calls: int


@dataclass(frozen=True)
class Figures:
    """The totals of one week."""

    calls: int
    errors: int
    refused: int
    cost: Decimal | None
    list_cost: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    priced_calls: int
    free_calls: int
    p50_ms: float | None
    p95_ms: float | None
    coverage: Coverage


@dataclass(frozen=True)
class WeeklyReport:
    """One ISO week of one ledger, in its reporting zone."""

    week: str
    first: date
    last: date
    zone: str
    label: str
    previous_label: str
    origin_label: str | None
    running: bool
    made_at: datetime
    totals: Figures
    before: Figures
    days: tuple[Day, ...]
    teams: tuple[Part, ...]
    models: tuple[Part, ...]
    sizes: tuple[Part, ...]
    busiest: tuple[Hour, ...]
    heat: tuple[Cell, ...]
    moves: tuple[Move, ...]
    observations: tuple[Observation, ...]
    price_list_at: datetime | None
    price_notes: tuple[str, ...] = ()

    @property
    def price_list_days(self) -> int | None:
        """Age of the price list when the report was made, in days."""
        return (self.made_at - self.price_list_at).days if self.price_list_at else None


def weekly(
    ask: Ask,
    week: str,
    *,
    zone: str = "UTC",
    now: datetime,
    origins: tuple[str, ...] = OWN_ORIGINS,
) -> WeeklyReport:
    """The report of an ISO week ("2026-W46") or of "last-week", as seen at `now` (aware).

    `Usage` for a name that is no week, and for a week that has not begun.
    """
    period = week_period(week, now, zone)
    scope, previous = period.scope(origins=origins), period.previous(origins=origins)
    totals = ask("totals", scope).to_pylist()[0]
    return WeeklyReport(
        **heading(period, origins, now),
        totals=figures(totals),
        before=figures(ask("totals", previous).to_pylist()[0]),
        days=days(ask, period, scope, previous),
        teams=parts(ask, scope, previous, "team"),
        models=parts(ask, scope, previous, "model"),
        sizes=sizes(ask, scope, previous),
        busiest=tuple(Hour(**row) for row in ask("busiest", scope).to_pylist()),
        heat=cells(ask("heat", scope).to_pylist()),
        moves=moves(ask("savings", scope).to_pylist()),
        observations=observations(ask, scope),
        price_list_at=totals["price_list_at"],
        price_notes=tuple(price_notes(totals)),
    )


def week_period(week: str, now: datetime, zone: str) -> Period:
    period = named(week, now, zone)
    if (period.last - period.first).days != 6 or period.first.weekday() != 0:
        raise Usage(f"{week!r} is no week; write it as 2026-W46, or last-week.")
    if period.since > now:
        raise Usage(f"the week {week} begins on {period.first}; there is nothing to report yet.")
    return period


def heading(period: Period, origins: Sequence[str], now: datetime) -> dict[str, Any]:
    year, week, _ = period.first.isocalendar()
    return {
        "week": f"{year}-W{week:02d}",
        "first": period.first,
        "last": period.last,
        "zone": period.zone,
        "label": period.label,
        "previous_label": period.previous_label,
        "origin_label": origin_label(origins),
        "running": now < period.until,
        "made_at": now,
    }


def origin_label(origins: Sequence[str]) -> str | None:
    """What must stand on figures that are not the user's own."""
    if "sample" in origins:
        return SAMPLE
    return PRACTICE if "practice" in origins else None


def figures(totals: Row) -> Figures:
    names = Figures.__dataclass_fields__.keys() - {"coverage"}
    return Figures(coverage=coverage(totals), **{name: totals[name] for name in names})


def days(ask: Ask, period: Period, scope: Scope, previous: Scope) -> tuple[Day, ...]:
    """All seven days, those without calls as well."""
    now, then = (
        {row["period"].date(): row for row in ask("spend", each, grain="day").to_pylist()}
        for each in (scope, previous)
    )
    week = [period.first + timedelta(days=number) for number in range(7)]
    return tuple(one_day(day, now.get(day), then.get(day - timedelta(days=7))) for day in week)


def one_day(day: date, row: Row | None, before: Row | None) -> Day:
    calls, cost = (row["calls"], row["cost"]) if row else (0, Decimal(0))
    return Day(day, calls, cost, before["cost"] if before else Decimal(0))


def parts(ask: Ask, scope: Scope, previous: Scope, dimension: str) -> tuple[Part, ...]:
    """The dearest values of a dimension, the rest as one row, rounded so that they add up."""
    before = {row[dimension]: row for row in ask("spend", previous, by=[dimension]).to_pylist()}
    rows = ask("spend", scope, by=[dimension]).to_pylist()
    found = [part(row, row[dimension], before.get(row[dimension])) for row in rows]
    return rounded(shortened(found))


def part(row: Row, name: str | None, before: Row | None) -> Part:
    spent = before["cost"] if before else Decimal(0)
    tokens = row["input_tokens"], row["output_tokens"]
    return Part(name, row["calls"], row["unpriced_calls"], *tokens, row["cost"], None, spent)


def shortened(found: Sequence[Part]) -> list[Part]:
    """At most `MOST_ROWS` rows; the last adds up those that have none of their own."""
    if len(found) <= MOST_ROWS:
        return list(found)
    rest = found[MOST_ROWS - 1 :]
    other = Part(
        None,
        sum(each.calls for each in rest),
        sum(each.unpriced_calls for each in rest),
        added(each.input_tokens for each in rest),
        added(each.output_tokens for each in rest),
        money(each.cost for each in rest),
        None,
        money(each.before for each in rest),
        others=len(rest),
    )
    return [*found[: MOST_ROWS - 1], other]


def added(numbers: Any) -> int | None:
    """Sum of what is known; None where nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def money(amounts: Any) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


def rounded(found: Sequence[Part]) -> tuple[Part, ...]:
    cents = apportioned([each.cost for each in found])
    return tuple(replace(each, cents=cent) for each, cent in zip(found, cents, strict=True))


def sizes(ask: Ask, scope: Scope, previous: Scope) -> tuple[Part, ...]:
    """Size classes from small to xl, calls of unknown size last."""
    before = {row["size_class"]: row for row in ask("sizes", previous).to_pylist()}
    unpriced = {
        row["size_class"]: row["unpriced_calls"]
        for row in ask("spend", scope, by=["size_class"]).to_pylist()
    }
    return rounded(
        [
            part(
                {**row, "unpriced_calls": unpriced.get(row["size_class"], 0)},
                row["size_class"],
                before.get(row["size_class"]),
            )
            for row in ask("sizes", scope).to_pylist()
        ]
    )


def cells(rows: Sequence[Row]) -> tuple[Cell, ...]:
    return tuple(Cell(row["weekday"], row["hour"], row["calls"], row["hours"]) for row in rows)


def moves(rows: Sequence[Row]) -> tuple[Move, ...]:
    names = Move.__dataclass_fields__
    return tuple(Move(**{name: row[name] for name in names}) for row in rows[:MOST_MOVES])


def observations(ask: Ask, scope: Scope) -> tuple[Observation, ...]:
    """The first of each kind, in their order."""
    rows = varied(ask("recommendations", scope, n=ALL_OBSERVATIONS).to_pylist())
    names = Observation.__dataclass_fields__
    return tuple(Observation(**{name: row[name] for name in names}) for row in rows)


def varied(rows: Sequence[Row]) -> list[Row]:
    """At most two of a kind: twelve prices of one model would hide that calls fail."""
    seen: dict[str, int] = {}
    chosen: list[Row] = []
    for row in rows:
        seen[row["kind"]] = seen.get(row["kind"], 0) + 1
        if seen[row["kind"]] <= MOST_OF_A_KIND:
            chosen.append(row)
    return chosen[:MOST_OBSERVATIONS]
