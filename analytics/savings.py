"""Question `savings`: what the same tokens would have cost on a smaller model or another provider.

This is a difference of list prices and nothing else: no quality was tested, and a smaller model
writes answers of another length. Hence the label "untested" on every row. The two kinds look at
the same calls, so they are never added up; within a kind no call is in two rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hf_ledger.analytics.kernel.measures import sort
from hf_ledger.analytics.kernel.scan import aggregate, fetch
from hf_ledger.analytics.kernel.suitable import CLASSES, GENERATING, quoted, rank
from hf_ledger.analytics.pricing import (
    Atto,
    PriceBook,
    Route,
    Tokens,
    price_book,
    tokens_by_era,
    usd,
)
from hf_ledger.analytics.scope import Scope

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LABEL = "untested"
BASIS = "list_price_tokens"

#: A model that at least so many providers price is widely available.
WIDELY = 2

USED = """
    count(*) as calls,
    sum(cost) as cost,
    cast(sum(uncached_input_tokens) as bigint) as uncached,
    cast(sum(coalesce(cache_read_tokens, 0)) as bigint) as read,
    cast(sum(coalesce(cache_write_tokens, 0)) as bigint) as written,
    cast(sum(coalesce(output_tokens, 0)) as bigint) as output
"""

#: Like is compared with like: list price with list price.
LISTED = """
    cost_basis = 'list_price_tokens'
    and cost is not null
    and uncached_input_tokens is not null
"""

GENERATED = f"{LISTED} and task in ({quoted(GENERATING)}) and size_class is not null"

#: Generative models by class; others have no price per token to compare with.
SIZED = """
select
    lower(model) as model,
    size_class
from models
where family = 'llm'
    and size_class is not null
