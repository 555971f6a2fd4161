"""Tolerant JSON: what is there, what is not, and what is nonsense."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.wire import raw

ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def of(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("value", "text", "count", "stated"),
    [
        ("abc", "abc", None, True),
        ("", "", None, False),
        (5, None, 5, True),
        (0, None, 0, True),
        (5.0, None, 5, True),
        (5.5, None, None, True),
        (-5, None, None, True),
        (True, None, None, True),
        (False, None, None, False),
        (None, None, None, False),
        ([], None, None, False),
        ({}, None, None, False),
        ([1], None, None, True),
        ({"a": 1}, None, None, True),
        (2**60, None, None, True),
    ],
)
def test_values_by_kind(value: Any, text: str | None, count: int | None, stated: bool) -> None:
    assert raw.text(of(value)) == text
    assert raw.count(of(value)) == count
    assert raw.stated(of(value)) is stated


def test_what_is_not_there_is_nothing() -> None:
    assert raw.text(raw.NOTHING) is None
    assert raw.count(raw.NOTHING) is None
    assert raw.number(raw.NOTHING) is None
    assert raw.stated(raw.NOTHING) is False
    assert raw.start(raw.NOTHING) == b""
    assert raw.items(raw.NOTHING) == []
    assert raw.fields(raw.NOTHING) == {}


@pytest.mark.parametrize(
    "body", [b"\xff", b"{", b"[1,", b"nul", b"[" * 100_000, b'{"a":' * 100_000, b"1e999", b'"\xff"']
)
def test_broken_json_is_nothing(body: bytes) -> None:
    assert raw.decode(ANY, body) is None
    assert raw.items(body) == []
    assert raw.fields(body) == {}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\ud83d","b":1}',
        b'{"a":"\\udc00","b":1}',
        b'{"a":"\\ud83d\\ud83d\\ude00","b":1}',
        b'{"a":"\\uDBFFx","b":1}',
    ],
)
def test_half_a_surrogate_pair_does_not_hide_the_rest(body: bytes) -> None:
    found = raw.decode(ANY, body)
    assert found["b"] == 1
    assert "\ufffd" in found["a"]


def test_a_whole_pair_is_left_alone() -> None:
    assert raw.decode(ANY, b'["\\ud83d\\ude00","\\ud83d"]') == ["\U0001f600", "\ufffd"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_items_and_fields_are_those_of_the_value(value: Any) -> None:
    body = json.dumps(value).encode()
    items = [raw.decode(ANY, each) for each in raw.items(body)]
    fields = {name: raw.decode(ANY, each) for name, each in raw.fields(body).items()}
    assert items == (value if isinstance(value, list) else [])
    assert fields == (value if isinstance(value, dict) else {})


@given(st.binary(max_size=100))
def test_any_bytes_can_be_looked_at(body: bytes) -> None:
    value = msgspec.Raw(body)
    assert len(raw.start(value)) <= 1
    assert raw.text(value) is None or isinstance(raw.text(value), str)
    count = raw.count(value)
    assert count is None or 0 <= count <= raw.LARGEST
