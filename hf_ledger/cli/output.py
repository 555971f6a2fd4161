"""How answers are written: a table for people, JSON and CSV in shapes that stay.

JSON is one object: `question`, `period` (since, until, zone), `origins`, `where`, further objects
the command names, and `rows`. Money is a string with nine places, times are ISO 8601 with offset,
unknown is null. CSV is a header line and the same rows; unknown is empty.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.coverage import coverage
from hf_ledger.analytics.periods import zone_info
from hf_ledger.analytics.words import (
    ESTIMATE,
    NO_ENDPOINT_HOURS,
    PRACTICE,
    PRICE_UNKNOWN,
    SAMPLE,
    counted,
    dollars,
    list_age,
    list_days,
    percent,
    price_notes,
)
from hf_ledger.cli.options import Asked, Format

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns that hold JSON, which JSON output gives as objects.
NESTED = frozenset({"link_where", "prices_used"})

#: Money of calls, whose price may be unknown; the rest of money is missing where it says nothing.
COSTS = frozenset({"cost", "list_cost", "cost_after"})
MONEY = COSTS | {"allocated_cost", "billed_cost", "difference", "amount"}
#: A price or the cost of one request: every digit counts.
PRICES = frozenset({"per_call", "usd"})
SHARES = frozenset({"share"})

#: Columns that are copied from the terminal, so they stay on one line.
WHOLE = frozenset({"call_id", "ts", "period"})

#: A pipe has no width of its own, and a cut figure is a wrong one.
PIPE_WIDTH = 240

#: What moves a terminal's cursor or ends a line: a label may come from another host.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Row = dict[str, Any]


def write(
    asked: Asked,
    question: str,
    table: pa.Table,
    *,
    title: str,
    columns: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    empty: str = "No calls match.",
    **further: Any,
) -> None:
    """Write an answer to standard output in the format asked for.

    `columns` are those shown to people, `notes` stand below their table, `empty` in place of an
    empty one; `further` are objects of the JSON shape beside `rows`.
    """
    now = datetime.now(UTC)
    if asked.format is Format.json:
        write_json(asked, question, table, aged(further, now))
    elif asked.format is Format.csv:
        write_csv(table)
        warn_of_age(further, now)
    else:
        shown = columns or table.column_names
        write_table(asked, table, title=title, columns=shown, notes=notes, empty=empty)


def write_json(asked: Asked, question: str, table: pa.Table, further: Mapping[str, Any]) -> None:
    scope = asked.scope
    answer = {
        "question": question,
        "period": {"since": scope.since, "until": scope.until, "zone": scope.zone},
        "origins": list(scope.origins),
        "where": {name: list(values) for name, values in scope.where.items()},
        **further,
        "rows": [unnested(row) for row in table.to_pylist()],
    }
    print(json.dumps(answer, default=as_text, ensure_ascii=False, indent=2))


def aged(further: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The objects beside the rows; totals say in days how old the price list is."""
    if "totals" not in further:
        return dict(further)
    totals = further["totals"]
    days = list_days(totals["price_list_at"], now)
    return {**further, "totals": {**totals, "price_list_days": days}}


def warn_of_age(further: Mapping[str, Any], now: datetime) -> None:
    """CSV holds rows alone, so that the list is old is said beside it."""
    if "totals" in further and list_age(further["totals"]["price_list_at"], now)[1]:
        print(list_line(further["totals"]["price_list_at"], now), file=sys.stderr)


def unnested(row: Row) -> Row:
    return {
        name: json.loads(value) if name in NESTED and value is not None else value
        for name, value in row.items()
    }


def as_text(value: Any) -> str:
    """Money, times and ids as text; anything else is a mistake of ours."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an answer")


def write_csv(table: pa.Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([field(value) for value in row.values()])


def field(value: Any) -> Any:
    if isinstance(value, Decimal | datetime | date):
        return as_text(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def write_table(
    asked: Asked,
    table: pa.Table,
    *,
    title: str,
    columns: Sequence[str],
    notes: Sequence[str],
    empty: str,
) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    console.print(Text(f"{title}, {asked.label} ({asked.scope.zone})", style="bold"))
    for line in labels(asked):
        console.print(Text(line, style="yellow"))
    console.print(grid(table, columns, asked.scope.zone) if table.num_rows else Text(empty))
    for note in notes:
        console.print(Text(note, style="dim"))


def labels(asked: Asked) -> list[str]:
    """What must stand over figures that are not the user's own."""
    said = {"sample": SAMPLE, "practice": PRACTICE}
    return [said[origin] for origin in asked.scope.origins if origin in said]


def grid(table: pa.Table, columns: Sequence[str], zone: str = "UTC") -> Any:
    """A rich table; user text is plain text there, never markup."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    rows = table.select(list(columns)).to_pylist()
    for name in columns:
        right = any(isinstance(row[name], int | float | Decimal) for row in rows)
        drawn.add_column(
            name.replace("_", " "),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=name in WHOLE,
        )
    for row in rows:
        drawn.add_row(*(Text(cell(name, value, zone)) for name, value in row.items()))
    return drawn


def cell(name: str, value: Any, zone: str = "UTC") -> str:
    """One value for people, times in the zone."""
    if value is None:
        return PRICE_UNKNOWN if name in COSTS else "–"
    if name in MONEY:
        return dollars(value)
    if name in PRICES:
        return f"${value.normalize():f}"
    return percent(value, 1) if name in SHARES else plain(value, zone)


def plain(value: Any, zone: str) -> str:
    """A value without a unit of its own: numbers with thousands, times to the second."""
    if isinstance(value, str):
        return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, datetime):
        return f"{value.astimezone(zone_info(zone)):%Y-%m-%d %H:%M:%S}"
    return str(value)


def money_notes(totals: Mapping[str, Any], now: datetime | None = None) -> list[str]:
    """The total with what it covers and how old its prices are, in the words of every page."""
    covered = coverage(totals)
    total = dollars(totals["cost"])
    if totals["cost"] is not None and not covered.complete:
        total = f"at least {total}"
    lines = [f"{ESTIMATE}: {total} for {counted(totals['calls'], 'call')}."]
    if covered.per_call:
        lines.append(priced_line(covered.calls_share, covered.tokens_share, covered.unpriced))
    lines.append(list_line(totals["price_list_at"], now or datetime.now(UTC)))
    return [*lines, *price_notes(totals), NO_ENDPOINT_HOURS]


def priced_line(calls: float | None, tokens: float | None, unpriced: int) -> str:
    line = f"Priced: {percent(calls)} of calls"
    line += f", {percent(tokens)} of tokens" if tokens is not None else ""
    if not unpriced:
        return f"{line}."
    have = "has" if unpriced == 1 else "have"
    are = "is" if unpriced == 1 else "are"
    return f"{line}; {counted(unpriced, 'call')} {have} no known price and {are} not in this total."


def list_line(captured: datetime | None, now: datetime) -> str:
    """Which price list, how old, and past a week a warning."""
    if captured is None:
        return f"No price list in this ledger: {PRICE_UNKNOWN}."
    said, old = list_age(captured, now)
    return f"{said} Prices may have changed since: hf-ledger prices refresh." if old else said
