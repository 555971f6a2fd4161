"""The ledger's schema as numbered steps; a step and its record commit together.

Times are UTC `TIMESTAMP` without zone (zone functions run on small results only); money is
`DECIMAL(18,9)` USD and NULL where unknown; prices are USD per stated `per_units`, never per token.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from hf_ledger.ingest.ledger.book import BOOK_OF_ACCOUNT, PRICE_NOTES
from hf_ledger.ingest.ledger.gatekeeping import EVIDENCE, GATEWAY, KEY_SCOPES

CALLS = """
create table calls (
    call_id uuid not null,
    ts timestamp not null,
    bucket15 integer not null,
    source varchar not null,
    origin varchar not null,
    purpose varchar not null,
    external_id varchar,
    operation_id varchar,
    operation varchar,
    attempt smallint not null,
    fallback_of uuid,
    app varchar,
    environment varchar,
    team varchar,
    project varchar,
    user_id varchar,
    key_id varchar,
    tags map(varchar, varchar),
    host_kind varchar,
    provider varchar,
    routing varchar,
    requested_model varchar,
    model varchar,
    provider_model varchar,
    endpoint varchar,
    task varchar,
    stream boolean not null,
    uncached_input_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    tokens_source varchar not null,
    input_chars bigint,
    audio_seconds double,
    images integer,
    units decimal(18, 9),
    unit_kind varchar,
    params_total_b double,
    params_active_b double,
    size_class varchar,
    class_version varchar,
    input_hash varchar,
    template_hash varchar,
    hash_key_id varchar,
    prefix_tokens_5m bigint,
    prefix_tokens_1h bigint,
    shape map(varchar, double),
    outcome varchar not null,
    status smallint,
    error_kind varchar,
    latency_ms double,
    ttft_ms double,
    lat_bin smallint,
    ttft_bin smallint,
    compute_seconds double,
    compute_type varchar,
    cached_reply boolean not null,
    request_id varchar,
    provider_request_id varchar,
    session_id varchar,
    bill_to varchar,
    payer varchar,
    reported_cost decimal(18, 9),
    list_cost decimal(18, 9),
    cost decimal(18, 9),
    billed_cost decimal(18, 9),
    cost_basis varchar not null,
    price_id varchar
)
"""

# One view adds what is derived, so that "input_tokens" means the total everywhere.
ENTRIES = """
create view entries as
select
    *,
    uncached_input_tokens + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
        as input_tokens
from calls
"""

PREFIXES = """
create table prefixes (
    call_id uuid not null,
    ts timestamp not null,
    blocks bigint[] not null
)
"""

PRICES = """
create table prices (
    price_id varchar not null,
    provider varchar not null,
    model varchar not null,
    kind varchar not null,
    usd decimal(18, 9) not null,
    per_units bigint not null,
    valid_from timestamp not null,
    valid_to timestamp,
    source varchar not null,
    snapshot varchar not null
)
"""

PRICE_LISTS = """
create table price_lists (
    snapshot varchar not null,
    source varchar not null,
    captured_at timestamp not null
)
"""

MODELS = """
create table models (
    model varchar not null,
    family varchar not null,
    params_total_b double,
    params_active_b double,
    size_class varchar,
    class_version varchar not null,
    source varchar not null,
    confidence varchar not null
)
"""

ROUTES = """
create table routes (
    model varchar not null,
    provider varchar not null,
    provider_model varchar not null,
    task varchar,
    seen_from timestamp not null,
    source varchar not null
)
"""

SEGMENTS = """
create table segments (
    name varchar not null,
    taken_bytes bigint not null,
    taken_lines bigint not null,
    first_seen timestamp not null,
    last_taken timestamp not null,
    recorder json
)
"""

QUARANTINE = """
create table quarantine (
    segment varchar not null,
    line bigint not null,
    byte_offset bigint not null,
    reason varchar not null,
    noticed_at timestamp not null
)
"""

OPEN_CALLS = """
create table open_calls (
    call_id uuid not null,
    ts timestamp not null,
    segment varchar not null,
    pid integer not null,
    process_start varchar not null,
    host varchar not null,
    line json not null
)
"""

NOTICED = """
create table noticed (
    segment varchar not null,
    ts timestamp not null,
    reason varchar not null,
    count bigint not null
)
"""

TABLES = (
    CALLS,
    ENTRIES,
    PREFIXES,
    PRICES,
    PRICE_LISTS,
    MODELS,
    ROUTES,
    SEGMENTS,
    QUARANTINE,
    OPEN_CALLS,
    NOTICED,
)


def m0001_first_walk(cursor: duckdb.DuckDBPyConnection) -> None:
    """Calls and what is needed to load, size and price them."""
    for table in TABLES:
        cursor.execute(table)


KEYS = """
create table keys (
    key_id varchar not null,
    name varchar not null,
    algorithm varchar not null,
    key_hash varchar not null,
    created_at timestamp not null,
    revoked_at timestamp
)
"""

STATED_COST = "alter table calls add column stated_cost decimal(18, 9)"


def m0002_other_ways_in(cursor: duckdb.DuckDBPyConnection) -> None:
    """Keys of hosts that post their calls; the cost that an imported export estimated."""
    cursor.execute(KEYS)
    cursor.execute("drop view entries")  # a view keeps the columns it was made with
    cursor.execute(STATED_COST)
    cursor.execute(ENTRIES)


def m0003_book_of_account(cursor: duckdb.DuckDBPyConnection) -> None:
    """Refreshed and agreed prices, repricing with undo, closed months, endpoint hours."""
    cursor.execute(PRICE_NOTES)
    for table in BOOK_OF_ACCOUNT:
        cursor.execute(table)


PRICE_RANKS = "alter table prices add column rank tinyint default 0"


def m0004_price_ranks(cursor: duckdb.DuckDBPyConnection) -> None:
    """Prices of several sources for one route: which counts first."""
    cursor.execute(PRICE_RANKS)


PREFIX_ROUTES = """
alter table prefixes add column route varchar;
alter table prefixes add column hash_key_id varchar;
alter table prefixes add column input_tokens bigint
"""


def m0005_prefix_routes(cursor: duckdb.DuckDBPyConnection) -> None:
    """Where an input went, under which key: only what went the same way shares a prefix."""
    cursor.execute(PREFIX_ROUTES)


def m0006_gateway(cursor: duckdb.DuckDBPyConnection) -> None:
    """Whom a key is for and what it may; budgets, limits of teams, replays to a candidate model."""
    cursor.execute(KEY_SCOPES)
    for table in GATEWAY:
        cursor.execute(table)


def m0007_evidence(cursor: duckdb.DuckDBPyConnection) -> None:
    """Verdicts of evaluated sets and blind votes beside those of sampled replays."""
    cursor.execute(EVIDENCE)


MIGRATIONS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (
    m0001_first_walk,
    m0002_other_ways_in,
    m0003_book_of_account,
    m0004_price_ranks,
    m0005_prefix_routes,
    m0006_gateway,
    m0007_evidence,
)
