"""Helicone's requests: routes by target host, its own statuses and caches, properties as labels."""

from __future__ import annotations

from typing import Any

import pytest
from factories_imports import HELICONE, MARKER, MIDNIGHT, helicone, read_all, read_one

from hf_ledger.ingest.doors.imports.fields import Unfit
from hf_ledger.ingest.doors.imports.helicone import CACHE_HIT, UNDER_WAY
from hf_ledger.ingest.doors.imports.rows import NoCall


def one(**changes: Any) -> Any:
    return read_one("helicone", helicone(**changes))


def test_a_row_becomes_a_call() -> None:
    call = one()
    assert (call.ts, call.external_id) == (MIDNIGHT, "648c19b5-905f-4506-812a-eaff2bb7cbc5")
    assert (call.host_kind, call.provider, call.task) == ("router", None, "chat-completion")
    assert (call.uncached_input_tokens, call.cache_read_tokens) == (1000, 57)
    assert (call.latency_ms, call.ttft_ms, call.stream) == (5685.0, 663.0, True)
    assert (call.stated_cost, call.reported_cost, call.status) == ("0.000400000", None, 200)
    assert (call.team, call.session_id, call.user_id) == ("search", "sess-00", "user-0")
    assert call.tags == {"feature": "faq"}
    assert MARKER not in repr(call)


@pytest.mark.parametrize(
    ("said", "url", "kind", "provider"),
    [
        ("CUSTOM", "https://router.example/v1/chat/completions", None, None),
        ("CUSTOM", None, None, None),
        ("CUSTOM", "https://api.groq.com/openai/v1/chat/completions", "provider", "groq"),
        ("TOGETHER", "https://api.together.xyz/v1/chat/completions", "provider", "together"),
        ("CUSTOM", "https://x.us-east-1.aws.endpoints.huggingface.cloud/", "endpoint", None),
        ("CUSTOM", "https://huggingface.co/api/models", None, None),
        ("CUSTOM", "http://[broken", None, None),
    ],
)
def test_the_target_tells_the_route(
    said: str, url: str | None, kind: str | None, provider: str | None
) -> None:
    call = one(provider=said, target_url=url)
    assert (call.host_kind, call.provider) == (kind, provider)


@pytest.mark.parametrize(
    ("path", "task"),
    [
        ("/v1/embeddings", "feature-extraction"),
        ("/v1/completions", "text-generation"),
        ("/v1/responses", "chat-completion"),
        ("/v1/audio/speech", "text-to-speech"),
        ("/v1/embeddings?model=x", "feature-extraction"),
        ("/other", None),
    ],
)
def test_the_path_tells_the_task(path: str | None, task: str | None) -> None:
    assert one(request_path=path).task == task
    assert one(request_path=None, target_url=f"https://llm.example{path}").task == task


def test_without_any_path_the_task_is_unknown() -> None:
    assert one(request_path=None, target_url=None).task is None


@pytest.mark.parametrize(
    ("status", "outcome", "kept", "kind"),
    [
        (503, "error", 503, "server_error"),
        (429, "error", 429, "rate_limited"),
        (-1, "error", None, "timeout"),
        (-4, "error", None, "other"),
        (-3, "cancelled", None, None),
        (204, "ok", 204, None),
        (None, "ok", None, None),
    ],
)
def test_statuses_and_its_own_below_zero(
    status: int | None, outcome: str, kept: int | None, kind: str | None
) -> None:
    call = one(response_status=status)
    assert (call.outcome, call.status, call.error_kind) == (outcome, kept, kind)
    assert (call.stated_cost is None) == (outcome == "error")


def test_a_request_without_an_answer_yet_is_no_call() -> None:
    assert read_all("helicone", helicone(response_status=-2)) == [NoCall(UNDER_WAY)]


def test_its_own_cache_called_no_provider() -> None:
    hit = helicone(cache_enabled=True, cache_reference_id="648c19b5-905f-4506-812a-000000000000")
    assert read_all("helicone", hit) == [NoCall(CACHE_HIT)]
    miss = helicone(cache_enabled=True, cache_reference_id="00000000-0000-0000-0000-000000000000")
    assert read_one("helicone", miss).outcome == "ok"


@pytest.mark.parametrize("cost", [None, 0, 0.0, ""])
def test_no_cost_is_unknown(cost: Any) -> None:
    assert one(costUSD=cost).stated_cost is None


def test_input_without_its_cached_part_is_told_by_the_total() -> None:
    call = one(prompt_tokens=1000, total_tokens=1000 + 57 + 424)
    assert (call.uncached_input_tokens, call.input_tokens) == (1000, 1057)


def test_at_most_sixteen_tags() -> None:
    said = {f"p{n:02}": str(n) for n in range(40)}
    assert list(one(properties=said).tags) == [f"p{n:02}" for n in range(16)]


def test_an_override_is_the_model_that_was_asked_for() -> None:
    call = one(model_override="org/other", response_model=None)
    assert call.requested_model == call.provider_model == "org/other"


def test_latency_from_both_times_where_no_delay_is_stated() -> None:
    assert one(delay_ms=None).latency_ms == 5685.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"request_id": "x"}, "no request of Helicone"),
        (helicone(request_created_at="never"), "request_created_at is not a time"),
        (helicone(prompt_tokens=-1), "prompt_tokens is negative"),
        (helicone(costUSD=-1), "costUSD is negative"),
        (helicone(response_status="fine"), "response_status is no number"),
    ],
)
def test_what_makes_no_sense_is_named(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        read_one("helicone", row)


# -- other sources -----------------------------------------------------------------------------


def test_the_newer_endpoint_states_its_cost_under_another_name() -> None:
    row = {name: value for name, value in HELICONE.items() if name != "costUSD"}
    assert read_one("helicone", {**row, "cost": 0.0004}) == one()
    assert read_one("helicone", {**row, "cost": 3}).stated_cost == "3.000000000"


def test_rows_of_its_own_sql() -> None:
    renamed = {
        "response_status": "status",
        "delay_ms": "latency",
        "request_user_id": "user_id",
        "costUSD": "cost",
    }
    row = {renamed.get(name, name): value for name, value in HELICONE.items()}
    assert read_one("helicone", {**row, "cost": "400000"}) == one()
    assert read_one("helicone", {**row, "cost": "0.0004"}) == one(), "divided in the query"
