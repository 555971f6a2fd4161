"""OpenRouter's activity export, and what its API says of single generations: what it billed.

Failures are not in it.
"""

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
    first,
    flag,
    millisecond,
    money,
    text,
)
from hf_ledger.ingest.doors.imports.naming import Names
from hf_ledger.ingest.doors.imports.providers import provider_name
from hf_ledger.ingest.doors.imports.records import Record
from hf_ledger.ingest.doors.imports.rows import NoCall, imported_call, set_failed, set_tokens

SOURCE = "openrouter"

#: `openai/gpt-5.6-luna-20260709`: the model, and the day its weights were fixed.
DATED = re.compile(r"-20\d{6}$")

#: As the export names them; the API's own names stand behind.
NAMES = Names(
    """
    generation_id created_at cost_total byok_usage_inference upstream_inference_cost is_byok
    native_tokens_prompt native_tokens_completion native_tokens_reasoning native_tokens_cached
    tokens_prompt tokens_completion tokens_reasoning tokens_cached model_permaslug provider_name
    variant cancelled streamed user generation_time_ms time_to_first_token_ms app_name api_key_name
    finish_reason_normalized
    """,
    {
        "id": "generation_id",
        "total_cost": "cost_total",
        "usage": "cost_total",
        "model": "model_permaslug",
        "external_user": "user",
        "generation_time": "generation_time_ms",
        "latency": "time_to_first_token_ms",
        "finish_reason": "finish_reason_normalized",
    },
)
NO_ROW = "no row of OpenRouter's activity: they have generation_id and created_at"
TOTALS = "a day's totals, no single call: take the activity page's export of generations"

Fields = Mapping[str, Any]


def read(record: Record) -> Iterable[Call | NoCall]:
    """One row; its times have no zone and are UTC."""
    data = record.fields.get("data")
    fields = data if isinstance(data, dict) else record.fields
    row = NAMES.of(fields)
    if "generation_id" not in row or "created_at" not in row:
        raise Unfit(TOTALS if "requests" in fields else NO_ROW)
    generation = text(row["generation_id"])
    call = imported_call(millisecond(row["created_at"], "created_at"), generation)
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
    call.reported_cost = billed(row)
    if flag(row.get("cancelled")):
        call.outcome = "cancelled"
    elif text(row.get("finish_reason_normalized")) == "error":
        set_failed(call, None)
    return (call,)


def _set_model(call: Call, row: dict[str, Any]) -> None:
    slug, _, variant = (text(row.get("model_permaslug")) or "").partition(":")
    call.provider_model = slug or None
    call.requested_model = DATED.sub("", slug) or None
    call.provider = provider_name(text(row.get("provider_name")))
    row.setdefault("variant", variant)


def _set_usage(call: Call, row: Fields) -> None:
    """`tokens_prompt` includes the cached ones; the API's native counts are what is billed."""

    def stated(what: str) -> int | None:
        return count(first(row, f"native_tokens_{what}", f"tokens_{what}"), f"tokens_{what}")

    set_tokens(call, stated("prompt"), stated("completion"), read=stated("cached"))
    call.reasoning_tokens = stated("reasoning")


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
    own_key = row.get("upstream_inference_cost") if flag(row.get("is_byok")) else None
    stated = first(row, "byok_usage_inference") or own_key
    by_provider = money(stated, "byok_usage_inference")
    if charged is None and by_provider is None:
        return None
    whole = Decimal(charged or 0) + Decimal(by_provider or 0)
    if whole == 0 and text(row.get("variant")) == "free":
        return None
    return f"{whole:f}"
