"""Tables of the third step: agreed prices, repricing runs, closed months, endpoint hours."""

from __future__ import annotations

PRICE_NOTES = """
alter table prices add column is_free boolean;
alter table prices add column missing_since timestamp
"""

CONTRACTS = """
create table contracts (
    contract_id varchar not null,
    provider varchar not null,
    model varchar not null,
    kind varchar not null,
    usd decimal(18, 9),
    per_units bigint,
    discount_percent decimal(9, 6),
    valid_from timestamp not null,
    valid_to timestamp,
    source varchar not null,
    snapshot varchar not null
)
"""

HARDWARE_PRICES = """
create table hardware_prices (
    vendor varchar not null,
    accelerator varchar,
    instance_type varchar not null,
    instance_size varchar not null,
    usd_per_hour decimal(18, 9) not null,
    valid_from timestamp not null,
    valid_to timestamp,
    source varchar not null,
    snapshot varchar not null
)
"""

REPRICING_RUNS = """
create table repricing_runs (
    run_id integer not null,
    ran_at timestamp not null,
    reason varchar not null,
    since timestamp not null,
    until timestamp not null,
    calls bigint not null,
    changed bigint not null,
    undo_of integer
)
"""

REPRICED_CALLS = """
create table repriced_calls (
    run_id integer not null,
    call_id uuid not null,
    ts timestamp not null,
    month varchar,
    old_list_cost decimal(18, 9),
    old_cost decimal(18, 9),
    old_cost_basis varchar not null,
    old_price_id varchar,
    old_payer varchar,
    new_list_cost decimal(18, 9),
    new_cost decimal(18, 9),
    new_cost_basis varchar not null,
    new_price_id varchar,
    new_payer varchar
)
"""

MONTHS = """
create table months (
    month varchar not null,
    zone varchar not null,
    since timestamp not null,
    until timestamp not null,
    closed_at timestamp not null,
    calls bigint not null,
    priced_calls bigint not null,
    unpriced_calls bigint not null,
    cost decimal(18, 9),
    list_cost decimal(18, 9),
    endpoint_cost decimal(18, 9)
)
"""

ENDPOINTS = """
create table endpoints (
    endpoint varchar not null,
    host varchar,
    model varchar,
    first_seen timestamp not null,
    last_seen timestamp not null
)
"""

ENDPOINT_STATES = """
create table endpoint_states (
    endpoint varchar not null,
    seen_at timestamp not null,
    state varchar not null,
    ready_replicas integer,
    target_replicas integer,
    vendor varchar,
    instance_type varchar,
    instance_size varchar,
    usd_per_hour decimal(18, 9),
    holds_minutes integer,
    source varchar not null
)
"""

ENDPOINT_HOURS = """
create table endpoint_hours (
    endpoint varchar not null,
    hour timestamp not null,
    billed_minutes integer not null,
    replica_minutes bigint not null,
    gap_minutes integer not null,
    unpriced_minutes bigint not null,
    cost decimal(18, 9)
)
"""

BOOK_OF_ACCOUNT = (
    CONTRACTS,
    HARDWARE_PRICES,
    REPRICING_RUNS,
    REPRICED_CALLS,
    MONTHS,
    ENDPOINTS,
    ENDPOINT_STATES,
    ENDPOINT_HOURS,
)