order by model
"""


@dataclass(frozen=True)
class Group:
    """Calls on one route that could move together."""

    model: str
    provider: str
    size_class: str | None
    suitable_class: str | None
    calls: int
    cost: Decimal
    tokens: Mapping[int, Tokens]


def savings(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> pa.Table:
    """A row for each move that is cheaper by list price, greatest difference first.

    Columns: kind (downgrade, cheaper_provider), from_model, from_provider, from_class, to_model,
    to_provider, to_class, suitable_class, calls, cost, cost_after, difference, label,
    link_where (JSON: the filter that opens exactly these calls).
    """
    import pyarrow as pa

    book = price_book(cursor, scope)
    sized = dict(fetch_pairs(cursor))
    rows = [*cheaper_providers(cursor, scope, book), *downgrades(cursor, scope, book, sized)]
    order = ("kind", "from_model", "from_provider", "suitable_class")
    table = pa.Table.from_pylist(rows, schema=schema())
    return sort(table, ("difference", "descending"), *((name, "ascending") for name in order))


def fetch_pairs(cursor: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return [(row["model"], row["size_class"]) for row in fetch(cursor, SIZED).to_pylist()]


def cheaper_providers(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, book: PriceBook
) -> Iterable[dict[str, Any]]:
    """Same model, another provider: no other weights, though perhaps another speed."""
    keys = ("model", "provider")
    for group in groups(cursor, scope, keys, LISTED, book):
        others = [r for r in book.routes if same(r[1], group.model) and r[0] != group.provider]
        yield from move("cheaper_provider", group, cheapest(book, group, others), None)


def downgrades(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, book: PriceBook, sized: Mapping[str, str]
) -> Iterable[dict[str, Any]]:
    """The cheapest available model of the smallest suitable class, for calls on a bigger one."""
    keys = ("model", "provider", "size_class", "suitable_class")
    found = list(groups(cursor, scope, keys, GENERATED, book))
    offered = targets(book, sized, {group.model.lower() for group in found})
    for group in found:
        for to_class in smaller(group):
            best = cheapest(book, group, offered[to_class])
            if best:
                yield from move("downgrade", group, best, to_class)
                break


def smaller(group: Group) -> Sequence[str]:
    """Classes from the suitable one up that are still smaller than the one used."""
    used, suitable = rank(group.size_class), rank(group.suitable_class)
    return () if used is None or suitable is None else CLASSES[suitable:used]


def targets(
    book: PriceBook, sized: Mapping[str, str], own: Iterable[str]
) -> Mapping[str, Sequence[Route]]:
    """Routes by class, of models that are widely available or already in use here."""
    used = set(own)
    offers: dict[str, int] = {}
    for _, model in book.routes:
        offers[model.lower()] = offers.get(model.lower(), 0) + 1
    return {
        wanted: [
            route
            for route in book.routes
            if sized.get(route[1].lower()) == wanted
            and (offers[route[1].lower()] >= WIDELY or route[1].lower() in used)
        ]
        for wanted in CLASSES
    }


def groups(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    keys: Sequence[str],
    only: str,
    book: PriceBook,
) -> Iterable[Group]:
    rows = aggregate(cursor, scope, keys, USED, only=only, edges=book.edges).to_pylist()
    rows = [row for row in rows if all(row[key] for key in keys)]
    rows.sort(key=lambda row: tuple(row[key] or "" for key in keys))
    for _, each in groupby(rows, key=lambda row: tuple(row[key] for key in keys)):
        yield group(list(each))


def group(rows: Sequence[Mapping[str, Any]]) -> Group:
    first = rows[0]
    return Group(
        first["model"],
        first["provider"],
        first.get("size_class"),
        first.get("suitable_class"),
        sum(row["calls"] for row in rows),
        sum((row["cost"] for row in rows), Decimal(0)),
        tokens_by_era(rows),
    )


Best = tuple[Route, Decimal] | None


def cheapest(book: PriceBook, group: Group, routes: Iterable[Route]) -> Best:
    """The route with the lowest cost for the group's own tokens; of equals the first by name."""
    priced: list[tuple[Atto, str, str]] = []
    for provider, model in routes:
        cost = book.cost((provider, model), group.tokens)
        if cost is not None:
            priced.append((cost, model, provider))
    if not priced:
        return None
    cost, model, provider = min(priced)
    return (provider, model), usd(cost)


def move(kind: str, group: Group, best: Best, to_class: str | None) -> Iterable[dict[str, Any]]:
    """One row where the best route is cheaper, else none."""
    if best is None or best[1] >= group.cost:
        return
    (provider, model), after = best
    yield {
        "kind": kind,
        "from_model": group.model,
        "from_provider": group.provider,
        "from_class": group.size_class,
        "to_model": model,
        "to_provider": provider,
        "to_class": to_class,
        "suitable_class": group.suitable_class,
        "calls": group.calls,
        "cost": group.cost,
        "cost_after": after,
        "difference": group.cost - after,
        "label": LABEL,
        "link_where": link(group),
    }


def link(group: Group) -> str:
    """The filter that opens the group's calls, as JSON of dimension → values."""
    where = {"model": [group.model], "provider": [group.provider], "cost_basis": [BASIS]}
    if group.suitable_class:
        where["task"] = list(GENERATING)
        where["size_class"] = [group.size_class or ""]
        where["suitable_class"] = [group.suitable_class]
    return json.dumps(where)


def same(one: str, other: str) -> bool:
    """Ids on the Hub differ in more than case."""
    return one.lower() == other.lower()


def schema() -> pa.Schema:
    import pyarrow as pa

    text = ("kind", "from_model", "from_provider", "from_class", "to_model", "to_provider")
    money = ("cost", "cost_after", "difference")
    return pa.schema(
        [
            *((name, pa.string()) for name in (*text, "to_class", "suitable_class")),
            ("calls", pa.int64()),
            *((name, pa.decimal128(38, 9)) for name in money),
            ("label", pa.string()),
            ("link_where", pa.string()),
        ]
    )
