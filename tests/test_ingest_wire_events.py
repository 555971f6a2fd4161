"""Streams in each provider's form, in any pieces; made by hand after recordings and documents."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    MESSAGES,
    ROUTER,
    SSE,
    Clock,
    answered,
    asked,
    chat,
    chat_stream,
    delta,
    event,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire.events import LONGEST_LINE, Events, payloads
from hf_ledger.ingest.wire.reply import ReplyReader

USAGE = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}


def tgi(text: str, number: int, whole: str | None = None, details: Any = None) -> dict[str, Any]:
    """One event of TGI's own stream."""
    token = {"id": number, "text": text, "logprob": -0.5, "special": False}
    return {"index": number, "token": token, "generated_text": whole, "details": details}


TGI = b"".join(
    [
        event(tgi(" Deep", 1)),
        event(
            tgi(
                " learning",
                2,
                " Deep learning",
                {"finish_reason": "length", "generated_tokens": 2, "input_length": 7},
            )
        ),
    ]
)
RESPONSES = b"".join(
    [
        event(
            {"type": "response.created", "response": {"id": "resp_1", "model": "b", "usage": None}}
        ),
        event({"type": "response.output_text.delta", "item_id": "i", "delta": "Hi"}),
        event(
            {
                "type": "response.completed",
                "response": {
                    "id": "resp_1",
                    "model": "b",
                    "error": None,
                    "usage": {
                        "input_tokens": 11,
                        "output_tokens": 5,
                        "output_tokens_details": {"reasoning_tokens": 3},
                    },
                },
            }
        ),
    ]
)
ANTHROPIC = b"".join(
    [
        event(
            {
                "type": "message_start",
                "message": {
                    "id": "msg_1",
                    "model": "b",
                    "usage": {
                        "input_tokens": 10,
                        "cache_read_input_tokens": 90,
                        "output_tokens": 1,
                    },
                },
            },
            "message_start",
        ),
        event({"type": "ping"}, "ping"),
        event(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hi"},
            },
            "content_block_delta",
        ),
        event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 15},
            },
            "message_delta",
        ),
        event({"type": "message_stop"}, "message_stop"),
    ]
)
COHERE = b"".join(
    [
        event(
            {"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant"}}},
            "message-start",
        ),
        event(
            {
                "type": "content-delta",
                "index": 0,
                "delta": {"message": {"content": {"text": "Deep"}}},
            },
            "content-delta",
        ),
        event(
            {
                "type": "message-end",
                "delta": {
                    "finish_reason": "COMPLETE",
                    "usage": {
                        "billed_units": {"input_tokens": 11, "output_tokens": 19},
                        "tokens": {"input_tokens": 540, "output_tokens": 20},
                    },
                },
            },
            "message-end",
        ),
        event("[DONE]"),
    ]
)
CUMULATIVE = b"".join(
    [
        event(
            delta(
                f"w{n}", usage={"prompt_tokens": 46, "completion_tokens": n, "total_tokens": 46 + n}
            )
        )
        for n in range(1, 22)
    ]
    + [event("[DONE]")]
)
GROQ = b"".join(
    [
        event(delta("Hi")),
        event(delta("", "stop", x_groq={"id": "req_1", "usage": USAGE})),
        event("[DONE]"),
    ]
)
CEREBRAS = b"".join(
    [event(delta("Hi")), event(delta("", "stop", usage=USAGE, time_info={"total_time": 0.1}))]
)

