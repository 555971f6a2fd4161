"""The public price collection genai-prices as price rows, for routes that no list of ours prices.

Hugging Face passes a provider's price through, so its entries for Hugging Face count first, then
those for the provider itself. Read from the installed package alone: it is never told to fetch
anything. What it can't say as one price (by the hour of the day, by the length of the input) and
what is ambiguous is left out: unknown is better than wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

PACKAGE = "genai-prices"
#: From when a version's undated prices are known to hold: the last day on which, as its own data
#: say, a price began. Of a version that is not here: since this ledger met it.
KNOWN_FROM: Mapping[str, date] = {"0.2.3": date(2026, 11, 9)}

#: Which of several prices of a route counts, the lowest first.
ROUTER_LIST, PROVIDER_LIST, COLLECTED_ROUTE, COLLECTED_PROVIDER = range(4)

PREFIX = "huggingface_"
#: Hugging Face's name of a provider → the collection's.
PROVIDERS: Mapping[str, str] = {
    "baseten": "baseten",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "fireworks-ai": "fireworks",
    "groq": "groq",
    "novita": "novita",
    "ovhcloud": "ovhcloud",
    "together": "together",
    "zai-org": "zai",
}

#: The collection's name of a price → the kind here, and per how many units it is.
KINDS: Mapping[str, tuple[str, int]] = {
    "input_mtok": ("input_tokens", 1_000_000),
    "output_mtok": ("output_tokens", 1_000_000),
    "cache_read_mtok": ("cache_read_tokens", 1_000_000),
    "cache_write_mtok": ("cache_write_tokens", 1_000_000),
    "input_mchars": ("characters", 1_000_000),
    "requests_kcount": ("requests", 1_000),
    "audio_hours": ("audio_seconds", 3_600),
}
NINE_PLACES = Decimal("1e-9")

Priced = tuple[str, Decimal, int]  # kind, USD, per so many units
Names = Mapping[tuple[str, str], set[str]]  # (provider, folded model) → the provider's own ids


@dataclass(frozen=True)
class Collected:
    """What the collection says of one route while it holds (naive UTC)."""

    provider: str
    model: str
    entry: str
    rank: int
    prices: frozenset[Priced]
    valid_from: datetime
    valid_to: datetime | None

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same price in another version: an open one may have begun earlier."""
        ended = (self.valid_from, self.valid_to) if self.valid_to else None
        return self.rank, self.provider, self.model.lower(), ended, self.prices


SPELLED = """
select model from routes
union
select model from prices
where rank < 2
"""

NATIVE = """
select
    provider,
    model,
    provider_model
from routes
union
select
    provider,
    model,
    null
from prices
where rank < 2
"""

HELD = """
select
    price_id,
    rank,
    provider,
    lower(model) as folded,
    valid_from,
    valid_to,
    list((kind, usd, per_units)) as prices
from prices
where rank >= 2
group by all
"""

CLOSE = """
update prices
set valid_to = greatest(valid_from, $moment)
where price_id in (select unnest($price_ids))
    and valid_to is null
"""

ADD = """
insert into prices by name
select
    unnest($price_ids) as price_id,
    unnest($providers) as provider,
    unnest($models) as model,
    unnest($kinds) as kind,
    unnest($usd)::decimal(18, 9) as usd,
    unnest($per_units) as per_units,
    unnest($valid_from)::timestamp as valid_from,
    unnest($valid_to)::timestamp as valid_to,
    $source as source,
    '' as snapshot,
    unnest($ranks) as rank
"""


def keep_collected(cursor: duckdb.DuckDBPyConnection, now: datetime | None = None) -> int:
    """Store what the installed collection says of the routes known; how many prices were new.

    Only changes: a price that an earlier version named alike stays, one that this version no longer
    names ends. The caller holds the transaction.
    """
    known_from = since(version(PACKAGE), now or datetime.now(UTC))
    wanted = {each.key: each for each in collection(cursor, known_from)}
    held = {
        (rank, provider, folded, end and (start, end), frozenset(map(tuple, prices))): price_id
        for price_id, rank, provider, folded, start, end, prices in cursor.execute(HELD).fetchall()
    }
    gone = [price_id for key, price_id in held.items() if key not in wanted]
    if gone:
        cursor.execute(CLOSE, {"price_ids": gone, "moment": known_from})
    new = [each for key, each in wanted.items() if key not in held]
    if new:
        add(cursor, new)
    return len(new)


def since(installed: str, now: datetime) -> datetime:
    """From when undated prices of a version are known to hold, naive UTC."""
    day = KNOWN_FROM.get(installed)
    known = datetime.combine(day, time(), UTC) if day else now
    return known.astimezone(UTC).replace(tzinfo=None)


