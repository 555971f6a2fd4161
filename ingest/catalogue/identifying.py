"""Of which model and size a call is: the ids on the wire resolved to the Hub's, models sized."""

from __future__ import annotations

import duckdb

from hf_ledger.ingest.catalogue.sizes import CLASS_VERSION, size_of

# The Hub's own spelling of an id, and who serves what under which name. A provider's id names a
# Hugging Face model only where it names one and no other: 156 adapters share one id at fal-ai.
MODELS_OF_CALLS = """
with spelled as (
    select
        lower(model) as folded,
        min(model) as model
    from (
        select model from prices where rank < 2
        union
        select model from models
        union
        select model from routes
    )
    group by all
    having count(*) = 1
),
routed as (
    select
        provider,
        lower(provider_model) as folded,
        min(model) as model
    from routes
    group by all
    having count(distinct lower(model)) = 1
),
asked as (
    select
        rowid as id,
        provider,
        lower(provider_model) as folded,
        case
            when requested_model not in ('', 'tgi') then requested_model
            when provider = 'hf-inference' or host_kind in ('endpoint', 'self_hosted')
                then provider_model
        end as model
    from staged
    where model is null
),
named as (
    select
        asked.id,
        coalesce(spelled.model, asked.model, routed.model) as model
    from asked
    left join spelled on spelled.folded = lower(asked.model)
    left join routed
        on routed.provider = asked.provider
        and routed.folded = asked.folded
)
update staged
set model = named.model
from named
where staged.rowid = named.id
    and named.model is not null
"""

UNSIZED = """
select
    coalesce(staged.model, staged.provider_model) as subject,
    mode(staged.task) as task
from staged
left join models on models.model = coalesce(staged.model, staged.provider_model)
where models.model is null
    and coalesce(staged.model, staged.provider_model) is not null
group by all
order by all
"""

ADD_MODEL = """
insert into models
values ($model, $family, $total, $active, $size_class, $class_version, $source, $confidence)
"""

SIZES_OF_CALLS = """
update staged
set
    params_total_b = coalesce(staged.params_total_b, models.params_total_b),
    params_active_b = coalesce(staged.params_active_b, models.params_active_b),
    size_class = coalesce(staged.size_class, models.size_class),
    class_version = coalesce(staged.class_version, models.class_version)
from models
where models.model = coalesce(staged.model, staged.provider_model)
"""


def identify(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fill model, parameters and size class of the calls in `staged` where they are unknown.

    The Hugging Face id stays NULL where nothing tells it. Models met for the first time are sized
    and added to `models`.
    """
    cursor.execute(MODELS_OF_CALLS)
    add_new_models(cursor)
    cursor.execute(SIZES_OF_CALLS)


def add_new_models(cursor: duckdb.DuckDBPyConnection) -> None:
    """Size the models nobody has called before."""
    for subject, task in cursor.execute(UNSIZED).fetchall():
        size = size_of(subject, task)
        cursor.execute(
            ADD_MODEL,
            {
                "model": size.model,
                "family": size.family,
                "total": size.params_total_b,
                "active": size.params_active_b,
                "size_class": size.size_class,
                "class_version": CLASS_VERSION,
                "source": size.source,
                "confidence": size.confidence,
            },
        )
