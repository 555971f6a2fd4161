"""A streamed answer as one text: however its bytes are cut, and within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories_calls import make_call
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.replays.joining import Joined
from hf_ledger.ingest.doors.replays.tap import Tap

MOST = 1000


def stream(*deltas: dict[str, Any], end: bytes = b"\n\n") -> bytes:
    """Chunks of a chat, a comment between them, and the end marker."""
    chunks = [json.dumps({"choices": [{"index": 0, "delta": each}]}).encode() for each in deltas]
    usage = b'{"choices":[],"usage":{"prompt_tokens":1}}'
    return b": hi\n\n" + b"".join(b"data: " + each + end for each in (*chunks, usage, b"[DONE]"))


def joined(data: bytes, most: int = MOST) -> bytes:
    made = Joined(most)
    made.feed(data)
    return made.answer()


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    cuts=st.lists(st.integers(1, 40)),
    end=st.sampled_from([b"\n\n", b"\r\n\r\n"]),
)
def test_the_text_is_the_same_however_its_bytes_are_cut(
    texts: list[str], cuts: list[int], end: bytes
) -> None:
    rest, made = stream(*({"content": text} for text in texts), end=end), Joined(10_000)
    for cut in cuts:
        made.feed(rest[:cut])
        rest = rest[cut:]
    made.feed(rest)
    assert made.answer() == "".join(texts).encode()


def test_calls_of_tools_come_in_pieces_and_are_compared_whole() -> None:
    first = {"index": 0, "id": "a", "function": {"name": "look", "arguments": '{"at":'}}
    second = {"index": 0, "function": {"arguments": " 1}"}}
    other = {"index": 1, "function": {"name": "wait", "arguments": "{}"}}
    data = stream({"tool_calls": [first]}, {"tool_calls": [second, other]})
    assert json.loads(joined(data)) == [
        {"name": "look", "arguments": {"at": 1}},
        {"name": "wait", "arguments": {}},
    ]


def test_of_several_choices_the_first_counts() -> None:
    chunk = {"choices": [{"index": 1, "text": "no"}, {"index": 0, "text": "yes"}]}
    assert joined(b"data:" + json.dumps(chunk).encode() + b"\n\n") == b"yes"


@pytest.mark.parametrize("data", [b"data: {\n\n", b'data: {"choices": 3}\n\n', b"data: \xff\n\n"])
def test_what_is_no_stream_of_a_chat_gives_nothing(data: bytes) -> None:
    assert joined(stream({"content": "yes"}) + data) == b""


def test_a_longer_text_is_too_large_and_forgotten() -> None:
    said = {"content": "x" * 100}
    assert len(joined(stream(*[said] * 10))) == MOST
    assert joined(stream(*[said] * 11)) == b""
    assert joined(b"data: " + b"x" * 2 * MOST) == b""


def test_a_reply_that_is_none_of_what_it_says_gives_nothing() -> None:
    taken: list[bytes] = []
    for kind, streamed in (("application/json", True), ("text/event-stream", False)):
        tap = Tap(lambda outcome, reply: taken.append(reply))
        tap.opened(kind, None)
        tap.feed(b"{}")
        tap.over(Outcome(make_call(stream=streamed), status=200))
    assert taken == [b"", b""]
