"""What a request tells before there is a reply. All cases are made by hand after the facts."""

from __future__ import annotations

from typing import Any

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    FLAC,
    MESSAGES,
    PNG,
    ROUTER,
    ask,
    asked,
    chat,
)

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.exchange import Aside, Asked, WireSettings

LEGACY = "https://api-inference.huggingface.co"
PROXY = "https://huggingface.co/api/inference-proxy"
HUB = "https://huggingface.co"


# -- the router's own API -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "requested", "routing", "provider"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct", "auto", None),
        ("openai/gpt-oss-120b:groq", "openai/gpt-oss-120b", "explicit", "groq"),
        ("openai/gpt-oss-120b:fastest", "openai/gpt-oss-120b", "fastest", None),
        ("openai/gpt-oss-120b:cheapest", "openai/gpt-oss-120b", "cheapest", None),
        ("openai/gpt-oss-120b:preferred", "openai/gpt-oss-120b", "preferred", None),
        ("gpt2", "gpt2", "auto", None),
    ],
)
def test_router_models_carry_policy_or_provider(
    model: str, requested: str, routing: str, provider: str | None
) -> None:
    call = asked(CHAT_URL, chat(model))
    assert call.requested_model == requested
    assert call.routing == routing
    assert call.provider == provider
    assert call.provider_model is None  # only the reply names it
    assert call.host_kind == "router"
    assert call.payer == "huggingface"


@pytest.mark.parametrize(
    ("path", "body", "task"),
    [
        ("/v1/chat/completions", chat(), "chat-completion"),
        ("/v1/responses", {"model": "a/b", "input": "Hi"}, "chat-completion"),
        ("/v1/messages", {"model": "a/b", "messages": MESSAGES}, "chat-completion"),
        ("/v1/completions", {"model": "a/b", "prompt": "Hi"}, "text-generation"),
        ("/v1/embeddings", {"model": "a/b", "input": ["Hi"]}, "feature-extraction"),
    ],
)
def test_the_routers_own_paths_tell_the_task(path: str, body: Any, task: str) -> None:
    call = asked(ROUTER + path, body)
    assert call.task == task
    assert call.requested_model == body["model"].partition(":")[0]
    assert call.provider is None


def test_a_stream_is_asked_for_in_the_body() -> None:
    assert asked(CHAT_URL, chat(stream=True)).stream is True
    assert asked(CHAT_URL, chat(stream=False)).stream is False
    assert asked(CHAT_URL, chat(stream="true")).stream is False
    assert asked(CHAT_URL, chat()).stream is False


def test_headers_say_who_pays_and_which_session() -> None:
    call = asked(
        CHAT_URL,
        chat(),
        headers={"x-hf-bill-to": "acme", "x-hf-session-id": "s-1", "x-amzn-trace-id": "uuid-1"},
    )
    assert (call.bill_to, call.session_id, call.request_id) == ("acme", "s-1", "uuid-1")


def test_nothing_of_the_authorization_is_kept() -> None:
    call = asked(CHAT_URL, chat(), headers={"authorization": "Bearer hf_secretsecret"})
    assert "secret" not in repr(call)


def test_nothing_of_the_prompt_is_kept() -> None:
    body = chat(messages=[{"role": "user", "content": "MARKER-PROMPT"}])
    assert "MARKER" not in repr(asked(CHAT_URL, body))


# -- provider routes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "provider"),
    [
        ("/together/v1/chat/completions", "together"),
        ("/groq/openai/v1/chat/completions", "groq"),
        ("/fireworks-ai/inference/v1/chat/completions", "fireworks-ai"),
        ("/novita/v3/openai/chat/completions", "novita"),
        ("/novita/chat/completions", "novita"),
        ("/cohere/compatibility/v1/chat/completions", "cohere"),
        ("/zai-org/api/paas/v4/chat/completions", "zai-org"),
        ("/deepinfra/v1/openai/chat/completions", "deepinfra"),
        ("/a-provider-of-tomorrow/v1/chat/completions", "a-provider-of-tomorrow"),
    ],
)
def test_provider_routes_name_the_provider_and_hide_the_model(path: str, provider: str) -> None:
    call = asked(ROUTER + path, chat("their-own/name"))
    assert call.provider == provider
    assert call.provider_model == "their-own/name"
    assert call.requested_model is None
    assert call.routing == "explicit"
    assert call.task == "chat-completion"


