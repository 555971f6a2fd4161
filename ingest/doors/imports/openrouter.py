"""OpenRouter's activity export: what it billed, newest first; failures are not in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.imports.fields import (
    Unfit,
    count,
    duration_ms,
    flag,
    moment,
    money,
    text,
)
from hf_ledger.ingest.doors.imports.providers import provider_name
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import NoCall, imported_call, set_tokens

SOURCE = "openrouter"

#: `openai/gpt-5.6-luna-20260709`: the model, and the day its weights were fixed.
DATED = re.compile(r"-20\d{6}$")

Fields = Mapping[str, Any]


def read(record: Record) -> Iterable[Call | NoCall]:
    """One row; its times have no zone and are UTC."""
    row = record.fields
    if "generation_id" not in row or "created_at" not in row:
        raise Unfit("no row of OpenRouter's activity: they have generation_id and created_at")
    generation = text(row["generation_id"])
    call = imported_call(moment(row["created_at"], "created_at"), generation)
    call.provider_request_id = generation
    call.task = "chat-completion"
    call.host_kind = "provider"
    call.payer = "provider"
    _set_model(call, row)
    _set_usage(call, row)
    _set_labels(call, row)
    call.latency_ms = duration_ms(row.get("generation_time_ms"), "generation_time_ms")
    call.ttft_ms = duration_ms(row.get("time_to_first_token_ms"), "time_to_first_token_ms")
    call.stream = flag(row.get("streamed"))
    call.outcome = "cancelled" if flag(row.get("cancelled")) else "ok"
    call.reported_cost = billed(row)
    return (call,)


def _set_model(call: Call, row: Fields) -> None:
    slug = text(row.get("model_permaslug"))
    call.provider_model = slug
    call.requested_model = DATED.sub("", slug) if slug else None
    call.provider = provider_name(text(row.get("provider_name")))


def _set_usage(call: Call, row: Fields) -> None:
    """`tokens_prompt` includes the cached ones."""
    set_tokens(
        call,
        count(row.get("tokens_prompt"), "tokens_prompt"),
        count(row.get("tokens_completion"), "tokens_completion"),
        read=count(row.get("tokens_cached"), "tokens_cached"),
    )
    call.reasoning_tokens = count(row.get("tokens_reasoning"), "tokens_reasoning")


def _set_labels(call: Call, row: Fields) -> None:
    call.user_id = text(row.get("user"))
    call.app = text(row.get("app_name"))
    tags = {
        "through": "openrouter",
        "api_key_name": text(row.get("api_key_name")),
        "variant": text(row.get("variant")),
    }
    call.tags = {name: said for name, said in tags.items() if said}


def billed(row: Fields) -> str | None:
    """What OpenRouter charged, plus what the own key's provider did; None where it was free.

    The free variant says 0 whether or not anybody pays for the model: its price is unknown.
    """
    charged = money(row.get("cost_total"), "cost_total")
    by_provider = money(row.get("byok_usage_inference"), "byok_usage_inference")
    if charged is None and by_provider is None:
        return None
    whole = Decimal(charged or 0) + Decimal(by_provider or 0)
    if whole == 0 and text(row.get("variant")) == "free":
        return None
    return f"{whole:f}"
