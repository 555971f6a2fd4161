"""Tokens nobody stated: estimated by script, marked as such, and never where they were stated."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from factories_wire import (
    CHAT_URL,
    ENDPOINT,
    JSON,
    MESSAGES,
    ROUTER,
    SSE,
    Clock,
    asked,
    chat,
    chat_stream,
    completion,
    delta,
    event,
    packed,
)
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.wire import estimate
from hf_ledger.ingest.wire.events import MOST_COUNTED
from hf_ledger.ingest.wire.exchange import Ending
from hf_ledger.ingest.wire.reply import ReplyReader

RATIOS = Path(estimate.__file__).resolve().parents[2] / "data" / "token_ratios.csv"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "wire.md"
ENGLISH = "The quick brown fox jumps over the lazy dog, and nobody minds at all. " * 20


def read(
    reply: Any, body: Any = None, url: str = CHAT_URL, ending: Ending = "complete", **rest: Any
) -> Call:
    """An exchange read to its end, with estimates."""
    sent = body if body is not None else chat(stream=isinstance(reply, bytes))
    call = asked(url, sent)
    headers = SSE if isinstance(reply, bytes) else JSON
    reader = ReplyReader(call, rest.get("status", 200), headers, 0, Clock())
    reader.feed(packed(reply) or b"")
    reader.finish(ending)
    reader.estimate(packed(sent))
    return call


def counts(call: Call) -> tuple[int | None, int | None, str]:
    return call.input_tokens, call.output_tokens, call.tokens_source


def test_the_ratios_are_those_that_ship_and_are_documented() -> None:
    with RATIOS.open(encoding="utf-8") as file:
        shipped = list(csv.DictReader(file))
    assert [
        (
            row["script"],
            int(row["first_byte"]),
            int(row["last_byte"]),
            float(row["tokens_per_char"]),
        )
        for row in shipped
    ] == [tuple(script) for script in estimate.SCRIPTS]
    document = DOCUMENT.read_text(encoding="utf-8")
    for script in estimate.SCRIPTS:
        assert f"| {script.name} | {script.tokens_per_char} |" in document
    assert f"{estimate.TOKENS_PER_MESSAGE} tokens a message" in document


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (ENGLISH, 300, 360),  # 1,400 characters; tokenizers say 310 to 330
        ("Глубокое обучение — раздел машинного обучения", 13, 21),
        ("深度学习是机器学习的一个分支", 8, 14),
        ("ディープラーニングは機械学習の一種です", 9, 15),
        ("딥러닝은 기계 학습의 한 분야이다", 9, 16),
        ("", 0, 0),
        ("a", 1, 1),
    ],
    ids=["english", "russian", "chinese", "japanese", "korean", "nothing", "a letter"],
)
def test_a_text_has_about_as_many_tokens_as_tokenizers_say(
    text: str, least: int, most: int
) -> None:
    assert least <= estimate.tokens_of([text]) <= most


@given(st.lists(st.text(max_size=40), max_size=5))
def test_more_text_is_never_fewer_tokens(texts: list[str]) -> None:
    for upto in range(len(texts)):
        assert estimate.tokens_of(texts[:upto]) <= estimate.tokens_of(texts)


def test_a_reply_without_usage_is_estimated_and_marked() -> None:
    call = read(completion(None))
    # 22 characters asked in one message, 35 answered
    assert counts(call) == (round(22 * 0.24) + 6, round(35 * 0.24), "estimated")


def test_what_is_stated_stays() -> None:
    call = read(completion({"prompt_tokens": 40, "completion_tokens": 2}))
    assert counts(call) == (40, 2, "usage")


def test_a_stream_without_usage_is_counted_from_what_it_said() -> None:
    call = read(chat_stream(None, words=50))
    assert call.tokens_source == "estimated"
    assert call.output_tokens == round(sum(len(f" word{n}") for n in range(50)) * 0.24)


def test_an_interrupted_stream_is_costed_on_what_came() -> None:
    whole, half = (read(event(delta(ENGLISH)) * n, ending="closed") for n in (2, 1))
    assert whole.outcome == half.outcome == "interrupted"
    assert whole.output_tokens == pytest.approx(2 * (half.output_tokens or 0), abs=1)
    assert half.tokens_source == "estimated"


@pytest.mark.parametrize("at_once", [1, 1000])
def test_a_stream_too_long_to_keep_is_taken_for_like_its_beginning(at_once: int) -> None:
    word = event(delta(ENGLISH))
    times = (3 * MOST_COUNTED // len(word)) // at_once * at_once
    sent = chat(stream=True)
    reader = ReplyReader(asked(CHAT_URL, sent), 200, SSE, 0, Clock())
    for _ in range(times // at_once):
        reader.feed(word * at_once)
    reader.finish("closed")
    reader.estimate(packed(sent))
    assert reader.call.output_tokens == pytest.approx(times * len(ENGLISH) * 0.24, rel=0.01)


def test_nothing_came_and_nothing_is_made_up() -> None:
    opening = event({"id": "x", "choices": [{"delta": {"role": "assistant"}}]})
    assert counts(read(opening, ending="closed")) == (None, None, "none")


def test_cumulative_usage_of_a_stream_that_broke_off_is_the_last_one() -> None:
    usages = [{"prompt_tokens": 40, "completion_tokens": n} for n in (1, 2, 3)]
    body = b"".join(event(delta(ENGLISH, usage=usage)) for usage in usages)
    assert counts(read(body, ending="error")) == (40, 3, "usage")


def test_anthropics_first_event_is_not_the_output_of_a_stream_that_broke_off() -> None:
    begun = {"id": "m", "model": "a/b", "usage": {"input_tokens": 7, "output_tokens": 1}}
    said = {"type": "text_delta", "text": ENGLISH}
    body = event({"type": "message_start", "message": begun}) + event(
        {"type": "content_block_delta", "delta": said}
    )
    asked_for = {"model": "a/b", "messages": MESSAGES, "stream": True, "max_tokens": 9000}
    call = read(body, asked_for, f"{ROUTER}/v1/messages", "error")
    assert counts(call) == (7, round(len(ENGLISH) * 0.24), "estimated")


def test_no_output_is_estimated_beyond_what_was_allowed() -> None:
    call = read(event(delta(ENGLISH)), chat(stream=True, max_tokens=20), ending="closed")
    assert call.output_tokens == 20


def test_tgi_sends_token_by_token() -> None:
    tokens = [{"token": {"id": n, "text": "word"}, "generated_text": None} for n in range(7)]
    tokens[-1]["generated_text"] = "word " * 7
    body = b"".join(map(event, tokens))
    call = read(body, {"inputs": "x" * 100}, f"{ENDPOINT}/generate_stream")
    assert counts(call) == (24, 7, "estimated")


def test_an_embedding_has_no_output() -> None:
    url = f"{ROUTER}/nebius/v1/embeddings"
    call = read({"data": [{"embedding": [0.1]}]}, {"model": "m", "input": ["x" * 100, "y"]}, url)
    assert counts(call) == (24, None, "estimated")


@pytest.mark.parametrize(
    "body",
    [
        chat(tools=[{"type": "function", "function": {"name": "f", "description": ENGLISH}}]),
        {"model": "m", "messages": [{"role": "system", "content": ENGLISH}, *MESSAGES]},
        {
            "model": "m",
            "messages": [{"role": "user", "content": [{"type": "text", "text": ENGLISH}]}],
        },
    ],
    ids=["tools", "system", "parts"],
)
def test_all_that_the_model_reads_counts(body: Any) -> None:
    assert (read(completion(None), body).input_tokens or 0) > len(ENGLISH) * 0.24


PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}


@pytest.mark.parametrize(
    ("reply", "body", "url", "status"),
    [
        (completion(None), chat(messages=[{"role": "user", "content": [PICTURE]}]), CHAT_URL, 200),
        (completion(None), b"not json", CHAT_URL, 200),
        ({"error": "overloaded"}, None, CHAT_URL, 200),
        ({"error": "x"}, None, CHAT_URL, 503),
        ([[{"label": "x", "score": 1}]], {"inputs": "x"}, f"{ENDPOINT}/predict", 200),
        (completion(None, choices=[]), None, CHAT_URL, 200),
    ],
    ids=["picture", "unreadable", "error-inside", "error", "other-task", "empty"],
)
def test_what_can_not_be_known_stays_unknown(reply: Any, body: Any, url: str, status: int) -> None:
    assert counts(read(reply, body, url, status=status)) == (None, None, "none")


def test_a_broken_reply_that_is_no_stream_stays_unknown() -> None:
    sent = chat()
    reader = ReplyReader(asked(CHAT_URL, sent), 200, JSON, 0, Clock())
    reader.feed(json.dumps(completion(None)).encode()[:60])
    reader.finish("error")
    reader.estimate(packed(sent))
    assert counts(reader.call) == (None, None, "none")
