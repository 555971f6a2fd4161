"""Every error and every form of a stream: what went wrong, and what had come before."""

from __future__ import annotations

from typing import Any

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    FLAC,
    JSON,
    PNG,
    ROUTER,
    SSE,
    answered,
    asked,
    chat,
    delta,
    event,
    facts,
)

from hf_ledger.ingest.wire.mapping import Routes

LEGACY = "https://api-inference.huggingface.co"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COUNTED = {"input_tokens": 10, "output_tokens": 5, "tokens_source": "usage"}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


CREDITS = "You have exceeded your monthly included credits for Inference Providers."
ERRORS: list[tuple[int, Any, str]] = [
    (400, {"error": "The following `model_kwargs` are not used", "warnings": []}, "bad_request"),
    (400, {"error": ["Error in `inputs.context`: field required"]}, "bad_request"),
    (
        400,
        {"error": {"message": "x", "type": "invalid_request_error", "code": "model_not_found"}},
        "bad_request",
    ),
    (401, {"error": "Invalid username or password."}, "auth"),
    (402, {"error": CREDITS}, "quota"),
    (403, {"error": "This method does not have sufficient permissions"}, "auth"),
    (404, {"error": "Model this-model/does-not-exist-123 does not exist"}, "not_found"),
    (408, b"", "timeout"),
    (410, {"error": "The requested model is deprecated and no longer supported"}, "not_found"),
    (422, {"error": "Input validation error", "error_type": "validation"}, "bad_request"),
    (422, b"Failed to deserialize the JSON body into the target type", "bad_request"),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "bad_request"),
    (429, {"error": "Rate limit reached. Please log in or use a HF access token"}, "rate_limited"),
    (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "overloaded"),
    (429, b"", "rate_limited"),
    (
        500,
        {"error": {"code": None, "message": "Internal", "param": None, "type": "server_error"}},
        "server_error",
    ),
    (500, b"", "server_error"),
    (502, b"<html><head><title>502 Bad Gateway</title>", "server_error"),
    (503, {"error": "Model a/b is currently loading", "estimated_time": 22.3}, "model_loading"),
    (503, {"error": "Service Unavailable"}, "server_error"),
    (503, {"error": "Model too busy, unable to get response in less than 60 s"}, "overloaded"),
    (504, b"<HTML>The request could not be satisfied. CloudFront", "timeout"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "overloaded"),
    (200, {"error": {"code": 429, "message": "x"}}, "rate_limited"),
    (200, {"error": "Model is overloaded"}, "overloaded"),
    (
        200,
        {"object": "error", "message": "x", "type": "BadRequestError", "code": 400},
        "bad_request",
    ),
    (
        200,
        {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "x"}},
        "server_error",
    ),
]


@pytest.mark.parametrize(
    ("status", "body", "kind"), ERRORS, ids=[f"{i}-{e[0]}" for i, e in enumerate(ERRORS)]
)
def test_an_error_of_any_shape_has_a_kind(status: int, body: Any, kind: str) -> None:
    headers = JSON if isinstance(body, dict) else {"content-type": "text/html"}
    call = answered(asked(CHAT_URL, chat()), body, status, headers={**headers, "retry-after": "2"})
    assert (call.outcome, call.error_kind) == ("error", kind)


def test_a_web_page_is_no_answer() -> None:
    call = answered(asked(CHAT_URL, chat()), b"<html>Log in", headers={"content-type": "text/html"})
    assert (call.outcome, call.error_kind) == ("error", "other")