@pytest.mark.parametrize(
    ("url", "provider", "provider_model", "task"),
    [
        (f"{ROUTER}/fal-ai/fal-ai/flux/dev", "fal-ai", "fal-ai/flux/dev", None),
        (
            f"{ROUTER}/fal-ai/fal-ai/hunyuan-video?_subdomain=queue",
            "fal-ai",
            "fal-ai/hunyuan-video",
            None,
        ),
        ("https://fal.run/fal-ai/whisper", "fal-ai", "fal-ai/whisper", None),
        (
            f"{ROUTER}/black-forest-labs/v1/flux-dev",
            "black-forest-labs",
            "flux-dev",
            "text-to-image",
        ),
        (
            f"{ROUTER}/wavespeed/api/v3/wavespeed-ai/flux-dev",
            "wavespeed",
            "wavespeed-ai/flux-dev",
            None,
        ),
        (f"{ROUTER}/novita/v3/hf/Wan-AI/Wan2.1-T2V", "novita", "Wan-AI/Wan2.1-T2V", None),
        (
            f"{ROUTER}/replicate/v1/models/black-forest-labs/flux-schnell/predictions",
            "replicate",
            "black-forest-labs/flux-schnell",
            None,
        ),
    ],
)
def test_some_providers_name_the_model_in_the_path(
    url: str, provider: str, provider_model: str, task: str | None
) -> None:
    call = asked(url, {"prompt": "An astronaut riding a horse"})
    assert (call.provider, call.provider_model, call.task) == (provider, provider_model, task)


def test_replicate_names_a_version_in_the_body() -> None:
    call = asked(
        f"{ROUTER}/replicate/v1/predictions", {"input": {"prompt": "x"}, "version": "5599"}
    )
    assert call.provider_model == "5599"


def test_direct_provider_hosts_are_paid_by_the_provider() -> None:
    call = asked("https://api.together.xyz/v1/chat/completions", chat("meta-llama/X-Turbo"))
    assert (call.host_kind, call.provider, call.payer) == ("provider", "together", "provider")
    assert call.routing is None
    assert call.requested_model is None


def test_a_key_of_ones_own_changes_only_who_pays() -> None:
    settings = WireSettings(own_key_providers=frozenset({"groq"}))
    url = f"{ROUTER}/groq/openai/v1/chat/completions"
    assert asked(url, chat(), settings=settings).payer == "provider"
    assert asked(url, chat()).payer == "huggingface"
    assert asked(CHAT_URL, chat("a/b:groq"), settings=settings).payer == "provider"


# -- hf-inference, old hosts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "model", "task", "kind"),
    [
        (f"{ROUTER}/hf-inference/models/google/flan-t5", "google/flan-t5", None, "router"),
        (f"{ROUTER}/hf-inference/models/gpt2", "gpt2", None, "router"),
        (
            f"{ROUTER}/hf-inference/models/a/b/pipeline/feature-extraction",
            "a/b",
            "feature-extraction",
            "router",
        ),
        (
            f"{ROUTER}/hf-inference/models/bert/pipeline/sentence-similarity",
            "bert",
            "sentence-similarity",
            "router",
        ),
        (
            f"{ROUTER}/hf-inference/pipeline/feature-extraction/a/b",
            "a/b",
            "feature-extraction",
            "router",
        ),
        (
            f"{ROUTER}/hf-inference/models/a/b/v1/chat/completions",
            "a/b",
            "chat-completion",
            "router",
        ),
        (f"{LEGACY}/models/a/b", "a/b", None, "legacy"),
        (
            f"{LEGACY}/pipeline/fill-mask/bert-base-uncased",
            "bert-base-uncased",
            "fill-mask",
            "legacy",
        ),
        (f"{LEGACY}/models/gpt2/v1/chat/completions", "gpt2", "chat-completion", "legacy"),
        (f"{PROXY}/hf-inference/models/a/b", "a/b", None, "legacy"),
    ],
)
def test_serverless_paths_name_the_model(url: str, model: str, task: str | None, kind: str) -> None:
    call = asked(url)
    assert call.provider == "hf-inference"
    assert (call.requested_model, call.provider_model) == (model, model)
    assert (call.task, call.host_kind, call.routing) == (task, kind, "explicit")


