"""Tables of the sixth step: replays."""

from __future__ import annotations

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

GATEWAY = (REPLAYS,)
