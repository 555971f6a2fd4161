"""One screen of one model: size, class with its cuts, and its price by provider over time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from hf_ledger.cli.model import billions
from hf_ledger.cli.prices import day, listed_prices, priced

if TYPE_CHECKING:
    from hf_ledger.ingest.catalogue.architectures import Family
    from hf_ledger.ingest.catalogue.sizes import Size

#: Fits the terminal that most have; a pipe gets the same.
WIDTH = 100
PER_MTOK = 1_000_000
TOKENS = {"input_tokens": "input", "output_tokens": "output"}

Row = dict[str, Any]


def print_screen(size: Size) -> None:
    from rich.console import Console
    from rich.text import Text

    from hf_ledger.cli.output import plain

    console = Console(highlight=False, soft_wrap=False)
    console.width = console.width if sys.stdout.isatty() else WIDTH
    console.print(Text(plain(size.model, "UTC"), style="bold"))
    for name, value in facts(size):
        console.print(Text(f"  {name:<12}{value}"))
    print_prices(console, size)


def facts(size: Size) -> list[tuple[str, str]]:
    return [
        ("family", size.family),
        ("size class", f"{size.size_class or 'unknown'} ({cuts_of(size.family)})"),
        ("parameters", f"{billions(size.params_total_b)} in all, {active(size)}"),
        ("source", size.source),
        ("confidence", size.confidence),
    ]


def active(size: Size) -> str:
    """Dense models use all they have; whether one of unknown active part is dense is not known."""
    if size.params_active_b is None:
        return "active part not known (all, if dense)"
    return f"{billions(size.params_active_b)} active per token"


def cuts_of(family: Family) -> str:
    """As "total parameters: small ≤ 4 B, medium ≤ 16 B, large ≤ 80 B, xl above"."""
    from hf_ledger.ingest.catalogue.sizes import CLASSES, CUTS

    bounds = ", ".join(
        f"{name} ≤ {billions(cut)}" for name, cut in zip(CLASSES, CUTS[family], strict=False)
    )
    return f"total parameters: {bounds}, {CLASSES[-1]} above"


def print_prices(console: Any, size: Size) -> None:
    import pyarrow as pa
    from rich.text import Text

    from hf_ledger.cli.output import grid
    from hf_ledger.ingest.catalogue.ids import owner_and_name, plain_id
    from hf_ledger.ingest.catalogue.prices import age_of_list

    rows, listed = listed_prices(owner_and_name(plain_id(size.model)))
    lines = over_time(rows)
    console.print()
    if not lines:
        console.print("  No list has a price of it: its calls are price unknown.")
        return
    console.print(Text("  List price by provider over time, USD per 1,000,000 tokens"))
    console.print(grid(pa.Table.from_pylist(lines), list(lines[0])))
    if listed:
        age = age_of_list(listed, datetime.now(UTC))
        console.print(Text(f"  {age}; no end: still in that list.", style="dim"))


def over_time(rows: Sequence[Row]) -> list[dict[str, str]]:
    """A line for each version of each provider's price, with its change from the one before."""
    versions = sorted(versions_of(rows), key=lambda each: (each["provider"], each["valid_from"]))
    lines = []
    for _, group in groupby(versions, key=lambda each: each["provider"]):
        ordered = list(group)
        lines.append(line_of(ordered[0], ""))
        lines += [line_of(now, change(before, now)) for before, now in pairwise(ordered)]
    return lines


def versions_of(rows: Iterable[Row]) -> list[Row]:
    """Kinds of one price side by side: USD per million tokens; other units in words."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        dates = {name: row[name] for name in ("provider", "valid_from", "valid_to", "source")}
        version = found.setdefault(tuple(dates.values()), {**dates, "other": []})
        if kind := TOKENS.get(row["kind"]):
            version[kind] = row["usd"] * PER_MTOK / row["per_units"]
        else:
            version["other"].append(priced(row))
    return list(found.values())


def line_of(version: Mapping[str, Any], changed: str) -> dict[str, str]:
    other = ", ".join(version["other"])
    return {
        "provider": f"  {version['provider']}",
        "input": usd(version.get("input")) or other or "–",
        "output": usd(version.get("output")) or "–",
        "change": changed,
        "since": day(version["valid_from"]) or "–",
        "until": day(version["valid_to"]) or "",
        "source": version["source"],
    }


def usd(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


def change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Of the output price, or the input price where that one stayed: "▲ 25 %"."""
    for kind in ("output", "input"):
        old, new = before.get(kind), now.get(kind)
        if old and new is not None and old != new:
            share = abs(new - old) / old
            return f"{'▲' if new > old else '▼'} {share:.0%}".replace("%", " %")
    return ""
