"""The two changes to a body: nothing else in it moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.edits import bounded

CHAT = "/v1/chat/completions"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def changed(path: str, said: dict[str, Any], most: int = 7) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bounded(path, json.dumps(said).encode(), most).body)
    return found


def test_a_limit_is_set_where_there_is_none() -> None:
    assert changed(CHAT, {"model": "m"}) == {"model": "m", "max_tokens": 7}
    assert changed(CHAT, {"model": "m", "max_tokens": None})["max_tokens"] == 7
    assert changed("/v1/responses", {"input": "x"}) == {"input": "x", "max_output_tokens": 7}
    assert changed("/together/v1/completions", {"prompt": "x"})["max_tokens"] == 7


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_body_with_a_limit_is_sent_as_it_is(name: str) -> None:
    body = b'{ "model":"m" , "%b": 3 }' % name.encode()
    assert bounded(CHAT, body, 7) == (body, False)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/messages", "/hf-inference/models/x"])
def test_other_paths_are_left_alone(path: str) -> None:
    assert bounded(path, b'{"model":"m"}', 7) == (b'{"model":"m"}', False)


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff\x00", b'{"a":}'])
def test_what_is_no_object_is_left_alone(body: bytes) -> None:
    assert bounded(CHAT, body, 7) == (body, False)


def test_a_stream_is_asked_for_its_usage() -> None:
    edited = bounded(CHAT, b'{"stream":true,"max_tokens":3}', 7)
    assert json.loads(edited.body)["stream_options"] == {"include_usage": True}
    assert edited.adds_usage


def test_other_stream_options_are_kept() -> None:
    said = {"stream": True, "stream_options": {"include_usage": False, "other": 1}}
    assert changed(CHAT, said)["stream_options"] == {"include_usage": True, "other": 1}


def test_a_client_that_asks_for_usage_gets_it() -> None:
    body = b'{"stream":true,"stream_options":{"include_usage":true},"max_tokens":3}'
    assert bounded(CHAT, body, 7) == (body, False)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_everything_else_means_what_it_meant(said: dict[str, Any]) -> None:
    after = changed(CHAT, said)
    for name in {*said, *after} - {"max_tokens", "stream_options"}:
        assert after[name] == said[name]


def test_numbers_keep_their_spelling() -> None:
    body = b'{"temperature": 0.10000000000000000001, "seed": 18446744073709551616}'
    edited = bounded(CHAT, body, 7).body
    assert b"0.10000000000000000001" in edited
    assert b"18446744073709551616" in edited