STREAMS = {
    "openai": chat_stream(USAGE),
    "no usage": chat_stream(),
    "usage null": chat_stream().replace(b'"choices"', b'"usage": null, "choices"'),
    "compact": chat_stream(USAGE).replace(b": ", b":").replace(b", ", b","),
    "crlf": chat_stream(USAGE).replace(b"\n", b"\r\n"),
    "keep-alive": b": ping\n\n" + chat_stream(USAGE) + b":\n\n",
    "tgi": TGI,
    "responses": RESPONSES,
    "messages": ANTHROPIC,
    "cohere": COHERE,
    "cumulative": CUMULATIVE,
    "groq": GROQ,
    "cerebras": CEREBRAS,
    "no last newline": chat_stream(USAGE).rstrip(b"\n"),
    "error": event(delta("Hi")) + event({"error": "overloaded", "error_type": "overloaded"}),
    "cut off": chat_stream(USAGE)[:200],
    "text of a stream": event(delta('data: [DONE]\n\n "usage": {"prompt_tokens": 9}'))
    + event("[DONE]"),
    "empty": b"",
    "garbage": b"\xff\xfe\ndata: {\n\ndata:\n\n[DONE]\n",
}


def streamed(stream: bytes, url: str = CHAT_URL, body: Any = None, **rest: Any) -> Call:
    asking = asked(url, chat(stream=True) if body is None else body)
    return answered(asking, stream, headers=SSE, **rest)


FACTS: dict[str, dict[str, Any]] = {
    "openai": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "no usage": {"input_tokens": None, "output_tokens": None, "outcome": "ok"},
    "usage null": {"input_tokens": None, "output_tokens": None, "outcome": "ok"},
    "compact": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "crlf": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "keep-alive": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "tgi": {"input_tokens": 7, "output_tokens": 2, "tokens_source": "details", "outcome": "ok"},
    "responses": {"input_tokens": 11, "output_tokens": 5, "reasoning_tokens": 3, "outcome": "ok"},
    "messages": {
        "input_tokens": 100,
        "cache_read_tokens": 90,
        "output_tokens": 15,
        "outcome": "ok",
    },
    "cohere": {"input_tokens": 540, "output_tokens": 20, "outcome": "ok"},
    "cumulative": {"input_tokens": 46, "output_tokens": 21, "outcome": "ok"},
    "groq": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "cerebras": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "no last newline": {"input_tokens": 40, "output_tokens": 2, "outcome": "ok"},
    "error": {"outcome": "error", "error_kind": "overloaded"},
    "cut off": {"outcome": "interrupted", "error_kind": "connection", "input_tokens": None},
    "text of a stream": {"outcome": "ok", "input_tokens": None},
    "empty": {"outcome": "interrupted", "input_tokens": None},
    "garbage": {"outcome": "interrupted", "input_tokens": None},
}


@pytest.mark.parametrize("name", STREAMS)
def test_each_providers_stream_is_read(name: str) -> None:
    call = streamed(STREAMS[name])
    assert call.stream is True
    assert {field: getattr(call, field) for field in FACTS[name]} == FACTS[name]


