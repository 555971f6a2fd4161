"""The added usage chunk is taken out of a stream, wherever the network cuts it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.usage_events import LONGEST, WithoutUsage, is_usage_only


def event(said: object, end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(said).encode() + end


USAGE = event({"id": "1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
WORDS = [event({"choices": [{"delta": {"content": word}}], "usage": None}) for word in "abc"]
DONE = b"data: [DONE]\n\n"


def through(stream: bytes, cuts: list[int]) -> bytes:
    """The stream in pieces that end at these places."""
    without, shown, begin = WithoutUsage(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        shown.append(without.feed(stream[begin:cut]))
        begin = cut
    return b"".join([*shown, without.close()])


@given(st.lists(st.integers(0, 400), max_size=12))
def test_only_the_usage_chunk_is_missing(cuts: list[int]) -> None:
    stream = b"".join([*WORDS, USAGE, DONE])
    assert through(stream, [min(cut, len(stream)) for cut in cuts]) == b"".join([*WORDS, DONE])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_any_other_bytes_go_through(stream: bytes, cuts: list[int]) -> None:
    assert through(stream, [min(cut, len(stream)) for cut in cuts]) == stream


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_each_way_to_end_an_event(end: bytes) -> None:
    usage = event({"choices": [], "usage": {"prompt_tokens": 3}}, end)
    word = event({"choices": [{"delta": {}}]}, end)
    assert through(word + usage + word, []) == word + word


@pytest.mark.parametrize(
    "kept",
    [
        event({"choices": [], "usage": None}),
        event({"choices": [], "error": "x"}),
        event({"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}),
        event({"usage": {"prompt_tokens": 3}}),
        b": a comment\n\n",
        b'data: {"choices":[], "usage": {\n\n',
    ],
)
def test_what_says_anything_else_is_no_usage_chunk(kept: bytes) -> None:
    assert not is_usage_only(kept)
    assert through(kept, []) == kept


def test_a_usage_chunk_without_an_end_is_taken_out_too() -> None:
    assert through(WORDS[0] + USAGE.rstrip(), []) == WORDS[0]


def test_a_long_event_is_not_held_back() -> None:
    without = WithoutUsage()
    assert without.feed(b"data: " + b"x" * LONGEST) == b"data: " + b"x" * LONGEST
    assert without.feed(b"tail\n\n" + USAGE + DONE) == b"tail\n\n" + DONE


def test_whole_events_are_sent_on_at_once() -> None:
    without = WithoutUsage()
    assert without.feed(WORDS[0] + WORDS[1][:9]) == WORDS[0]
    assert without.feed(WORDS[1][9:]) == WORDS[1]
