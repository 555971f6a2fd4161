"""How a call is completed, whatever becomes of its reply."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from factories_wire import (
    CHAT_URL,
    FLAC,
    JSON,
    PNG,
    ROUTER,
    Clock,
    answered,
    asked,
    chat,
    chatted,
    completion,
)
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.exchange import Asked
from hf_ledger.ingest.wire.reply import BODY_CAP, ReplyReader, fail

USAGE = {"prompt_tokens": 40, "completion_tokens": 2}
SERVERLESS = f"{ROUTER}/hf-inference/models/a/b"


def test_a_plain_reply_completes_the_call() -> None:
    clock = Clock()
    reader = ReplyReader(asked(CHAT_URL, chat()), 200, JSON, 0, clock)
    clock.tick(120)
    reader.feed(json.dumps(completion(USAGE, "novita/llama")).encode())
    clock.tick(5)
    reader.finish("complete")
    call = reader.call
    assert (call.status, call.outcome, call.error_kind) == (200, "ok", None)
    assert (call.latency_ms, call.ttft_ms) == (125, None)
    assert (call.input_tokens, call.output_tokens) == (40, 2)
    assert (call.provider_model, call.stream) == ("novita/llama", False)
    assert reader.ended is False  # only streams have an end of their own


@given(st.lists(st.integers(0, 10**4), max_size=20))
def test_any_pieces_of_a_plain_reply_give_the_same_call(cuts: list[int]) -> None:
    body = json.dumps(completion(USAGE)).encode()
    places = sorted({cut % (len(body) + 1) for cut in cuts} | {0, len(body)})
    chunks = [body[a:b] for a, b in pairwise(places)]
    assert chatted(b"", chunks=chunks) == chatted(body)


def test_the_line_of_a_finished_call_is_a_plain_call() -> None:
    call = chatted(completion(USAGE))
    assert isinstance(call, Asked)
    line = msgspec.json.encode(call)
    assert b'"form"' not in line
    assert b'"task_from"' not in line
    decoded = msgspec.json.decode(line, type=Call)
    assert decoded.output_tokens == 2


@pytest.mark.parametrize(
    ("ending", "outcome", "kind"),
    [
        ("complete", "ok", None),
        ("closed", "interrupted", None),
        ("error", "interrupted", "connection"),
        ("cancelled", "cancelled", None),
    ],
)
def test_how_a_plain_reply_was_left(ending: Any, outcome: str, kind: str | None) -> None:
    call = chatted(b'{"id": "x", "cho', ending=ending)
    assert (call.outcome, call.error_kind) == (outcome, kind)


@pytest.mark.parametrize("ending", ["complete", "closed", "error"])
def test_a_failure_stays_one_however_it_was_left(ending: Any) -> None:
    call = chatted({"error": "no"}, status=401, ending=ending)
    assert (call.outcome, call.error_kind) == ("error", "auth")


@pytest.mark.parametrize("kind", ["connection", "timeout"])
def test_no_reply_at_all(kind: Any) -> None:
    clock = Clock()
    call = asked(CHAT_URL, chat())
    clock.tick(30_000)
    fail(call, kind, 0, clock)
    assert (call.outcome, call.error_kind, call.status) == ("error", kind, None)
    assert call.latency_ms == 30_000
    assert (call.ttft_ms, call.output_tokens) == (None, None)


def test_given_up_before_any_reply() -> None:
    call = asked(CHAT_URL, chat())
    fail(call, "other", 0, Clock(), cancelled=True)
    assert (call.outcome, call.error_kind) == ("cancelled", None)


def test_a_reader_can_fail_too() -> None:
    reader = ReplyReader(asked(CHAT_URL, chat()), 0, {}, 0, Clock())
    reader.failed("timeout")
    assert (reader.call.outcome, reader.call.error_kind, reader.call.status) == (
        "error",
        "timeout",
        None,
    )


# -- models ---------------------------------------------------------------------------------------


def test_the_reply_names_the_model_only_where_the_request_did_not() -> None:
    own = answered(
        asked(f"{ROUTER}/novita/v3/openai/chat/completions", chat("n/llama")),
        completion(USAGE, "other"),
    )
    assert own.provider_model == "n/llama"


def test_a_reply_naming_another_model_does_not_change_what_was_asked() -> None:
    """Recorded: asked for a 7B model, the reply named a 72B one."""
    call = answered(
        asked(CHAT_URL, chat("Qwen/Qwen2.5-7B-Instruct")), completion(USAGE, "qwen2.5-72b")
    )
    assert (call.requested_model, call.provider_model) == (
        "Qwen/Qwen2.5-7B-Instruct",
        "qwen2.5-72b",
    )


# -- files ----------------------------------------------------------------------------------------


def test_a_picture_is_counted_and_not_kept() -> None:
    reader = ReplyReader(
        asked(SERVERLESS, {"inputs": "x"}), 200, {"content-type": "image/jpeg"}, 0, Clock()
    )
    for _ in range(100):
        reader.feed(PNG * 100)
    assert reader._kept == []
    reader.finish("complete")
    assert (reader.call.images, reader.call.task) == (1, "text-to-image")


@pytest.mark.parametrize(
    ("url", "body", "images"),
    [
        (
            f"{ROUTER}/together/v1/images/generations",
            {"data": [{"b64_json": "x"}, {"b64_json": "y"}]},
            2,
        ),
        (f"{ROUTER}/nebius/v1/images/generations", {"data": [{"b64_json": "x"}]}, 1),
        (f"{ROUTER}/hyperbolic/v1/images/generations", {"images": [{"image": "x"}]}, 1),
        (f"{ROUTER}/fal-ai/fal-ai/flux/dev", {"images": [{"url": "https://x/y.png"}] * 4}, 4),
        (f"{ROUTER}/replicate/v1/predictions", {"output": ["https://x/0.png"], "error": None}, 1),
        (f"{ROUTER}/replicate/v1/predictions", {"output": "https://x/0.webp", "error": None}, 1),
        (f"{ROUTER}/black-forest-labs/v1/flux-dev", {"id": "x", "polling_url": "https://x"}, None),
    ],
)
def test_pictures_are_counted_where_they_are_listed(
    url: str, body: Any, images: int | None
) -> None:
    call = answered(asked(url, {"prompt": "x", "input": {"prompt": "x"}}), body)
    assert (call.images, call.task) == (images, "text-to-image")


def test_a_queued_reply_is_a_call_with_its_id() -> None:
    reply = {"status": "IN_QUEUE", "request_id": "q-1", "response_url": "https://queue.fal.run/x"}
    call = answered(
        asked(f"{ROUTER}/fal-ai/fal-ai/hunyuan-video?_subdomain=queue", {"prompt": "x"}), reply
    )
    assert (call.outcome, call.provider_request_id) == ("ok", "q-1")


@pytest.mark.parametrize("status", [200, 201, 202])
def test_every_2xx_is_a_success(status: int) -> None:
    call = answered(
        asked(f"{ROUTER}/replicate/v1/predictions", {"input": {}}),
        {"id": "x", "error": None},
        status,
    )
    assert (call.outcome, call.status) == ("ok", status)


def test_a_transcription_may_state_its_duration() -> None:
    call = answered(
        asked(f"{ROUTER}/groq/v1/audio/transcriptions", FLAC), {"text": "x", "duration": 12.5}
    )
    assert (call.task, call.audio_seconds) == ("automatic-speech-recognition", 12.5)


def test_speech_from_raw_audio() -> None:
    call = answered(
        asked(SERVERLESS, FLAC), {"text": "A MAN SAID"}, headers={"x-compute-audio-length": "4.65"}
    )
    assert (call.task, call.audio_seconds) == ("automatic-speech-recognition", 4.65)


# -- bounds ---------------------------------------------------------------------------------------


def test_a_long_body_keeps_its_usage_and_not_its_content() -> None:
    vector = ",".join(["0.123456789"] * 400_000)
    body = (
        b'{"data":[{"embedding":[%s]}],"usage":{"prompt_tokens":8,"total_tokens":8}}'
        % vector.encode()
    )
    assert len(body) > BODY_CAP
    reader = ReplyReader(asked(f"{ROUTER}/v1/embeddings", {"model": "a/b"}), 200, JSON, 0, Clock())
    for at in range(0, len(body), 65536):
        reader.feed(body[at : at + 65536])
        assert reader._kept_size <= BODY_CAP + 65536
    reader.finish("complete")
    assert (reader.call.input_tokens, reader.call.outcome) == (8, "ok")


def test_a_long_body_with_details_in_its_usage() -> None:
    details = b'"prompt_tokens_details":{"cached_tokens":4}'
    usage = b'"usage":{"prompt_tokens":8,"completion_tokens":3,%s}}' % details
    body = b'{"choices":["' + b"x" * (BODY_CAP + 1) + b'"],' + usage
    call = chatted(body)
    assert (call.input_tokens, call.cache_read_tokens, call.output_tokens) == (8, 4, 3)


def test_a_long_body_without_usage_is_unknown() -> None:
    call = chatted(b"x" * (BODY_CAP + 10))
    assert (call.input_tokens, call.outcome) == (None, "ok")


@given(st.binary(max_size=300), st.integers(100, 599))
def test_no_body_breaks_the_reader(body: bytes, status: int) -> None:
    call = chatted(body, status=status)
    assert call.outcome in ("ok", "error")
    assert (call.outcome == "error") >= (status >= 300)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-compute-time",
                "x-request-id",
                "content-type",
                "x-prompt-tokens",
                "x-inference-provider",
                "x-total-time",
            ]
        ),
        st.text(max_size=30),
    )
)
def test_no_header_breaks_the_reader(headers: dict[str, str]) -> None:
    call = chatted(completion(USAGE), headers=headers)
    assert call.status == 200
    assert msgspec.json.encode(call.compute_seconds)
