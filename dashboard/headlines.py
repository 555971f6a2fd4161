"""The five figures at the top of the Overview: values, changes, days, and how each was computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from hf_ledger.analytics.kernel.measures import error_share
from hf_ledger.analytics.words import ESTIMATE, dollars, percent
from hf_ledger.dashboard import daily, words
from hf_ledger.dashboard.format import at_least, change, count, points
from hf_ledger.dashboard.words import How

Row = dict[str, Any]
Days = dict[str, daily.Values]


@dataclass(frozen=True)
class Figure:
    """One headline: its text, its change against the prior period, its days, and how it came."""

    label: str
    value: str
    change: str | None
    days: Sequence[float | None]
    how: How
    bad_when_up: bool = False  # only errors and overspending may be red
    bars: bool = False
    note: str | None = None
    wide: bool = False


def headlines(
    now: Row, before: Row, rows: list[Row], days: list[date], listed: str
) -> list[Figure]:
    """Figures of `totals` now and before, with `spend` rows by day for the small lines."""
    names = ("calls", "cost", "errors", "refused", "priced_calls", "input_tokens", "output_tokens")
    daily_of = {name: daily.by_day(rows, days, name) for name in names}
    return [
        cost_figure(now, before, daily_of, listed),
        calls_figure(now, before, daily_of),
        per_thousand_figure(now, before, daily_of),
        tokens_figure(now, before, daily_of),
        errors_figure(now, before, daily_of),
    ]


def cost_figure(now: Row, before: Row, days: Days, listed: str) -> Figure:
    return Figure(
        "Estimated cost",
        at_least(now["cost"], now["unpriced_calls"]),
        change(now["cost"], before["cost"]),
        daily.floats(days["cost"]),
        words.how_spend(now, listed),
        note=f"{ESTIMATE}.",
        wide=True,
    )


def calls_figure(now: Row, before: Row, days: Days) -> Figure:
    return Figure(
        "Calls",
        count(now["calls"]),
        change(now["calls"], before["calls"]),
        daily.floats(days["calls"]),
        words.how_calls(now),
        bars=True,
    )


def per_thousand_figure(now: Row, before: Row, days: Days) -> Figure:
    return Figure(
        "Cost per 1k calls",
        dollars(per_thousand(now)),
        change(per_thousand(now), per_thousand(before)),
        daily.ratio_days(days["cost"], days["priced_calls"], 1000),
        words.how_per_thousand(now),
    )


def tokens_figure(now: Row, before: Row, days: Days) -> Figure:
    return Figure(
        "Tokens",
        count(now["tokens"]),
        change(now["tokens"], before["tokens"]),
        daily.floats(daily.plus(days["input_tokens"], days["output_tokens"])),
        words.how_tokens(now),
        bars=True,
    )


def errors_figure(now: Row, before: Row, days: Days) -> Figure:
    return Figure(
        "Error rate",
        percent(error_rate(now), 2),
        points(error_rate(now), error_rate(before)),
        daily.ratio_days(days["errors"], daily.less(days["calls"], days["refused"])),
        words.how_errors(now),
        bad_when_up=True,
    )


def per_thousand(totals: Row) -> Decimal | None:
    """Cost of a thousand priced calls; None where none is priced."""
    if totals["cost"] is None or not totals["priced_calls"]:
        return None
    return Decimal(totals["cost"] * 1000 / totals["priced_calls"])


def error_rate(totals: Row) -> float | None:
    return error_share(totals["errors"], totals["calls"], totals["refused"])
