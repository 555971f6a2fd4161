"""Rows of days, teams and models put into the shape that charts and cards draw. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from hf_ledger.dashboard.format import short_model

Row = dict[str, Any]
Values = list[Decimal | int | None]

OTHER = "Other"
TOP = 4


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=step) for step in range((last - first).days + 1)]


def by_day(rows: Sequence[Row], days: Sequence[date], measure: str) -> Values:
    """One value a day over all rows of that day: 0 without calls, None where all are unknown."""
    met: dict[date, list[Decimal | int | None]] = defaultdict(list)
    for row in rows:
        met[row["period"].date()].append(row[measure])
    return [added(met[day]) if day in met else 0 for day in days]


def added(values: Sequence[Decimal | int | None]) -> Decimal | int | None:
    """Sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def top_series(
    rows: Sequence[Row], days: Sequence[date], dimension: str, measure: str
) -> list[tuple[str, Values]]:
    """The four largest values of a dimension and "Other", each with one value a day."""
    ranked = ranking(rows, dimension, measure)
    kept = ranked[:TOP] if len(ranked) > TOP + 1 else ranked[: TOP + 1]
    series = [
        (short_model(value), by_day([r for r in rows if r[dimension] == value], days, measure))
        for value in kept
    ]
    rest = [row for row in rows if row[dimension] not in kept]
    if rest:
        series.append((OTHER, by_day(rest, days, measure)))
    return unique(series)


def ranking(rows: Sequence[Row], dimension: str, measure: str) -> list[str | None]:
    """Values of a dimension, largest total first, unknown totals last, then by name."""
    totals: dict[str | None, list[Decimal | int | None]] = defaultdict(list)
    for row in rows:
        totals[row[dimension]].append(row[measure])
    sums = {value: added(parts) for value, parts in totals.items()}
    return sorted(sums, key=lambda value: (-float(sums[value] or 0), value or ""))


def unique(series: list[tuple[str, Values]]) -> list[tuple[str, Values]]:
    """Two organisations may have a model of one name: the second gets a number."""
    told: dict[str, Values] = {}
    for name, values in series:
        free = (f"{name} ({number})" for number in count(2))
        told[name if name not in told else next(each for each in free if each not in told)] = values
    return list(told.items())


def ratio_days(parts: Values, wholes: Values, factor: float = 1.0) -> list[float | None]:
    """Part over whole of each day; None on days without a whole."""
    return [
        factor * float(part) / float(whole) if part is not None and whole else None
        for part, whole in zip(parts, wholes, strict=True)
    ]


def plus(left: Values, right: Values) -> Values:
    """Day by day; what is unknown on both sides stays unknown."""
    return [added([one, other]) for one, other in zip(left, right, strict=True)]


def less(whole: Values, part: Values) -> Values:
    """Day by day; unknown where either is."""
    return [
        None if one is None or other is None else one - other
        for one, other in zip(whole, part, strict=True)
    ]


def floats(values: Values) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def heat_cells(rows: Sequence[Row], measure: str) -> list[list[float | None]]:
    """7 × 24 averages per local hour; 0 where the period has that hour and no calls fell in it."""
    cells: list[list[float | None]] = [[None] * 24 for _ in range(7)]
    for row in rows:
        value = row[measure]
        if row["hours"] and value is not None:
            cells[row["weekday"] - 1][row["hour"]] = float(value) / row["hours"]
    return cells


def day_table(rows: Sequence[Row]) -> list[Row]:
    """Rows of `spend` by day as a file has them."""
    kept = [name for name in rows[0] if name != "period"] if rows else []
    return [{"day": row["period"].date(), **{name: row[name] for name in kept}} for row in rows]