def test_the_path_beats_the_models_placeholder_in_the_body() -> None:
    call = asked(f"{LEGACY}/models/a/b/v1/chat/completions", chat("tgi"))
    assert call.requested_model == "a/b"


def test_without_a_path_the_body_names_the_serverless_model() -> None:
    call = asked(f"{ROUTER}/hf-inference/v1/chat/completions", chat("a/b"))
    assert (call.requested_model, call.provider) == ("a/b", "hf-inference")


def test_the_old_proxy_names_the_provider_in_its_path() -> None:
    call = asked(f"{PROXY}/together/v1/chat/completions", chat("x/Turbo"))
    assert (call.provider, call.provider_model, call.host_kind) == ("together", "x/Turbo", "legacy")


# -- endpoints and own servers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "task"),
    [
        ("/v1/chat/completions", chat("tgi"), "chat-completion"),
        ("/generate", {"inputs": "Hi"}, "text-generation"),
        ("/generate_stream", {"inputs": "Hi"}, "text-generation"),
        ("/embed", {"inputs": "Hi"}, "feature-extraction"),
        ("/v1/embeddings", {"input": "Hi", "model": "tei"}, "feature-extraction"),
        ("/rerank", {"query": "q", "texts": ["a", "b"]}, "text-ranking"),
        ("/predict", {"inputs": "Hi"}, "text-classification"),
        (
            "/similarity",
            {"inputs": {"source_sentence": "a", "sentences": ["b"]}},
            "sentence-similarity",
        ),
        ("/completion", {"prompt": "Hi"}, "text-generation"),
        ("/", {"inputs": "Hi", "parameters": {"max_new_tokens": 5}}, "text-generation"),
        ("/", {"inputs": "Hi"}, None),
        ("/invocations", {"messages": MESSAGES}, "chat-completion"),
        ("/my/own/handler", {"anything": 1}, None),
    ],
)
def test_endpoints_are_told_by_host_and_tasks_by_path_or_form(
    path: str, body: Any, task: str | None
) -> None:
    call = asked(ENDPOINT + path, body)
    assert (call.host_kind, call.provider, call.task) == ("endpoint", None, task)
    assert call.endpoint == ENDPOINT.removeprefix("https://")
    assert call.payer == "huggingface"
    assert call.routing is None


def test_generate_stream_is_a_stream_whatever_the_body() -> None:
    assert asked(f"{ENDPOINT}/generate_stream", {"inputs": "Hi"}).stream is True


@pytest.mark.parametrize("name", ["tgi", "dummy", "/repository", "model", "llama3:8b"])
def test_a_placeholder_is_no_model_id(name: str) -> None:
    call = asked(f"{ENDPOINT}/v1/chat/completions", chat(name))
    assert (call.requested_model, call.provider_model) == (None, name)


def test_an_endpoint_may_say_its_hub_id() -> None:
    call = asked(f"{ENDPOINT}/v1/chat/completions", chat("Qwen/Qwen2.5-7B-Instruct"))
    assert call.requested_model == "Qwen/Qwen2.5-7B-Instruct"


