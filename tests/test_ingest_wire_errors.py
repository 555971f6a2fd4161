"""Errors in every shape that servers send them. Bodies as documented; none quotes a real prompt."""

from __future__ import annotations

from typing import Any

import pytest
from factories_wire import CHAT_URL, SSE, answered, asked, chat, delta, event
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.wire.errors import error_kind, kind_of_body, kind_of_status

LLAMA_LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
LOADING = {"error": "Model facebook/bart-base is currently loading", "estimated_time": 22.3}
CREDITS = {"error": "You have exceeded your monthly included credits for Inference Providers."}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            400,
            {"error": "The following `model_kwargs` are not used", "warnings": ["x"]},
            "bad_request",
        ),
        (400, {"error": ["Error in `inputs.context`: field required"]}, "bad_request"),
        (
            400,
            {
                "error": {
                    "message": "no",
                    "type": "invalid_request_error",
                    "code": "model_not_found",
                }
            },
            "bad_request",
        ),
        (401, {"error": "Invalid username or password."}, "auth"),
        (402, CREDITS, "quota"),
        (403, {"error": "does not have sufficient permissions"}, "auth"),
        (404, {"error": "Model this/does-not-exist does not exist"}, "not_found"),
        (408, b"", "timeout"),
        (410, {"error": "model is deprecated"}, "not_found"),
        (422, {"error": "Input validation error", "error_type": "validation"}, "bad_request"),
        (422, b"Failed to deserialize the JSON body into the target type", "bad_request"),
        (422, {"detail": [{"type": "missing", "loc": ["body", "height"]}]}, "bad_request"),
        (
            424,
            {"error": "Request failed during generation", "error_type": "generation"},
            "server_error",
        ),
        (424, {"error": "Backend error", "error_type": "Backend"}, "server_error"),
        (413, {"error": "`inputs` must have less", "error_type": "Validation"}, "bad_request"),
        (
            429,
            {"error": "Rate limit reached. Please log in or use a HF access token"},
            "rate_limited",
        ),
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "overloaded"),
        (429, {"error": {"code": "insufficient_quota", "message": "x"}}, "quota"),
        (
            500,
            {"error": {"code": None, "message": "Internal server error", "type": "server_error"}},
            "server_error",
        ),
        (500, b"<html>oops</html>", "server_error"),
        (502, b"Bad Gateway", "server_error"),
        (503, LOADING, "model_loading"),
        (503, LLAMA_LOADING, "model_loading"),
        (503, {"error": {"code": 503, "message": "no slot", "type": "x"}}, "server_error"),
        (503, {"error": "Service Unavailable"}, "server_error"),
        (503, {"error": "The endpoint is scaled to zero"}, "model_loading"),
        (503, {"error": "no available capacity"}, "overloaded"),
        (503, b"", "server_error"),
        (504, {"error": "Gateway Timeout"}, "timeout"),
        (529, {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded"),
        (418, b"", "other"),
        (302, b"", "other"),
    ],
)
def test_status_and_body_name_the_kind(status: int, body: Any, kind: str) -> None:
    call = answered(asked(CHAT_URL, chat()), body, status)
    assert (call.outcome, call.error_kind, call.status) == ("error", kind, status)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":"x","error_type":"overloaded"}', "overloaded"),
        (b'{"error":{"type":"rate_limit_error"}}', "rate_limited"),
        (b'{"error":{"code":429,"message":"x"}}', "rate_limited"),
        (b'{"error":{"status":500}}', "server_error"),
        (b'{"error":{"code":"context_length_exceeded"}}', "bad_request"),
        (b'{"type":"error","error":{"type":"overloaded_error"}}', "overloaded"),
        (b'{"error":"Model a/b is currently loading"}', "model_loading"),
        (b'{"error":"You have exceeded your monthly included credits"}', "quota"),
        (b"Too many requests", "rate_limited"),
        (b'{"error":"request timed out"}', "timeout"),
        (b'{"error":{"code":99}}', None),
        (b'{"error":"something else"}', None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_bodies_name_the_kind(body: bytes, kind: str | None) -> None:
    assert kind_of_body(body) == kind


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b'{"error":"x"}', True),
        (b'{"error":{"message":"x"}}', True),
        (b'{"error":["x"]}', True),
        (b'{"type":"error"}', True),
        (b'{"error":null,"output":[1]}', False),
        (b'{"error":""}', False),
        (b'{"error":{}}', False),
        (b'{"error":[]}', False),
        (b'{"error":false}', False),
        (b'{"choices":[{"message":{"content":"\\"error\\": \\"x\\""}}]}', False),
        (b"[]", False),
        (b"", False),
    ],
)
def test_an_error_inside_a_good_reply(body: bytes, wrong: bool) -> None:
    call = answered(asked(CHAT_URL, chat()), body)
    assert (call.outcome == "error") is wrong


def test_an_unnamed_error_inside_a_good_reply_is_of_kind_other() -> None:
    call = answered(asked(CHAT_URL, chat()), {"error": "something else"})
    assert (call.outcome, call.error_kind, call.status) == ("error", "other", 200)


def test_an_error_inside_a_stream_is_a_failure() -> None:
    stream = event(delta("Hi")) + event(
        {"error": "Model is overloaded", "error_type": "overloaded"}
    )
    call = answered(asked(CHAT_URL, chat(stream=True)), stream, headers=SSE)
    assert (call.outcome, call.error_kind, call.status) == ("error", "overloaded", 200)


def test_an_error_after_the_end_marker_still_counts() -> None:
    stream = event(delta("Hi", "stop")) + event({"error": {"message": "x", "type": "server_error"}})
    call = answered(asked(CHAT_URL, chat(stream=True)), stream + event("[DONE]"), headers=SSE)
    assert (call.outcome, call.error_kind) == ("error", "server_error")


def test_null_errors_in_each_event_are_none() -> None:
    stream = event(delta("Hi", error=None)) + event(delta("", "stop", error=None)) + event("[DONE]")
    call = answered(asked(CHAT_URL, chat(stream=True)), stream, headers=SSE)
    assert (call.outcome, call.error_kind) == ("ok", None)


def test_a_word_in_the_answer_is_no_error() -> None:
    stream = event(delta('{"error": "not found", "usage": {"prompt_tokens": 1}}')) + event("[DONE]")
    call = answered(asked(CHAT_URL, chat(stream=True)), stream, headers=SSE)
    assert (call.outcome, call.input_tokens) == ("ok", None)


def test_no_message_is_kept() -> None:
    call = answered(asked(CHAT_URL, chat()), {"error": "prompt was MARKER-PROMPT"}, 400)
    assert "MARKER" not in repr(call)


@given(st.integers(300, 999), st.binary(max_size=200))
def test_every_failure_has_a_kind(status: int, body: bytes) -> None:
    assert error_kind(status, body) in {
        "auth",
        "quota",
        "rate_limited",
        "bad_request",
        "not_found",
        "model_loading",
        "overloaded",
        "server_error",
        "timeout",
        "other",
    }


@given(st.integers(500, 599).filter(lambda status: status not in (504, 529)))
def test_a_bare_5xx_is_the_servers_fault(status: int) -> None:
    assert kind_of_status(status) == "server_error"
