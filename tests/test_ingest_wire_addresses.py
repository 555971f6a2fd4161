"""Every address of Hugging Face's wire, as its clients form it: who serves, and what is no call."""

from __future__ import annotations

from typing import Any

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    ROUTER,
    answered,
    ask,
    asked,
    chat,
    completion,
    facts,
)

from hf_ledger.ingest.wire.exchange import Aside, WireSettings

LEGACY = "https://api-inference.huggingface.co"
PROXY = "https://huggingface.co/api/inference-proxy"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COUNTED = {"input_tokens": 10, "output_tokens": 5, "tokens_source": "usage"}


#: address → who serves, by which way, which model, which task
ADDRESSES: list[tuple[str, str, dict[str, Any]]] = [
    (f"{ROUTER}/v1/chat/completions", "a/b", {"requested_model": "a/b", "routing": "auto"}),
    (f"{ROUTER}//v1//chat/completions/", "a/b:novita", {"provider": "novita"}),
    (f"{ROUTER}:443/v1/chat/completions?x=1", "a/b:fastest", {"routing": "fastest"}),
    (f"{ROUTER}/v1/chat/completions", "a/b-GGUF:Q4_K_M", {"provider": None, "routing": "auto"}),
    (f"{ROUTER}/groq/openai/v1/chat/completions", "x", {"provider": "groq"}),
    (f"{ROUTER}/novita/v3/openai/chat/completions", "x/y", {"provider_model": "x/y"}),
    (f"{ROUTER}/cohere/compatibility/v1/chat/completions", "c", {"provider": "cohere"}),
    (f"{ROUTER}/deepinfra/v1/openai/chat/completions", "d", {"provider": "deepinfra"}),
    (f"{ROUTER}/zai-org/api/paas/v4/chat/completions", "glm", {"provider": "zai-org"}),
    (
        f"{ROUTER}/fireworks-ai/inference/v1/chat/completions",
        "accounts/fireworks/models/m",
        {"provider_model": "accounts/fireworks/models/m", "requested_model": None},
    ),
    (f"{ROUTER}/unheard-of/v1/chat/completions", "m", {"provider": "unheard-of"}),
    (f"{PROXY}/together/v1/chat/completions", "a/B", {"provider": "together"}),
    (f"{ROUTER}/hf-inference/models/gpt2/v1/chat/completions", "gpt2", {"requested_model": "gpt2"}),
    (f"{LEGACY}/models/a/b/v1/chat/completions", "a/b", {"requested_model": "a/b"}),
    (
        f"{LEGACY}/models/meta-llama%2FLlama-3/v1/chat/completions",
        "x",
        {"requested_model": "meta-llama/Llama-3"},
    ),
    (f"{ENDPOINT}/v1/chat/completions", "tgi", {"requested_model": None, "host_kind": "endpoint"}),
    (f"{ENDPOINT}/invocations", "tgi", {"host_kind": "endpoint", "provider": None}),
    (
        "https://x.us-east4.gcp.endpoints.huggingface.cloud/api/v1/chat/completions",
        "a/b",
        {"host_kind": "endpoint", "requested_model": "a/b"},
    ),
    ("https://api.groq.com/openai/v1/chat/completions", "m", {"payer": "provider"}),
    (
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1/chat/completions",
        "m",
        {"provider": "ovhcloud"},
    ),
    (
        "https://llama-3-3-70b.endpoints.kepler.ai.cloud.ovh.net/api/openai_compat/v1/chat/completions",
        "m",
        {"provider": "ovhcloud", "payer": "provider"},
    ),
    ("https://inference.baseten.co/v1/chat/completions", "m", {"provider": "baseten"}),
]


@pytest.mark.parametrize(
    ("url", "model", "wanted"),
    ADDRESSES,
    ids=[f"{i}-{a[0][8:60]}" for i, a in enumerate(ADDRESSES)],
)
def test_an_address_says_who_serves_which_model(
    url: str, model: str, wanted: dict[str, Any]
) -> None:
    call = answered(asked(url, chat(model)), completion(USAGE, "reply"))
    assert facts(call, wanted) == wanted
    assert call.task == "chat-completion"
    assert facts(call, COUNTED) == COUNTED


ASIDES = [
    ("GET", f"{ROUTER}/v1/models", "other"),
    ("GET", f"{ROUTER}/v1/models/a/b", "other"),
    ("GET", "https://huggingface.co/api/models/a/b?expand=inferenceProviderMapping", "mapping"),
    ("GET", "https://huggingface.co/api/models/gpt2", "mapping"),
    ("GET", "https://huggingface.co/api/tasks", "hub_api"),
    ("GET", "https://huggingface.co/api/agent-harnesses", "telemetry"),
    ("POST", "https://huggingface.co/api/repos/create", "hub_api"),
    ("GET", f"{ROUTER}/fal-ai/fal-ai/ltx/requests/7/status?_subdomain=queue", "poll"),
    ("GET", f"{ROUTER}/fal-ai/fal-ai/ltx/requests/7?_subdomain=queue", "poll"),
    ("GET", f"{ROUTER}/replicate/v1/predictions/p", "poll"),
    ("GET", f"{ROUTER}/wavespeed/api/v3/predictions/p/result", "poll"),
    ("GET", f"{ROUTER}/together/v2/videos/v1", "poll"),
    ("GET", "https://api.novita.ai/v3/async/task-result?task_id=t", "poll"),
    ("GET", f"{ROUTER}/zai-org/api/paas/v4/async-result/t", "poll"),
    ("GET", "https://api.us1.bfl.ai/v1/get_result?id=d", "poll"),
    ("GET", "https://v3.fal.media/files/koala/x.png", "download"),
    ("GET", "https://replicate.delivery/yhqm/x/out-0.png", "download"),
    ("GET", f"{ENDPOINT}/info", "other"),
    ("GET", f"{ENDPOINT}/health", "other"),
    ("POST", f"{ENDPOINT}/tokenize", "other"),
    ("POST", f"{ENDPOINT}/decode", "other"),
    ("POST", f"{ENDPOINT}/props", "other"),
    ("PUT", "https://queue.fal.run/fal-ai/x/requests/7/cancel", "other"),
    ("OPTIONS", CHAT_URL, "other"),
]


@pytest.mark.parametrize(
    ("method", "url", "reason"), ASIDES, ids=[f"{m}-{u[8:70]}" for m, u, _ in ASIDES]
)
def test_what_asks_no_model_for_work_is_no_call(method: str, url: str, reason: str) -> None:
    assert ask(url, method=method) == Aside(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["/run/predict", "/api/predict", "/gradio_api/call/x", "/queue/join"]
)
def test_a_space_is_a_call_only_where_it_speaks_openai(path: str) -> None:
    imports = WireSettings(any_openai_host=True)
    assert ask(f"https://a-b.hf.space{path}", {"data": ["x"]}, settings=imports) is None
    call = asked("https://a-b.hf.space/v1/chat/completions", chat(), settings=imports)
    assert (call.host_kind, call.provider) == ("self_hosted", None)