def test_own_servers_are_named_in_the_settings() -> None:
    settings = WireSettings(extra_hosts={"localhost:8000": "self_hosted"})
    call = asked(
        "http://localhost:8000/v1/chat/completions", chat("Qwen/Qwen3-8B"), settings=settings
    )
    assert (call.host_kind, call.payer, call.endpoint) == ("self_hosted", "self", "localhost:8000")
    assert call.requested_model == "Qwen/Qwen3-8B"


def test_a_practice_server_stands_in_for_the_router_and_the_hub() -> None:
    settings = WireSettings(extra_hosts={"127.0.0.1:8089": "router"})
    base = "http://127.0.0.1:8089"
    call = asked(f"{base}/v1/chat/completions", chat("a/b:groq"), settings=settings)
    assert (call.host_kind, call.provider) == ("router", "groq")
    look_up = f"{base}/api/models/a/b?expand=inferenceProviderMapping"
    assert ask(look_up, method="GET", settings=settings) == Aside("mapping")


def test_only_imports_take_any_host_that_speaks_openais_api() -> None:
    url = "https://api.centml.example/openai/v1/chat/completions"
    assert ask(url, chat()) is None
    generous = WireSettings(any_openai_host=True)
    call = asked(url, chat(), settings=generous)
    assert (call.host_kind, call.provider) == ("self_hosted", None)
    assert ask(url, method="GET", settings=generous) is None
    assert ask("https://example.com/login", {"messages": 1}, settings=generous) is None


# -- what is no call ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "reason"),
    [
        ("GET", f"{HUB}/api/models/a/b?expand=inferenceProviderMapping", "mapping"),
        ("GET", f"{HUB}/api/models/a/b?expand[]=inferenceProviderMapping", "mapping"),
        ("GET", f"{HUB}/api/models?inference_provider=groq&limit=5", "mapping"),
        ("GET", f"{HUB}/api/models/gpt2", "mapping"),
        ("GET", f"{HUB}/api/models/a/b/tree/main", "hub_api"),
        ("GET", f"{HUB}/api/models?search=bert", "hub_api"),
        ("GET", f"{HUB}/api/tasks", "hub_api"),
        ("GET", f"{HUB}/api/whoami-v2", "hub_api"),
        ("POST", f"{HUB}/api/repos/create", "hub_api"),
        ("DELETE", f"{HUB}/api/repos/delete", "hub_api"),
        ("POST", f"{HUB}/api/spaces/a/b/restart", "hub_api"),
        ("HEAD", f"{HUB}/api/telemetry/gradio/initiated", "telemetry"),
        ("GET", f"{HUB}/api/agent-harnesses", "telemetry"),
        ("GET", f"{HUB}/a/b/resolve/main/config.json", "download"),
        ("HEAD", f"{HUB}/a/b/resolve/main/model.safetensors", "download"),
        ("GET", "https://cdn-lfs.huggingface.co/x", "download"),
        ("GET", "https://v3.fal.media/files/x.png", "download"),
        ("GET", "https://replicate.delivery/x/out-0.png", "download"),
        ("GET", "https://delivery-us1.bfl.ai/results/x/sample.jpeg", "download"),
        ("GET", "https://api.us1.bfl.ai/v1/get_result?id=1", "poll"),
        ("GET", "https://api.replicate.com/v1/predictions/abc", "poll"),
        ("GET", f"{ROUTER}/fal-ai/fal-ai/x/requests/1/status?_subdomain=queue", "poll"),
        ("GET", f"{ROUTER}/together/v2/videos/1", "poll"),
        ("GET", f"{ROUTER}/novita/v3/async/task-result?task_id=1", "poll"),
        ("GET", f"{ROUTER}/zai-org/api/paas/v4/async-result/1", "poll"),
        ("GET", f"{ROUTER}/wavespeed/api/v3/predictions/1/result", "poll"),
        ("GET", f"{ROUTER}/v1/models", "other"),
        ("GET", f"{ENDPOINT}/info", "other"),
        ("GET", f"{ENDPOINT}/health", "other"),
        ("OPTIONS", CHAT_URL, "other"),
        ("PUT", "https://queue.fal.run/fal-ai/x/requests/1/cancel", "other"),
        ("POST", "https://api.replicate.com/v1/predictions/1/cancel", "other"),
        ("POST", f"{ENDPOINT}/tokenize", "other"),
        ("POST", f"{ROUTER}/v1/messages/count_tokens", "other"),
        ("POST", "https://api.openai.com/v1/files", "other"),
        ("GET", "https://api.endpoints.huggingface.cloud/v2/endpoint/acme", "hub_api"),
        ("GET", f"{HUB}/a/b", "hub_api"),
        ("POST", f"{HUB}/oauth/token", "hub_api"),
    ],
)
def test_other_traffic_is_set_aside_with_its_reason(method: str, url: str, reason: str) -> None:
    assert ask(url, method=method) == Aside(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/v1/chat/completions",
        "not a url",
        "",
        "http://[broken",
        "file:///etc/hosts",
        "https://user:password@example.com/",
    ],
)
def test_other_hosts_are_none_of_ours(url: str) -> None:
    assert ask(url, chat()) is None