WHOLE = event(delta()) + event(delta("", "stop", usage=USAGE)) + event("[DONE]")
STREAMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "line feeds": (WHOLE, {"outcome": "ok", **COUNTED}),
    "carriage returns and line feeds": (
        WHOLE.replace(b"\n", b"\r\n"),
        {"outcome": "ok", **COUNTED},
    ),
    "carriage returns": (WHOLE.replace(b"\n", b"\r"), {"outcome": "ok", **COUNTED, "ttft_ms": 0.0}),
    "a byte order mark": (
        b"\xef\xbb\xbf" + WHOLE,
        {"provider_request_id": "chatcmpl-1", **COUNTED},
    ),
    "comments": (b": keep-alive\n\n" + WHOLE, {"outcome": "ok", **COUNTED}),
    "data on two lines": (
        b'data: {"id": "x",\n'
        b'data: "usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n' + event("[DONE]"),
        {"outcome": "ok", **COUNTED},
    ),
    "usage on each event": (
        b"".join(
            event(delta(usage={"prompt_tokens": 10, "completion_tokens": n})) for n in (1, 3, 5)
        )
        + event("[DONE]"),
        COUNTED,
    ),
    "no end marker but a reason": (
        WHOLE.replace(event("[DONE]"), b""),
        {"outcome": "ok", **COUNTED},
    ),
    "no end at all": (event(delta()), {"outcome": "interrupted", "error_kind": "connection"}),
    "an overloaded server": (
        event(delta()) + event({"error": "Model is overloaded", "error_type": "overloaded"}),
        {"outcome": "error", "error_kind": "overloaded"},
    ),
    "a limit behind status 200": (
        event({"error": {"code": 429, "message": "x"}}) + event("[DONE]"),
        {"outcome": "error", "error_kind": "rate_limited"},
    ),
    "an event called error": (
        event(delta()) + event({"message": "Upstream died", "code": 500}, "error"),
        {"outcome": "error", "error_kind": "server_error"},
    ),
    "an object called error": (
        event({"object": "error", "message": "x", "type": "BadRequestError", "code": 400})
        + event("[DONE]"),
        {"outcome": "error", "error_kind": "bad_request"},
    ),
    "a type called error": (
        event({"type": "error", "code": "rate_limit_exceeded", "message": "x"}, "error"),
        {"outcome": "error", "error_kind": "rate_limited"},
    ),
    "a reply that is no stream": (
        b'{"error": {"type": "server_error"}}',
        {"outcome": "error", "error_kind": "server_error"},
    ),
    "an answer that says error": (
        event(delta("error")) + event(delta("", "stop", usage=USAGE)) + event("[DONE]"),
        {"outcome": "ok", **COUNTED},
    ),
    "a failed response": (
        event(
            {"type": "response.failed", "response": {"id": "r", "error": {"code": "server_error"}}},
            "response.failed",
        ),
        {"outcome": "error", "error_kind": "server_error"},
    ),
    "llama.cpp's own": (
        event({"content": "x", "stop": False})
        + event(
            {
                "content": "",
                "stop": True,
                "stopping_word": "",
                "tokens_evaluated": 3,
                "tokens_predicted": 2,
            }
        ),
        {"outcome": "ok", "input_tokens": 3, "output_tokens": 2, "tokens_source": "details"},
    ),
}


@pytest.mark.parametrize("size", [10**6, 7, 1], ids=["whole", "sevens", "bytes"])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_of_any_form_in_pieces_of_any_size(name: str, size: int) -> None:
    body, wanted = STREAMS[name]
    if name == "data on two lines" and size < 100:
        pytest.skip("an event on several lines is read where it comes in one piece")
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    url = f"{ENDPOINT}/completion" if name.startswith("llama") else CHAT_URL
    call = answered(asked(url, chat(stream=True)), headers=SSE, chunks=pieces)
    assert facts(call, wanted) == wanted


@pytest.mark.parametrize(
    ("body", "sent", "reply", "content_type", "task"),
    [
        ({"inputs": "x"}, {}, FLAC, "audio/flac", "text-to-speech"),
        ({"inputs": "x"}, {}, PNG, "image/jpeg", "text-to-image"),
        (PNG, {}, PNG, "image/png", "image-to-image"),
        (
            None,
            {"content-type": "image/png"},
            [{"generated_text": "cat"}],
            "application/json",
            "image-to-text",
        ),
        (None, {}, [{"generated_text": "cat"}], "application/json", None),
        (None, {}, {"text": "A MAN"}, "application/json", "automatic-speech-recognition"),
    ],
    ids=["speech", "image", "image-image", "caption", "unknown", "transcript"],
)
def test_files_in_and_out_say_the_task(
    body: Any, sent: dict[str, str], reply: Any, content_type: str, task: str | None
) -> None:
    call = asked(f"{LEGACY}/models/a/b", body, headers=sent)
    assert answered(call, reply, headers={"content-type": content_type}).task == task


def test_a_look_up_of_a_providers_model_is_not_overruled_by_an_open_shape() -> None:
    routes = Routes()
    said = (
        b'{"id":"ZhengPeng7/BiRefNet","inferenceProviderMapping":{"fal-ai":{"status":"live",'
        b'"providerId":"fal-ai/birefnet","task":"image-segmentation"}}}'
    )
    routes.read("https://huggingface.co/api/models/ZhengPeng7/BiRefNet", said, 0)
    call = asked(f"{ROUTER}/fal-ai/fal-ai/birefnet", {"image_url": PICTURE}, routes=routes)
    answered(call, {"image": {"url": "https://fal.media/x.png"}})
    assert (call.task, call.requested_model) == ("image-segmentation", "ZhengPeng7/BiRefNet")
