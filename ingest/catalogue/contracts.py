"""Prices agreed on with a provider, and discounts, from a CSV or TOML file."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from hf_ledger.ingest.catalogue.comparing import naive
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger, transaction

KINDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "images",
    "audio_seconds",
    "characters",
    "requests",
    "seconds",
    "gpu_seconds",
    "units",
)
COLUMNS = (
    "provider",
    "model",
    "kind",
    "usd",
    "per_units",
    "discount_percent",
    "valid_from",
    "valid_to",
)
TOKENS = 1_000_000


class Contract(msgspec.Struct, frozen=True):
    """An agreed price (`usd` per `per_units`) or a discount off the list, while it holds (UTC)."""

    provider: str
    model: str
    kind: str
    usd: Decimal | None
    per_units: int | None
    discount_percent: Decimal | None
    valid_from: datetime
    valid_to: datetime | None


class Agreed(msgspec.Struct, frozen=True):
    """A file's contracts, its name and the SHA-256 of its content."""

    contracts: list[Contract]
    source: str
    snapshot: str


# The same file again changes nothing; a changed file of the same name takes the place of the old.
FORGET = """
delete from contracts
where source = $source
"""

ADD = """
insert into contracts
values (
    $contract_id,
    $provider,
    $model,
    $kind,
    $usd::decimal(18, 9),
    $per_units,
    $discount_percent::decimal(9, 6),
    $valid_from,
    $valid_to,
    $source,
    $snapshot
)
"""


FORGET_LISTED = """
delete from prices
where source = $source
    and rank = 1
"""

ADD_LISTED = """
insert into prices by name
select
    $contract_id as price_id,
    $provider as provider,
    $model as model,
    $kind as kind,
    $usd::decimal(18, 9) as usd,
    $per_units as per_units,
    $valid_from as valid_from,
    $valid_to as valid_to,
    $source as source,
    $snapshot as snapshot,
    1 as rank
"""


def read_contracts(path: Path) -> Agreed:
    """Contracts of a CSV file with a header, or of `[[price]]` tables in a TOML file.

    All or nothing: `Usage` names file, row and reason for the first row that is wrong.
    """
    try:
        body = path.read_bytes()
        rows = tomled(body) if path.suffix == ".toml" else csved(body)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Usage(f"{path} can't be read: {error}.") from error
    if not rows:
        raise Usage(f"{path} has no prices in it.")
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(contract_of(row))
        except ValueError as error:
            raise Usage(f"{path}, price {number}: {error}; nothing was imported.") from error
    return Agreed(found, path.name, hashlib.sha256(body).hexdigest())


def csved(body: bytes) -> Sequence[Mapping[str, Any]]:
    return list(csv.DictReader(body.decode("utf-8-sig").splitlines()))


def tomled(body: bytes) -> Sequence[Mapping[str, Any]]:
    found = tomllib.loads(body.decode("utf-8"), parse_float=Decimal).get("price", [])
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def contract_of(row: Mapping[str, Any]) -> Contract:
    """One row; ValueError says what is wrong with it."""
    told = {name: str(value).strip() for name, value in row.items() if value not in (None, "")}
    if strange := set(told) - set(COLUMNS):
        raise ValueError(f"unknown column {sorted(strange)[0]!r}; there are {', '.join(COLUMNS)}")
    usd, discount = number(told, "usd"), number(told, "discount_percent")
    if (usd is None) == (discount is None):
        raise ValueError("give usd (a price) or discount_percent, one of the two")
    if discount is not None and discount > 100:
        raise ValueError(f"discount_percent is {discount}, above 100")
    since, until = dated(told, "valid_from"), dated(told, "valid_to")
    if since is None or (until is not None and until <= since):
        raise ValueError("valid_from is needed, and valid_to has to be later")
    kind = kind_of(told, discount)
    return Contract(
        provider=needed(told, "provider"),
        model=told.get("model", "*"),
        kind=kind,
        usd=usd,
        per_units=per_units(told, kind) if usd is not None else None,
        discount_percent=discount,
        valid_from=since,
        valid_to=until,
    )


def needed(told: Mapping[str, str], name: str) -> str:
    if name not in told:
        raise ValueError(f"no {name}")
    return told[name]


def kind_of(told: Mapping[str, str], discount: Decimal | None) -> str:
    """What the price is for. Tokens are priced by model: `*` would hide which price applied."""
    if discount is not None:
        return "*"
    kind = needed(told, "kind")
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; there are {', '.join(KINDS)}")
    if kind.endswith("_tokens") and told.get("model", "*") == "*":
        raise ValueError("a price of tokens needs its model")
    return kind


def per_units(told: Mapping[str, str], kind: str) -> int:
    text = told.get("per_units", str(TOKENS if kind.endswith("_tokens") else 1))
    if not text.isdecimal() or not 1 <= int(text) <= 10**12:
        raise ValueError(f"per_units is {text!r}, not a number of units")
    return int(text)


def number(told: Mapping[str, str], name: str) -> Decimal | None:
    if name not in told:
        return None
    try:
        found = Decimal(told[name])
    except InvalidOperation:
        raise ValueError(f"{name} is {told[name]!r}, not a number") from None
    if not found.is_finite() or not 0 <= found < 10**8 or found != round(found, 9):
        raise ValueError(f"{name} is {told[name]!r}: not negative, at most nine places")
    return found


def dated(told: Mapping[str, str], name: str) -> datetime | None:
    if name not in told:
        return None
    try:
        found = datetime.fromisoformat(told[name])
    except ValueError:
        raise ValueError(f"{name} is {told[name]!r}, not a date such as 2026-10-01") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def keep_contracts(ledger: Ledger, agreed: Agreed) -> int:
    """Put a file's contracts in the place of what a file of that name said before; how many."""
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                cursor.execute(FORGET, {"source": agreed.source})
                for contract in agreed.contracts:
                    cursor.execute(ADD, row_of(contract, agreed))
        finally:
            cursor.close()
    return len(agreed.contracts)


def keep_listed(ledger: Ledger, listed: Agreed) -> int:
    """Keep a file's prices as a provider's own list, below the router's; how many.

    Takes the place of what a file of that name said before. Raises `Usage` for a discount.
    """
    if any(each.usd is None for each in listed.contracts):
        raise Usage(f"{listed.source} has a discount in it, which no list of prices has.")
    with ledger.writing:
        cursor = ledger.cursor()
        try:
            with transaction(cursor):
                cursor.execute(FORGET_LISTED, {"source": listed.source})
                for each in listed.contracts:
                    row = row_of(each, listed, "list")
                    del row["discount_percent"]
                    cursor.execute(ADD_LISTED, row)
        finally:
            cursor.close()
    return len(listed.contracts)


def row_of(contract: Contract, agreed: Agreed, kept_as: str = "contract") -> dict[str, Any]:
    """Kinds of one route and date share an id, which the file's digest keeps apart from others."""
    day = f"{naive(contract.valid_from):%Y-%m-%dT%H%M}"
    route = f"{contract.provider}/{contract.model}@{day}"
    return {
        **{name: getattr(contract, name) for name in ("provider", "model", "kind", "per_units")},
        "contract_id": f"{kept_as}/{agreed.snapshot[:8]}/{route}",
        "usd": worded(contract.usd),
        "discount_percent": worded(contract.discount_percent),
        "valid_from": naive(contract.valid_from),
        "valid_to": contract.valid_to and naive(contract.valid_to),
        "source": agreed.source,
        "snapshot": agreed.snapshot,
    }


def worded(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
