"""Brings the reference data that ships into a ledger: prices, lists, routes and model sizes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb

from hf_ledger.ingest.catalogue.collection import keep_collected
from hf_ledger.ingest.catalogue.sizes import CLASS_VERSION, shipped_sizes, size_of

PRICES = """
create or replace temp table shipped_prices as
from read_csv(
    $path,
    header = true,
    columns = {
        'price_id': 'varchar',
        'provider': 'varchar',
        'model': 'varchar',
        'kind': 'varchar',
        'usd': 'decimal(18, 9)',
        'per_units': 'bigint',
        'valid_from': 'timestamp',
        'valid_to': 'timestamp',
        'source': 'varchar',
        'snapshot': 'varchar'
    }
)
"""

# A price once in a ledger never changes; only its end may become known.
CLOSE_PRICES = """
update prices
set valid_to = shipped.valid_to
from shipped_prices as shipped
where prices.price_id = shipped.price_id
    and prices.kind = shipped.kind
    and prices.valid_to is null
    and shipped.valid_to is not null
"""

ADD_PRICES = """
insert into prices by name
select
    price_id,
    provider,
    model,
    kind,
    usd,
    per_units,
    valid_from,
    valid_to,
    source,
    coalesce(snapshot, '') as snapshot
from shipped_prices
anti join prices using (price_id, kind)
"""

ADD_PRICE_LISTS = """
insert into price_lists
select
    snapshot,
    source,
    captured_at
from read_csv(
    $path,
    header = true,
    columns = {
        'captured_at': 'timestamp',
        'source': 'varchar',
        'snapshot': 'varchar',
        'rows': 'bigint',
        'fresh': 'boolean'
    }
)
anti join price_lists using (snapshot, source, captured_at)
"""

ADD_ROUTES = """
insert into routes
from read_csv(
    $path,
    header = true,
    columns = {
        'model': 'varchar',
        'provider': 'varchar',
        'provider_model': 'varchar',
        'task': 'varchar',
        'seen_from': 'timestamp',
        'source': 'varchar'
    }
)
anti join routes using (model, provider, provider_model, seen_from)
"""

ADD_HARDWARE = """
insert into hardware_prices by name
select
    vendor,
    accelerator,
    instance_type,
    instance_size,
    usd_per_hour,
    valid_from,
    source,
    '' as snapshot
from read_csv(
    $path,
    header = true,
    columns = {
        'vendor': 'varchar',
        'accelerator': 'varchar',
        'instance_type': 'varchar',
        'instance_size': 'varchar',
        'usd_per_hour': 'decimal(18, 9)',
        'deprecated': 'boolean',
        'valid_from': 'timestamp',
        'source': 'varchar'
    }
)
anti join hardware_prices using (vendor, instance_type, instance_size, valid_from)
"""

DROP_STALE_MODELS = """
delete from models
where class_version <> $class_version
    or model in (select unnest($models))
"""

ADD_MODELS = """
insert into models
select
    unnest($models),
    unnest($families),
    unnest($totals),
    unnest($actives),
    unnest($classes),
    $class_version,
    unnest($sources),
    unnest($confidences)
"""


def data_file(name: str) -> Path:
    """Path of a file of reference data, in a checkout and in an installed wheel alike."""
    return Path(str(resources.files("hf_ledger") / "data" / name))


def load_reference(cursor: duckdb.DuckDBPyConnection) -> None:
    """Add the shipped reference data to a ledger's tables; a second time changes nothing.

    Writes prices (the installed collection's too), price_lists, routes, hardware_prices and models.
    Rows learned elsewhere (refreshed prices, routes seen on the wire) stay. The caller holds the
    transaction.
    """
    cursor.execute(PRICES, {"path": str(data_file("prices.csv"))})
    cursor.execute(CLOSE_PRICES)
    cursor.execute(ADD_PRICES)
    cursor.execute("drop table shipped_prices")
    cursor.execute(ADD_PRICE_LISTS, {"path": str(data_file("price_lists.csv"))})
    cursor.execute(ADD_ROUTES, {"path": str(data_file("routes.csv"))})
    cursor.execute(ADD_HARDWARE, {"path": str(data_file("endpoint_hardware.csv"))})
    keep_collected(cursor)
    load_models(cursor)


def load_models(cursor: duckdb.DuckDBPyConnection) -> None:
    """Replace the shipped models' sizes, and drop what an older class scheme had worked out."""
    sizes = [size_of(size.model) for size in shipped_sizes().values()]
    names = {"models": [size.model for size in sizes], "class_version": CLASS_VERSION}
    cursor.execute(DROP_STALE_MODELS, names)
    cursor.execute(
        ADD_MODELS,
        {
            **names,
            "families": [size.family for size in sizes],
            "totals": [size.params_total_b for size in sizes],
            "actives": [size.params_active_b for size in sizes],
            "classes": [size.size_class for size in sizes],
            "sources": [size.source for size in sizes],
            "confidences": [size.confidence for size in sizes],
        },
    )
