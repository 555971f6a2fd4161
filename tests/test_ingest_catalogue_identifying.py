"""Which model a call was of: the Hub's spelling, provider ids, and what stays unknown."""

from __future__ import annotations

import pytest
from factories_prices import empty_ledger, enriched, insert, one, shipped_ledger

from hf_ledger.ingest.catalogue.sizes import CLASS_VERSION

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


@pytest.mark.parametrize("asked", [LLAMA, LLAMA.lower(), LLAMA.upper()])
def test_the_model_asked_for_is_spelled_as_on_the_hub(asked: str) -> None:
    assert one(shipped_ledger(), provider="groq", requested_model=asked)["model"] == LLAMA


def test_a_model_nobody_knows_keeps_its_spelling() -> None:
    row = one(shipped_ledger(), provider="groq", requested_model="Acme/Secret-9B")
    assert row["model"] == "Acme/Secret-9B"


@pytest.mark.parametrize(
    ("provider", "provider_model", "model"),
    [
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", LLAMA),
        ("cerebras", "llama-3.3-70b", LLAMA),
        ("fireworks-ai", "accounts/fireworks/models/deepseek-v3p1", "deepseek-ai/DeepSeek-V3.1"),
        ("novita", "deepseek/deepseek-r1-turbo", "deepseek-ai/DeepSeek-R1"),
    ],
)
def test_a_providers_own_id_leads_to_the_hubs(
    provider: str, provider_model: str, model: str
) -> None:
    row = one(shipped_ledger(), provider=provider, provider_model=provider_model)
    assert (row["model"], row["requested_model"]) == (model, None)


@pytest.mark.parametrize(
    ("provider", "provider_model"),
    [
        ("fal-ai", "fal-ai/flux-lora"),  # 156 adapters are served under this id
        ("together", "deepseek-ai/DeepSeek-V3"),  # V3 and V3-0324 both are
        ("groq", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),  # another provider's id
        ("together", "no/such-model"),
    ],
)
def test_an_id_that_names_no_single_model_names_none(provider: str, provider_model: str) -> None:
    assert one(shipped_ledger(), provider=provider, provider_model=provider_model)["model"] is None


def test_the_model_asked_for_counts_more_than_the_one_on_the_wire() -> None:
    row = one(
        shipped_ledger(), provider="cerebras", requested_model="a/b", provider_model="llama-3.3-70b"
    )
    assert row["model"] == "a/b"


def test_hf_inference_speaks_the_hubs_ids() -> None:
    row = one(shipped_ledger(), provider="hf-inference", provider_model="BAAI/bge-m3")
    assert row["model"] == "BAAI/bge-m3"


def test_an_endpoints_placeholder_is_not_a_model() -> None:
    named = one(
        shipped_ledger(), host_kind="endpoint", requested_model="tgi", provider_model=LLAMA.lower()
    )
    unnamed = one(shipped_ledger(), host_kind="endpoint", requested_model="tgi")
    assert (named["model"], unnamed["model"]) == (LLAMA, None)


def test_a_model_that_is_known_already_stays() -> None:
    row = one(shipped_ledger(), provider="groq", model="mine/own", requested_model=LLAMA)
    assert row["model"] == "mine/own"


def test_a_route_learned_on_the_wire_serves_the_next_calls() -> None:
    ledger = empty_ledger()
    insert(
        ledger,
        "routes",
        {
            "model": "acme/wonder-7b",
            "provider": "novita",
            "provider_model": "acme-wonder",
            "seen_from": "2026-11-01",
            "source": "wire",
        },
    )
    row = one(ledger, provider="novita", provider_model="Acme-Wonder")
    assert (row["model"], row["size_class"]) == ("acme/wonder-7b", "medium")


def test_a_call_carries_its_models_size() -> None:
    row = one(shipped_ledger(), requested_model="Qwen/Qwen3-235B-A22B-Instruct-2507")
    assert row["size_class"] == "xl"
    assert row["params_total_b"] == pytest.approx(235, rel=0.01)
    assert row["params_active_b"] == pytest.approx(22, rel=0.05)
    assert row["class_version"] == CLASS_VERSION


def test_a_size_that_is_given_stays() -> None:
    row = one(shipped_ledger(), requested_model=LLAMA, params_total_b=5.0, size_class="medium")
    assert (row["params_total_b"], row["size_class"]) == (5.0, "medium")


def test_a_provider_id_without_a_hub_id_is_sized_by_its_name() -> None:
    row = one(shipped_ledger(), provider="together", provider_model="acme/Wonder-13B-Turbo")
    assert (row["model"], row["params_total_b"], row["size_class"]) == (None, 13.0, "medium")


def test_a_new_model_is_added_once() -> None:
    ledger = empty_ledger()
    calls = [{"requested_model": "acme/wonder-7b", "task": "chat-completion"}] * 3
    enriched(ledger, calls)
    enriched(ledger, calls)
    found = ledger.execute("select model, family, size_class, source from models").fetchall()
    assert found == [("acme/wonder-7b", "llm", "medium", "name")]


def test_the_commonest_task_tells_a_new_models_family() -> None:
    ledger = empty_ledger()
    tasks = ["fill-mask", "fill-mask", "chat-completion"]
    rows = enriched(ledger, [{"requested_model": "acme/mystery", "task": task} for task in tasks])
    assert [row["size_class"] for row in rows] == [None] * 3
    assert ledger.execute("select family, confidence from models").fetchall() == [
        ("encoder", "unknown")
    ]


def test_a_call_that_names_no_model_has_no_size() -> None:
    ledger = empty_ledger()
    row = one(ledger, provider="groq")
    assert (row["model"], row["size_class"], row["class_version"]) == (None, None, None)
    assert ledger.execute("select count(*) from models").fetchall() == [(0,)]
