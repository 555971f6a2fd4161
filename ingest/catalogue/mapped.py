"""The Hub's mappings: routes, and where they state one, the provider's own price of a route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from hf_ledger.ingest.catalogue.collection import PROVIDER_LIST, keep_collected
from hf_ledger.ingest.catalogue.comparing import naive
from hf_ledger.ingest.catalogue.lists import Route
from hf_ledger.ingest.catalogue.versions import Version, add_version, close_version
from hf_ledger.ingest.ledger.ledger import Ledger, transaction

KNOWN_ROUTES = """
select
    model,
    provider,
    provider_model
from routes
"""

ADD_ROUTES = """
insert into routes
select
    unnest($models),
    unnest($providers),
    unnest($provider_models),
    unnest($tasks),
    $moment,
    $source
"""

HELD = """
select
    provider,
    lower(model) as folded,
    price_id,
    max(usd) filter (where kind = 'input_tokens') as input_usd,
    max(usd) filter (where kind = 'output_tokens') as output_usd
from prices
where rank = 1
    and source = $source
    and valid_to is null
group by all
"""

Pair = tuple[str, str]  # provider, folded model


def keep_routes(
    ledger: Ledger, routes: Sequence[Route], source: str, moment: datetime, snapshot: str = ""
) -> int:
    """Add the routes not known yet, as seen from now on, and the prices they state; how many new.

    A new route may be one that the price collection knows by the provider's own id.
    """
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                known = set(cursor.execute(KNOWN_ROUTES).fetchall())
                new = [r for r in routes if (r.model, r.provider, r.provider_model) not in known]
                if new:
                    add_routes(cursor, new, source, naive(moment))
                    keep_collected(cursor, moment)
                origin = {"source": source, "snapshot": snapshot, "moment": naive(moment)}
                keep_mapped(cursor, routes, origin)
        finally:
            cursor.close()
    return len(new)


def add_routes(
    cursor: duckdb.DuckDBPyConnection, new: Sequence[Route], source: str, moment: datetime
) -> None:
    cursor.execute(
        ADD_ROUTES,
        {
            "models": [route.model for route in new],
            "providers": [route.provider for route in new],
            "provider_models": [route.provider_model for route in new],
            "tasks": [route.task for route in new],
            "moment": moment,
            "source": source,
        },
    )


def keep_mapped(
    cursor: duckdb.DuckDBPyConnection, routes: Sequence[Route], origin: Mapping[str, Any]
) -> None:
    """Store the changes, dated from `origin`'s moment on; it names source and snapshot as well.

    A pair that is mapped without a price, or with two different ones, has none from then on; a pair
    that is not mapped keeps its own. The caller holds the transaction.
    """
    rows = cursor.execute(HELD, {"source": origin["source"]}).fetchall()
    held = {(provider, folded): (price_id, usd) for provider, folded, price_id, *usd in rows}
    for pair, mapped in by_pair(routes).items():
        price_id, usd = held.get(pair, (None, None))
        told = stated(mapped)
        if told == usd:
            continue
        if price_id:
            close_version(cursor, price_id, origin["moment"])
        if told:
            add(cursor, mapped[0], told, origin)


def stated(mapped: Sequence[Route]) -> list[Decimal | None] | None:
    """Input and output, where a price is stated and all mappings of the pair agree on it."""
    prices = {(each.input_usd, each.output_usd) for each in mapped}
    return [*prices.pop()] if len(prices) == 1 and (None, None) not in prices else None


def by_pair(routes: Sequence[Route]) -> dict[Pair, list[Route]]:
    """Mappings of chat, which alone state prices, by pair."""
    found: dict[Pair, list[Route]] = {}
    for route in routes:
        if route.task == "chat-completion":
            found.setdefault((route.provider, route.model.lower()), []).append(route)
    return found


def add(
    cursor: duckdb.DuckDBPyConnection,
    route: Route,
    told: Sequence[Decimal | None],
    origin: Mapping[str, Any],
) -> None:
    stamp = f"{origin['moment']:%Y-%m-%dT%H%M%S}"
    price_id = f"{route.provider}/{route.model}@{stamp} {origin['source']}"
    version = Version(price_id, route.provider, route.model, **origin, rank=PROVIDER_LIST)
    add_version(cursor, version, told)