def pieces(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The stream cut at these places."""
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    for begin, end in pairwise(places):
        yield stream[begin:end]


@pytest.mark.parametrize("name", STREAMS)
@given(cuts=st.lists(st.integers(0, 10**6), max_size=40))
@settings(max_examples=25, deadline=None)
def test_any_pieces_give_the_same_call(name: str, cuts: list[int]) -> None:
    whole = streamed(STREAMS[name])
    assert msgspec.structs.asdict(streamed(b"", chunks=list(pieces(STREAMS[name], cuts)))) == (
        msgspec.structs.asdict(whole)
    )


@pytest.mark.parametrize("name", STREAMS)
def test_single_bytes_give_the_same_call(name: str) -> None:
    single = [STREAMS[name][at : at + 1] for at in range(len(STREAMS[name]))]
    assert streamed(b"", chunks=single) == streamed(STREAMS[name])


@given(before=st.binary(max_size=80), after=st.binary(max_size=80))
def test_garbage_around_events_breaks_nothing(before: bytes, after: bytes) -> None:
    call = streamed(before + b"\n\n" + chat_stream(USAGE) + after)
    assert call.input_tokens == 40


# -- where the stream ends ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "body", "url"),
    [
        (chat_stream(USAGE), None, CHAT_URL),
        (TGI, {"inputs": "x", "stream": True}, f"{ENDPOINT}/generate_stream"),
        (RESPONSES, {"model": "a/b", "input": "x", "stream": True}, f"{ROUTER}/v1/responses"),
        (
            ANTHROPIC,
            {"model": "a/b", "messages": MESSAGES, "stream": True},
            f"{ROUTER}/v1/messages",
        ),
        (
            COHERE,
            {"model": "c", "messages": MESSAGES, "stream": True},
            "https://api.cohere.com/v2/chat",
        ),
    ],
)
def test_the_end_marker_is_seen_as_soon_as_it_comes(stream: bytes, body: Any, url: str) -> None:
    reader = ReplyReader(asked(url, body or chat(stream=True)), 200, SSE, 0, Clock())
    events = [piece + b"\n\n" for piece in stream.split(b"\n\n") if piece]
    for piece in events[:-1]:
        reader.feed(piece)
        assert reader.ended is (piece == events[-2] and b"message-end" in piece)
    reader.feed(events[-1])
    assert reader.ended is True


@pytest.mark.parametrize("reason", ["incomplete", "failed"])
def test_the_responses_api_has_three_ends(reason: str) -> None:
    stream = event({"type": "response.created", "response": {"id": "r"}}) + event(
        {"type": f"response.{reason}", "response": {"id": "r", "status": reason}}
    )
    call = streamed(stream)
    assert call.outcome == ("error" if reason == "failed" else "ok")


@pytest.mark.parametrize(
    ("ending", "outcome", "kind"),
    [
        ("complete", "interrupted", "connection"),
        ("closed", "interrupted", None),
        ("error", "interrupted", "connection"),
        ("cancelled", "cancelled", None),
    ],
)
def test_a_stream_left_in_the_middle(ending: Any, outcome: str, kind: str | None) -> None:
    stream = event(delta("Hi", usage={"prompt_tokens": 46, "completion_tokens": 1}))
    call = streamed(stream, ending=ending)
    assert (call.outcome, call.error_kind) == (outcome, kind)
    assert (call.input_tokens, call.output_tokens) == (46, 1)  # priced on what came


@pytest.mark.parametrize("ending", ["complete", "closed", "error", "cancelled"])
def test_after_the_end_marker_it_does_not_matter_how_it_was_left(ending: Any) -> None:
    """The hub's client stops at `[DONE]` and never reads to the end."""
    assert streamed(chat_stream(USAGE), ending=ending).outcome == "ok"


def test_a_finish_reason_is_an_end_where_there_is_no_marker() -> None:
    assert streamed(CEREBRAS).outcome == "ok"
    assert streamed(event(delta("Hi", None))).outcome == "interrupted"


# -- when the first content comes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent", "spoken"),
    [
        (delta(""), delta("Hi")),
        (
            {"choices": [{"delta": {"role": "assistant"}}]},
            {"choices": [{"delta": {"reasoning_content": "Hm"}}]},
        ),
        ({"choices": []}, {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}),
        (
            {"type": "message_start", "message": {"id": "m"}},
            {"type": "content_block_delta", "delta": {"text": "Hi"}},
        ),
        (
            {"type": "response.created", "response": {}},
            {"type": "response.output_text.delta", "delta": "Hi"},
        ),
        (
            {"type": "ping"},
            {"type": "content-delta", "delta": {"message": {"content": {"text": "Hi"}}}},
        ),
        ({"choices": [{"text": ""}]}, {"choices": [{"text": "Hi"}]}),
        ({"odd": 1}, tgi("Hi", 1)),
        ({"content": ""}, {"content": "Hi", "stop": False}),
    ],
)
def test_the_first_content_is_timed_not_the_first_byte(silent: Any, spoken: Any) -> None:
    clock = Clock()
    reader = ReplyReader(asked(CHAT_URL, chat(stream=True)), 200, SSE, 0, clock)
    clock.tick(100)
    reader.feed(b": keep-alive\n\n")
    reader.feed(event(silent))
    assert reader.call.ttft_ms is None
    clock.tick(50)
    reader.feed(event(spoken))
    clock.tick(850)
    reader.feed(event(spoken) + event("[DONE]"))
    reader.finish("complete")
    assert reader.call.ttft_ms == 100 + 50
    assert reader.call.latency_ms == 100 + 50 + 850


