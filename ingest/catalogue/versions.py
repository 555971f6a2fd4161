"""One version of a route's token prices in the ledger: it begins with a list and ends with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import duckdb

CLOSE = """
update prices
set valid_to = $moment
where price_id = $price_id
    and valid_to is null
"""

ADD = """
insert into prices by name
select
    $price_id as price_id,
    $provider as provider,
    $model as model,
    $kind as kind,
    $usd::decimal(18, 9) as usd,
    1000000 as per_units,
    $moment as valid_from,
    $source as source,
    $snapshot as snapshot,
    $is_free as is_free,
    $rank as rank
"""


class Version(NamedTuple):
    """Where a version comes from and how it is known; `moment` is UTC without a zone."""

    price_id: str
    provider: str
    model: str
    moment: datetime
    source: str
    snapshot: str
    is_free: bool | None = None
    rank: int = 0


def add_version(
    cursor: duckdb.DuckDBPyConnection, version: Version, usd: Sequence[Decimal | None]
) -> None:
    """Store input and output price per 1,000,000 tokens; one that is not stated has no row."""
    for kind, each in zip(("input_tokens", "output_tokens"), usd, strict=True):
        if each is not None:
            cursor.execute(ADD, {**version._asdict(), "kind": kind, "usd": str(each)})


def close_version(cursor: duckdb.DuckDBPyConnection, price_id: str, moment: datetime) -> None:
    cursor.execute(CLOSE, {"price_id": price_id, "moment": moment})
