"""Placeholders in the very bytes that were sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.compliance.detectors import (
    Detectors,
    suspicious,
    suspicious_json,
)
from hf_ledger.ingest.doors.gateway.compliance.masking import Unmaskable
from hf_ledger.ingest.doors.gateway.compliance.pieces import Piece, decoded, pieces, places
from hf_ledger.ingest.doors.gateway.compliance.screening import (
    is_media,
    readable,
    screened,
    without_findings,
)
from tests.factories_compliance import VALID, WORDED, asked_of, plain_text

DETECTORS = Detectors()

SOMETHING = st.one_of(
    st.sampled_from([value for _, value in VALID]),
    st.sampled_from([" ".join(each) for each in WORDED]),
    st.text(max_size=30),
    st.sampled_from(["[card-1]", '"', "\\", "\n", "😀", "4111", "-", " ", "@", "\u00a0", "ssn"]),
)
TEXTS = st.lists(SOMETHING, max_size=8).map(" ".join) | st.lists(SOMETHING, max_size=5).map("".join)


def masked(body: bytes | str) -> bytes:
    return without_findings(body.encode() if isinstance(body, str) else body, DETECTORS).body


def test_only_the_values_change() -> None:
    body = '{ "inputs":\t"Pay 4111 1111 1111 1111 to a@example.org\\n",  "x": 1.50, "é": "\\u00e9"}'
    assert masked(body).decode() == (
        '{ "inputs":\t"Pay [card-1] to [email-1]\\n",  "x": 1.50, "é": "\\u00e9"}'
    )


def test_the_same_value_has_the_same_number_however_it_is_written() -> None:
    texts = ["4111 1111 1111 1111", "5555555555554444", "4111-1111-1111-1111", "4111111111111111"]
    made = json.loads(masked(json.dumps(asked_of(*texts))))
    said = [message["content"] for message in made["messages"]]
    assert said == ["[card-1]", "[card-2]", "[card-1]", "[card-1]"]


@pytest.mark.parametrize(
    "raw",
    [
        "a\\u0040example.org",
        "\\u0061@example.org",
        "\\n\\ud83d\\ude00 a@example.org\\t\\\\",
        "\\ud83d a@example.org \\ude00",
        "\\/\\/a@example.org\\/",
        '\\"a@example.org\\"',
    ],
)
def test_escapes_hide_nothing_and_survive(raw: str) -> None:
    made = masked(f'{{"inputs":"{raw}"}}').decode()
    before, after = (json.loads(f'"{each}"') for each in (raw, made[11:-2]))
    assert after == before.replace("a@example.org", "[email-1]")
    start, _, end = made[11:-2].partition("[email-1]")
    assert raw.startswith(start)
    assert raw.endswith(end)


@pytest.mark.parametrize("value", [value for _, value in VALID])
@pytest.mark.parametrize("before", ["\n", "\t", "\\", "/", '"', "\u00a0", "ü "])
def test_nothing_hides_behind_an_escape(value: str, before: str) -> None:
    for ascii_only in (True, False):
        body = json.dumps({"inputs": f"a{before}{value}"}, ensure_ascii=ascii_only).encode()
        assert screened(body, DETECTORS).counts, (value, before)


@given(TEXTS)
def test_what_is_found_in_a_text_is_found_in_its_json(text: str) -> None:
    if suspicious(text):
        assert suspicious_json(json.dumps(text))
        assert suspicious_json(json.dumps(text, ensure_ascii=False))


def test_digits_written_as_escapes_and_a_slash() -> None:
    digits = "".join(f"\\u{ord(digit):04x}" for digit in "4111111111111111")
    assert masked(f'{{"inputs":"{digits}"}}') == b'{"inputs":"[card-1]"}'
    wide = "".join(f"\\uff{0x10 + int(digit):02x}" for digit in "4111111111111111")
    assert masked(f'["{wide}"]') == b'["[card-1]"]'


def test_a_name_given_twice_is_seen_twice() -> None:
    body = '{"inputs": "4111111111111111", "inputs": "nothing"}'
    assert masked(body) == b'{"inputs": "[card-1]", "inputs": "nothing"}'


@pytest.mark.parametrize(
    "body",
    [
        '{"inputs": {"card": 4111111111111111}}',
        '{"inputs": {"a@example.org": "x"}}',
        '{"ssn": 536904399}',
    ],
)
def test_names_and_numbers_cannot_be_masked(body: str) -> None:
    assert screened(body.encode(), DETECTORS).counts
    with pytest.raises(Unmaskable):
        masked(body)


def test_a_name_says_what_its_value_is() -> None:
    assert masked('{"ssn": "536-90-4399", "id": "536-90-4399"}') == (
        b'{"ssn": "[national-id-1]", "id": "536-90-4399"}'
    )
    assert masked('{"ssn": ["x", "536-90-4399"]}') == b'{"ssn": ["x", "536-90-4399"]}'


def test_parts_of_numbers_and_floats_are_no_numbers_of_their_own() -> None:
    body = b'{"a": 0.4111111111111111, "b": 4111111111111111.5, "c": 4111111111111111e2}'
    assert screened(body, DETECTORS).counts == {}


def test_a_word_brought_nearer_by_a_placeholder_is_seen_in_a_further_round() -> None:
    token = "hf_" + "Ab1" * 20
    once = masked(json.dumps({"inputs": f"ssn {token} 536-90-4399"}))
    assert once == b'{"inputs": "ssn [token-1] [national-id-1]"}'


def test_pictures_are_not_text() -> None:
    picture = "data:image/png;base64," + "a/4111111111111111/" * 400 + "aa=="
    assert is_media(picture)
    assert screened(json.dumps({"image": picture}).encode(), DETECTORS).counts == {}
    text = picture + " 4111111111111111"
    assert not is_media(text)
    assert screened(json.dumps({"image": text}).encode(), DETECTORS).counts["card"] > 1
    assert not is_media("4111111111111111")


def test_what_is_readable() -> None:
    assert readable(b"", None)
    assert readable(b"{}", {})
    assert readable(b' ["a"]', None)
    assert readable(b'"a"', None)
    for body in (b"\xff\xd8\xff", b"--boundary\r\n", b"a=b", b"[1", b'["\xff"]'):
        assert not readable(body, None), body
    assert not readable(b'{"a": "\xff"}', {"a": "?"})


# -- laws ------------------------------------------------------------------------------------------


def without(value: Any) -> Any:
    """The same JSON with every string empty: its shape and its numbers."""
    if isinstance(value, dict):
        return {name: without(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without(each) for each in value]
    return "" if isinstance(value, str) else value


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.booleans(), st.sampled_from([None, 2]))
def test_masking(texts: list[str], ascii_only: bool, indent: int | None) -> None:
    asked = asked_of(*texts, temperature=0.7, stop=["\n"])
    text = json.dumps(asked, ensure_ascii=ascii_only, indent=indent)
    body = text.encode("utf-8", "surrogatepass")
    if not readable(body, asked):
        return
    once = without_findings(body, DETECTORS)
    assert screened(once.body, DETECTORS).counts == {}, "nothing is found any more"
    assert without_findings(once.body, DETECTORS).body == once.body, "twice is once"
    assert without(json.loads(once.body)) == without(asked), "only strings differ"
    assert once.counts or once.body == body, "without findings nothing differs"
    assert_pieces_kept(body, once.body)


def assert_pieces_kept(body: bytes, made: bytes) -> None:
    """All between the strings, and each string in which nothing was found, is as it was sent."""
    before, after = body.decode(), made.decode()
    was, now = list(pieces(before)), list(pieces(after))
    assert between(before, was) == between(after, now)
    for old, new in zip(was, now, strict=True):
        if not DETECTORS.find(old.text, old.name):
            assert old.raw == new.raw


def between(text: str, found: list[Piece]) -> list[str]:
    ends = [0, *(piece.end for piece in found)]
    starts = [*(piece.start for piece in found), len(text)]
    return [text[end:start] for end, start in zip(ends, starts, strict=True)]


@given(st.text())
def test_a_place_in_what_is_said_has_one_where_it_is_written(text: str) -> None:
    raw = json.dumps(text)[1:-1]
    place = places(raw)
    assert decoded(raw) == text
    assert place(len(text)) == len(raw)
    for i in range(len(text)):
        assert decoded(raw[place(i) : place(i + 1)]) == text[i]


@given(
    st.recursive(
        st.text() | st.integers() | st.floats(allow_nan=False) | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_all_strings_are_walked(value: Any) -> None:
    text = json.dumps(value)
    found = [each.text for each in pieces(text) if text[each.start - 1 : each.start] == '"']
    assert sorted(strings(value)) == sorted(found)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [s for pair in value.items() for each in pair for s in strings(each)]
    if isinstance(value, list):
        return [s for each in value for s in strings(each)]
    return [value] if isinstance(value, str) else []


def test_long_text_is_masked_where_it_must_be() -> None:
    text = plain_text(3, 500) + " a@example.org " + plain_text(4, 500)
    made = json.loads(masked(json.dumps({"inputs": text})))["inputs"]
    assert "[email-1]" in made
    assert made.count("[email") == 1
    assert len(made) > len(text) - 200
