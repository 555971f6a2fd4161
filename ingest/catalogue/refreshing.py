"""Bringing a price list in: only what changed is stored, from the moment of the list on.

A list that is broken, empty or cut changes nothing. A pair that one list leaves out keeps its
price; it ends when a second list, at least `CONFIRMED_AFTER` later, leaves it out too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from hf_ledger.ingest.catalogue.comparing import naive
from hf_ledger.ingest.catalogue.lists import Hardware, Listed, PriceList
from hf_ledger.ingest.catalogue.versions import Version, add_version, close_version
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger, transaction

CONFIRMED_AFTER = timedelta(hours=20)
#: A reply with fewer of the known pairs than this share was cut on the way.
SMALLEST_SHARE = 0.5
MTOK = 1_000_000

OPEN_PAIRS = """
select
    provider,
    lower(model) as folded,
    price_id,
    max(usd) filter (where kind = 'input_tokens') as input_usd,
    max(usd) filter (where kind = 'output_tokens') as output_usd,
    coalesce(bool_or(is_free), false) as is_free,
    count(*) filter (where kind not in ('input_tokens', 'output_tokens') or per_units <> 1000000)
        as others,
    min(valid_from) as valid_from,
    min(missing_since) as missing_since
from prices
where valid_to is null
    and rank = 0
    and price_id in (select price_id from prices where kind = 'input_tokens')
group by all
order by valid_from
"""

LATEST = """
select max(captured_at)
from price_lists
where source = $source
"""

MISS = """
update prices
set missing_since = $moment
where price_id = $price_id
    and valid_to is null
"""

ADD_LIST = """
insert into price_lists
values ($snapshot, $source, $moment)
"""

OPEN_HARDWARE = """
select
    vendor,
    instance_type,
    instance_size,
    usd_per_hour
from hardware_prices
where valid_to is null
"""

CLOSE_HARDWARE = """
update hardware_prices
set valid_to = $moment
where vendor = $vendor
    and instance_type = $instance_type
    and instance_size = $instance_size
    and valid_to is null
"""

ADD_HARDWARE = """
insert into hardware_prices
values (
    $vendor,
    $accelerator,
    $instance_type,
    $instance_size,
    $usd::decimal(18, 9),
    $moment,
    null,
    $source,
    $snapshot
)
"""


@dataclass
class Refreshed:
    """What a list brought, in pairs: new or dearer or cheaper, ended, missing for now."""

    pairs: int = 0
    new: int = 0
    changed: int = 0
    ended: int = 0
    missing: int = 0
    unpriced: int = 0
    free: int = 0
    unreadable: int = 0
    routes: int = 0
    hardware: int = 0


@dataclass(frozen=True)
class Standing:
    """The open price of a pair; `others`: it has further kinds, so the list can't change it."""

    provider: str
    folded: str
    price_id: str
    input_usd: Decimal | None
    output_usd: Decimal | None
    is_free: bool
    others: int
    valid_from: datetime
    missing_since: datetime | None


def keep_list(ledger: Ledger, found: PriceList) -> Refreshed:
    """Store what a price list changes, in one transaction.

    Raises `Unusable` for a list that lacks half of the known pairs, or is older than the latest of
    its source: nothing is changed then.
    """
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                return Refresh(cursor, found).run()
        finally:
            cursor.close()


