"""Tables of the sixth step: scopes of keys, budgets, limits of teams, replays."""

from __future__ import annotations

# Whoever had a key until now posted calls with it.
KEY_SCOPES = """
alter table keys add column role varchar default 'host';
alter table keys add column user_id varchar;
alter table keys add column team varchar;
alter table keys add column project varchar;
alter table keys add column environment varchar;
alter table keys add column models varchar[];
alter table keys add column providers varchar[];
alter table keys add column expires_at timestamp;
alter table keys add column limits json;
alter table keys add column screening json;
alter table keys add column replaying json
"""

# Without a dimension a budget is the whole company's.
BUDGETS = """
create table budgets (
    budget_id varchar not null,
    dimension varchar,
    value varchar,
    period varchar not null,
    usd decimal(18, 9) not null,
    hard boolean not null,
    unpriced varchar not null,
    assumed_usd decimal(18, 9),
    created_at timestamp not null,
    removed_at timestamp
)
"""

TEAM_LIMITS = """
create table team_limits (
    team varchar not null,
    limits json not null
)
"""

# Text-free: what the judge said of two answers, and what asking cost.
REPLAYS = """
create table replays (
    replay_id uuid not null,
    call_id uuid not null,
    ts timestamp not null,
    key_id varchar,
    model varchar,
    candidate varchar not null,
    judge varchar,
    verdict varchar,
    score double,
    model_input_tokens bigint,
    model_output_tokens bigint,
    candidate_input_tokens bigint,
    candidate_output_tokens bigint,
    model_cost decimal(18, 9),
    candidate_cost decimal(18, 9),
    judge_cost decimal(18, 9),
    sampling_probability double not null,
    order_swapped boolean,
    outcome varchar not null
)
"""

# Verdicts that nobody drew by chance have no probability; those so far were all drawn.
EVIDENCE = """
alter table replays alter column sampling_probability drop not null;
alter table replays add column evidence varchar default 'replay';
alter table replays add column origin varchar default 'live';
alter table replays add column model_score double
"""

GATEWAY = (BUDGETS, TEAM_LIMITS, REPLAYS)