def test_without_content_there_is_no_first_content() -> None:
    assert streamed(event(delta("")) + event("[DONE]")).ttft_ms is None


# -- names, ids, tasks ----------------------------------------------------------------------------


def test_the_first_event_names_the_providers_model_and_id() -> None:
    stream = event(delta("Hi", model="accounts/fireworks/models/llama")) + chat_stream()
    call = streamed(stream)
    assert (call.provider_model, call.provider_request_id) == (
        "accounts/fireworks/models/llama",
        "chatcmpl-1",
    )


@pytest.mark.parametrize(("stream", "identity"), [(RESPONSES, "resp_1"), (ANTHROPIC, "msg_1")])
def test_ids_inside_the_first_event(stream: bytes, identity: str) -> None:
    call = streamed(stream)
    assert (call.provider_request_id, call.provider_model) == (identity, "b")


def test_tokens_one_by_one_are_text_generation() -> None:
    call = streamed(TGI, f"{ROUTER}/hf-inference/models/a/b", {"inputs": "x", "stream": True})
    assert call.task == "text-generation"


def test_a_stream_that_was_not_asked_for_is_one_all_the_same() -> None:
    assert streamed(chat_stream(), CHAT_URL, chat()).stream is True


def test_tgi_without_details_states_no_tokens() -> None:
    call = streamed(event(tgi("x", 1, "x")), f"{ENDPOINT}/generate_stream", {"inputs": "x"})
    assert (call.input_tokens, call.output_tokens, call.outcome) == (None, None, "ok")


def test_tgi_may_end_in_an_empty_text() -> None:
    details = {"finish_reason": "length", "generated_tokens": 1, "seed": None}
    call = streamed(event(tgi(" ", 1, "", details)), f"{ENDPOINT}/generate_stream", {"inputs": "x"})
    assert (call.output_tokens, call.outcome) == (1, "ok")


# -- bounds ---------------------------------------------------------------------------------------


def test_a_line_without_end_is_held_within_bounds() -> None:
    events = Events()
    for _ in range(64):
        events.feed(b"x" * 100_000)
    assert sum(map(len, events._parts)) <= LONGEST_LINE + 100_000
    events.feed(b"\n" + chat_stream(USAGE))
    assert events.ended is True


def test_a_picture_in_an_event_is_passed_over() -> None:
    picture = event({"type": "image", "delta": {"b64": "A" * (3 * LONGEST_LINE)}})
    stream = picture + chat_stream(USAGE)
    cut = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    assert streamed(b"", chunks=cut).input_tokens == 40


def test_what_is_kept_does_not_grow_with_the_stream() -> None:
    events = Events()
    for number in range(5000):
        events.feed(event(delta(f" word{number}", usage=USAGE)))
    kept = [events.first, events.generated, *events._usages, *events._errors, *events._parts]
    assert sum(map(len, kept)) < 2000


def test_payloads_are_the_data_lines() -> None:
    assert payloads(b'event: x\ndata: {"a":1}\ndata:b\n: c\n\nid: 1\n') == [b'{"a":1}', b"b"]


@pytest.mark.parametrize("content_type", [{}, {"content-type": "text/plain; charset=utf-8"}])
def test_a_stream_that_was_asked_for_needs_no_type(content_type: dict[str, str]) -> None:
    call = answered(asked(CHAT_URL, chat(stream=True)), chat_stream(USAGE), headers=content_type)
    assert (call.input_tokens, call.outcome) == (40, "ok")
    failed = answered(asked(CHAT_URL, chat(stream=True)), b"No!", 422, headers=content_type)
    assert (failed.outcome, failed.error_kind) == ("error", "bad_request")


def test_an_answer_in_one_piece_to_a_stream_asked_for() -> None:
    body = {"choices": [{"message": {"content": "x"}}], "usage": USAGE}
    call = answered(asked(CHAT_URL, chat(stream=True)), body)
    assert (call.input_tokens, call.outcome, call.stream) == (40, "ok", True)
