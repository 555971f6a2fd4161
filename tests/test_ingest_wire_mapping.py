"""What look-ups teach. Replies are made by hand in the Hub's documented forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories_wire import ROUTER, answered, asked, chat
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import RouteSeen
from hf_ledger.ingest.wire.mapping import Routes, read_mapping, read_tasks

URL = "https://huggingface.co/api/models/meta-llama/Llama-3.3-70B-Instruct?expand=inferenceProviderMapping"
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
GROQ = {"status": "live", "providerId": "llama-3.3-70b-versatile", "task": "conversational"}


def body(mapping: Any, **fields: Any) -> bytes:
    return json.dumps({"id": LLAMA, "inferenceProviderMapping": mapping, **fields}).encode()


def route(model: str, provider: str, provider_model: str, task: str | None = None) -> RouteSeen:
    return RouteSeen(ts=1, model=model, provider=provider, provider_model=provider_model, task=task)


@pytest.mark.parametrize("mapping", [{"groq": GROQ}, [{"provider": "groq", **GROQ}]])
def test_both_forms_of_the_mapping_are_read(mapping: Any) -> None:
    assert read_mapping(URL, body(mapping), 7) == [
        RouteSeen(
            ts=7,
            model=LLAMA,
            provider="groq",
            provider_model="llama-3.3-70b-versatile",
            task="chat-completion",
        )
    ]


def test_a_list_of_models_teaches_all_of_them() -> None:
    listed = [
        {"id": "a/b", "inferenceProviderMapping": [{"provider": "groq", "providerId": "b"}]},
        {"id": "c/d", "inferenceProviderMapping": [{"provider": "groq", "providerId": "d"}]},
        {"id": "e/f"},
        {"odd": 1},
        5,
    ]
    routes = read_mapping(
        "https://huggingface.co/api/models?inference_provider=groq", json.dumps(listed).encode(), 1
    )
    assert [(each.model, each.provider_model, each.task) for each in routes] == [
        ("a/b", "b", None),
        ("c/d", "d", None),
    ]


def test_without_an_id_the_url_names_the_model() -> None:
    reply = json.dumps({"inferenceProviderMapping": {"groq": GROQ}}).encode()
    assert read_mapping(URL, reply, 1)[0].model == LLAMA
    assert read_mapping("https://huggingface.co/api/models", reply, 1) == []


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"Temporary Redirect. Redirecting to /api/models/a/b",
        b"[]",
        b"{}",
        b"null",
        b'{"id": 5, "inferenceProviderMapping": 6}',
        b'{"id": "a/b", "inferenceProviderMapping": {"a": null, "x": {}, "y": {"providerId": 5}}}',
        b'{"id": "a/b", "inferenceProviderMapping": [0, {"providerId": "x"}, {"provider": "x"}]}',
        b'{"id": "a/b", "inferenceProviderMapping": ' + b"[" * 50_000,
    ],
)
def test_other_replies_teach_nothing(reply: bytes) -> None:
    assert read_mapping("", reply, 1) == []
    Routes().read("", reply, 1)


@given(st.text(max_size=50), st.binary(max_size=200))
def test_no_look_up_breaks_the_reader(url: str, reply: bytes) -> None:
    assert isinstance(read_mapping(f"https://huggingface.co/{url}", reply, 1), list)


def test_a_models_own_tag_is_its_task() -> None:
    page = json.dumps({"id": "a/b", "pipeline_tag": "conversational"}).encode()
    assert read_tasks("", page) == {"a/b": "chat-completion"}
    assert read_mapping("", page, 1) == []  # a page says nothing of who serves it


# -- routes ---------------------------------------------------------------------------------------


def test_a_provider_call_after_a_look_up_knows_its_model() -> None:
    routes = Routes()
    routes.read(URL, body({"groq": GROQ}), 1)
    call = asked(
        f"{ROUTER}/groq/openai/v1/chat/completions", chat("llama-3.3-70b-versatile"), routes=routes
    )
    assert (call.requested_model, call.provider_model) == (LLAMA, "llama-3.3-70b-versatile")


def test_spelling_differs_in_case() -> None:
    routes = Routes()
    routes.learn(route("meta-llama/Llama-3.1-8B", "novita", "meta-llama/Llama-3.1-8b"))
    assert routes.model_of("novita", "META-LLAMA/llama-3.1-8B") == "meta-llama/Llama-3.1-8B"


def test_routes_are_the_providers_own() -> None:
    routes = Routes()
    routes.learn(route("a/b", "groq", "b"))
    assert routes.model_of("together", "b") is None
    assert routes.model_of(None, "b") is None
    assert routes.model_of("groq", None) is None


def test_the_latest_look_up_counts() -> None:
    """Two models of the Hub may run under one name of a provider."""
    routes = Routes()
    routes.learn(route("old/name", "groq", "b"))
    routes.learn(route("new/name", "groq", "b"))
    assert routes.model_of("groq", "b") == "new/name"


@pytest.mark.parametrize("wire", ["bytedance/sdxl:5599ed", "bytedance/sdxl", "5599ed", "5599ED"])
def test_replicate_sends_the_version_alone(wire: str) -> None:
    routes = Routes()
    routes.learn(route("ByteDance/SDXL", "replicate", "bytedance/sdxl:5599ed", "text-to-image"))
    assert routes.model_of("replicate", wire) == "ByteDance/SDXL"
    assert routes.task_of("replicate", wire) == "text-to-image"


def test_a_path_version_is_no_part_of_the_name() -> None:
    routes = Routes()
    routes.learn(route("bfl/FLUX", "black-forest-labs", "v1/flux-dev"))
    assert routes.model_of("black-forest-labs", "flux-dev") == "bfl/FLUX"


def test_the_mapping_tells_a_task_that_nothing_else_does() -> None:
    routes = Routes()
    routes.learn(route("a/video", "fal-ai", "fal-ai/x", "text-to-video"))
    queued = {"status": "IN_QUEUE", "request_id": "1"}
    call = answered(asked(f"{ROUTER}/fal-ai/fal-ai/x", {"prompt": "x"}, routes=routes), queued)
    assert (call.task, call.requested_model) == ("text-to-video", "a/video")


def test_a_reply_beats_what_a_look_up_taught() -> None:
    routes = Routes()
    routes.read("", json.dumps({"id": "a/b", "pipeline_tag": "text-generation"}).encode(), 1)
    call = asked(f"{ROUTER}/hf-inference/models/a/b", {"inputs": "x"}, routes=routes)
    assert call.task == "text-generation"
    assert answered(call, [{"summary_text": "y"}]).task == "summarization"


def test_a_tag_is_for_serverless_calls_alone() -> None:
    routes = Routes()
    routes.read("", json.dumps({"id": "a/b", "pipeline_tag": "text-generation"}).encode(), 1)
    assert routes.task_of("hf-inference", "A/B") == "text-generation"
    assert routes.task_of("together", "a/b") is None
    assert routes.model_of("hf-inference", "a/b") is None


def test_a_redirect_teaches_under_the_new_name() -> None:
    routes = Routes()
    routes.read(URL.replace("Llama-3.3", "Old"), body({"groq": GROQ}), 1)
    assert routes.model_of("groq", "llama-3.3-70b-versatile") == LLAMA