def test_credentials_in_the_url_do_not_hide_the_host() -> None:
    call = asked("https://me:hf_secret@router.huggingface.co/v1/chat/completions", chat())
    assert call.host_kind == "router"
    assert "secret" not in repr(call)


# -- tolerance ------------------------------------------------------------------------------------


def test_an_unknown_form_is_a_call_with_unknown_task() -> None:
    for body in (None, b"", b"\x00\x01\x02", b"[]", b"{", {"odd": True}, b"null"):
        call = asked(f"{ROUTER}/some-provider/some/new/path", body)
        assert (call.task, call.provider) == (None, "some-provider")


@pytest.mark.parametrize("model", [None, 5, ["a"], {"a": 1}, True, ""])
def test_a_model_of_a_wrong_type_is_unknown(model: Any) -> None:
    call = asked(CHAT_URL, {"model": model, "messages": MESSAGES})
    assert call.requested_model is None
    assert call.task == "chat-completion"


def test_a_lone_surrogate_in_the_prompt_hides_nothing() -> None:
    body = b'{"messages":[{"role":"user","content":"\\ud83d oops"}],"model":"a/b:groq"}'
    call = asked(CHAT_URL, body, headers={"content-type": "application/json"})
    assert (call.requested_model, call.provider) == ("a/b", "groq")


def test_names_are_cut_before_they_flood_the_ledger() -> None:
    call = asked(CHAT_URL, chat("a/" + "b" * 5000))
    assert call.requested_model is not None
    assert len(call.requested_model) == 300


@pytest.mark.parametrize(
    ("body", "headers", "form"),
    [
        (FLAC, {}, "audio"),
        (PNG, {}, "image"),
        (b"anything", {"content-type": "audio/wav"}, "audio"),
        (None, {"content-type": "image/png"}, "image"),
        (b"{}", {"content-type": "application/json"}, None),
    ],
)
def test_raw_bodies_are_known_by_magic_or_type(
    body: bytes | None, headers: dict[str, str], form: str | None
) -> None:
    call = asked(f"{ROUTER}/hf-inference/models/a/b", body, headers=headers)
    assert isinstance(call, Asked)
    assert call.form == form


def test_multipart_uploads_name_the_model_in_a_part() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\nfLaC...\r\n'
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
        b"openai/whisper-large-v3\r\n--x--\r\n"
    )
    call = asked(
        f"{ROUTER}/deepinfra/v1/openai/audio/transcriptions",
        body,
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert call.provider_model == "openai/whisper-large-v3"
    assert call.task == "automatic-speech-recognition"


def test_the_call_is_a_plain_call_without_id_and_time() -> None:
    call = asked(CHAT_URL, chat())
    assert isinstance(call, Call)
    assert (call.call_id, call.ts, call.outcome, call.status) == ("", 0, "ok", None)