def collection(cursor: duckdb.DuckDBPyConnection, known_from: datetime) -> list[Collected]:
    """The collection's prices, for the routes and in the spelling of this ledger."""
    from genai_prices.data import providers

    spelled = {model.lower(): model for (model,) in cursor.execute(SPELLED).fetchall()}
    names: dict[tuple[str, str], set[str]] = {}
    for provider, model, native in cursor.execute(NATIVE).fetchall():
        names.setdefault((provider, model.lower()), set()).update({native} - {None})
    by_id = {each.id: each for each in providers}
    return [
        Collected(provider, spelled.get(model.lower(), model), entry, rank, *era)
        for provider, model, entry, rank, info in entries(by_id, names)
        for era in eras(info, known_from)
    ]


def entries(
    by_id: Mapping[str, Provider], names: Names
) -> Iterator[tuple[str, str, str, int, ModelInfo]]:
    """Provider, model, the entry's name, its rank and the entry, by both ways."""
    for name in sorted(by_id):
        if name.startswith(PREFIX):
            for info in by_id[name].models:
                provider = name.removeprefix(PREFIX)
                yield provider, info.id, f"{name}/{info.id}", COLLECTED_ROUTE, info
    for provider, name in PROVIDERS.items():
        for model, info in direct(by_id[name].models, provider, names) if name in by_id else ():
            yield provider, model, f"{name}/{info.id}", COLLECTED_PROVIDER, info


def direct(
    models: Iterable[ModelInfo], provider: str, names: Names
) -> Iterator[tuple[str, ModelInfo]]:
    """Models at a provider: by its own ids where a route names them, else by Hugging Face's."""
    known = {model: ids for (owner, model), ids in names.items() if owner == provider}
    for model, ids in sorted(known.items()):
        infos = {id(found): found for name in ids or {model} for found in matching(models, name)}
        if len(infos) == 1:
            yield model, next(iter(infos.values()))
    for info in models:
        if info.id.count("/") == 1 and info.id.lower() not in known:
            yield info.id, info


def matching(models: Iterable[ModelInfo], name: str) -> list[ModelInfo]:
    """The first entry that means this id, as the collection itself looks it up, if any."""
    return list(islice((info for info in models if info.is_match(name.lower())), 1))


Era = tuple[frozenset[Priced], datetime, datetime | None]


def eras(info: ModelInfo, known_from: datetime) -> list[Era]:
    """An entry's prices with their dates; an undated price holds from `known_from` on."""
    starts = dated(info, known_from)
    ends = [start for start, _ in starts[1:]]
    return [
        (found, start, end)
        for (start, price), end in zip(starts, [*ends, None], strict=False)
        if (found := prices_of(price))
    ]


def dated(info: ModelInfo, known_from: datetime) -> list[tuple[datetime, ModelPrice]]:
    """Prices by their first moment; none where they change with the hour of the day."""
    from genai_prices.types import ModelPrice, StartDateConstraint

    if isinstance(info.prices, ModelPrice):
        return [(known_from, info.prices)]
    undated = [(known_from, each.prices) for each in info.prices if each.constraint is None]
    begun = [
        (datetime.combine(each.constraint.start_date, time()), each.prices)
        for each in info.prices
        if isinstance(each.constraint, StartDateConstraint)
    ]
    if len(undated) + len(begun) < len(info.prices):
        return []
    if any(start <= known_from for start, _ in begun):
        undated = []
    return sorted([*undated[:1], *begun], key=itemgetter(0))


def prices_of(price: ModelPrice) -> frozenset[Priced]:
    """Its kinds; nothing where one of them has tiers, or where all are 0: a placeholder."""
    stated = {name: value for name in KINDS if (value := getattr(price, name)) is not None}
    if not all(isinstance(value, Decimal) for value in stated.values()) or not any(stated.values()):
        return frozenset()
    return frozenset(
        (KINDS[name][0], value.quantize(NINE_PLACES, ROUND_HALF_EVEN), KINDS[name][1])
        for name, value in stated.items()
    )


def add(cursor: duckdb.DuckDBPyConnection, new: Iterable[Collected]) -> None:
    installed = version(PACKAGE)
    rows = [(each, *price) for each in new for price in sorted(each.prices)]
    cursor.execute(
        ADD,
        {
            "price_ids": [price_id(each, installed) for each, *_ in rows],
            "providers": [each.provider for each, *_ in rows],
            "models": [each.model for each, *_ in rows],
            "kinds": [kind for _, kind, _, _ in rows],
            "usd": [f"{usd:f}" for _, _, usd, _ in rows],
            "per_units": [per_units for *_, per_units in rows],
            "valid_from": [f"{each.valid_from}" for each, *_ in rows],
            "valid_to": [each.valid_to and f"{each.valid_to}" for each, *_ in rows],
            "ranks": [each.rank for each, *_ in rows],
            "source": f"{PACKAGE} {installed}",
        },
    )


def price_id(each: Collected, installed: str) -> str:
    """Route, beginning, and the entry it was read from."""
    route = f"{each.provider}/{each.model}@{each.valid_from:%Y-%m-%dT%H%M}"
    return f"{route} {PACKAGE}-{installed}/{each.entry}"