class Refresh:
    """One list meeting the prices that stand."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, found: PriceList) -> None:
        self._cursor = cursor
        self._found = found
        self._moment = naive(found.captured_at)
        self._standing = standing(cursor)
        self._done = Refreshed(pairs=len(found.pairs), unreadable=len(found.unreadable))

    def run(self) -> Refreshed:
        self._check()
        seen = {(each.provider, each.model.lower()) for each in self._found.pairs}
        seen |= {(provider, model.lower()) for model, provider in self._found.unreadable}
        for listed in self._found.pairs:
            self._meet(listed, self._standing.get((listed.provider, listed.model.lower())))
        for key in sorted(self._standing.keys() - seen):
            self._missed(self._standing[key])
        found = self._found
        values = {"snapshot": found.snapshot, "source": found.source, "moment": self._moment}
        self._cursor.execute(ADD_LIST, values)
        return self._done

    def _check(self) -> None:
        (latest,) = self._cursor.execute(LATEST, {"source": self._found.source}).fetchone() or (
            None,
        )
        if latest is not None and latest >= self._moment:
            raise Unusable(f"a later list of {self._found.source} is in already: nothing changed.")
        priced = {(p.provider, p.model.lower()) for p in self._found.pairs if p.prices}
        known = len(self._standing)
        if len(priced & self._standing.keys()) < known * SMALLEST_SHARE:
            raise Unusable(
                f"{self._found.source} prices only {len(priced & self._standing.keys())} of the "
                f"{known} pairs with a price: it looks cut, so no price was changed."
            )

    def _meet(self, listed: Listed, price: Standing | None) -> None:
        self._done.free += listed.is_free
        self._done.unpriced += listed.prices is None
        if price and price.missing_since:
            self._cursor.execute(MISS, {"moment": None, "price_id": price.price_id})
        if (price and price.others) or same(listed, price):
            return
        if price:
            self._close(price)
        if listed.prices:
            self._add(listed)
            self._done.new += price is None
            self._done.changed += price is not None
        elif price:
            self._done.ended += 1

    def _missed(self, price: Standing) -> None:
        """Left out: remembered, and ended when that is confirmed."""
        if price.others:
            return
        if price.missing_since is None:
            self._cursor.execute(MISS, {"moment": self._moment, "price_id": price.price_id})
            self._done.missing += 1
        elif self._moment - price.missing_since >= CONFIRMED_AFTER:
            self._close(price)
            self._done.ended += 1
        else:
            self._done.missing += 1

    def _close(self, price: Standing) -> None:
        close_version(self._cursor, price.price_id, self._moment)

    def _add(self, listed: Listed) -> None:
        price_id = f"{listed.provider}/{listed.model}@{self._moment:%Y-%m-%dT%H%M%S}"
        found = self._found
        version = Version(
            price_id,
            listed.provider,
            listed.model,
            self._moment,
            found.source,
            found.snapshot,
            listed.is_free,
        )
        add_version(self._cursor, version, listed.prices or (None, None))


def standing(cursor: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Standing]:
    """The latest open token price of each pair."""
    rows = (Standing(*row) for row in cursor.execute(OPEN_PAIRS).fetchall())
    return {(row.provider, row.folded): row for row in rows}


def same(listed: Listed, price: Standing | None) -> bool:
    """Whether the list says what stands: the same two prices, or none and none."""
    if price is None:
        return listed.prices is None
    return listed.prices == (price.input_usd, price.output_usd) and listed.is_free == price.is_free


def keep_hardware(
    ledger: Ledger, found: Sequence[Hardware], source: str, snapshot: str, moment: datetime
) -> int:
    """Store the machines whose price changed; those left out keep theirs. How many changed."""
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                known = {tuple(row[:3]): row[3] for row in cursor.execute(OPEN_HARDWARE).fetchall()}
                new = [each for each in found if known.get(machine(each)) != each.usd_per_hour]
                for each in new:
                    add_hardware(cursor, each, source, snapshot, naive(moment))
        finally:
            cursor.close()
    return len(new)


def machine(hardware: Hardware) -> tuple[str, ...]:
    return hardware.vendor, hardware.instance_type, hardware.instance_size


def add_hardware(cursor: Any, each: Hardware, source: str, snapshot: str, moment: datetime) -> None:
    names = dict(zip(("vendor", "instance_type", "instance_size"), machine(each), strict=True))
    cursor.execute(CLOSE_HARDWARE, {**names, "moment": moment})
    cursor.execute(
        ADD_HARDWARE,
        {
            **names,
            "accelerator": each.accelerator,
            "usd": str(each.usd_per_hour),
            "moment": moment,
            "source": source,
            "snapshot": snapshot,
        },
    )
