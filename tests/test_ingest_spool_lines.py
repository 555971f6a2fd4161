"""The form of a line: what is written comes back, and what was altered is told."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import pytest
from factories_calls import make_call
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, Line, Noticed, OpenCall, Recorder, RouteSeen
from hf_ledger.ingest.spool.lines import UNENCODABLE, Damaged, damage, decode, encode
from hf_ledger.ingest.wire.exchange import Asked

ID = "0199c8a0-0000-7000-8000-000000000001"

text = st.text(max_size=30)  # hypothesis leaves surrogates out unless asked
whole = st.integers(min_value=0, max_value=2**63 - 1)
times = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Calls whose optional fields come and go."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "app": text,
        "operation": text,
        "requested_model": text,
        "tags": st.dictionaries(text, text, max_size=4),
        "uncached_input_tokens": whole,
        "output_tokens": whole,
        "latency_ms": times,
        "ttft_ms": times,
        "prefix": st.lists(st.integers(min_value=-(2**63), max_value=2**63 - 1), max_size=5),
        "shape": st.dictionaries(text, st.integers(0, 1000) | times, max_size=4),
        "units": st.decimals(0, 10**8, places=9).map(str),
        "stream": st.booleans(),
        "outcome": st.sampled_from(["ok", "error", "interrupted", "cancelled", "refused"]),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    given_fields = {name: draw(optional[name]) for name in sorted(chosen)}
    return Call(call_id=str(draw(st.uuids())), ts=draw(st.integers(0, 2**50)), **given_fields)


lines = st.one_of(
    calls(),
    calls().map(lambda call: OpenCall(call=call)),
    st.builds(RouteSeen, ts=whole, model=text, provider=text, provider_model=text, task=text),
    st.builds(Noticed, ts=whole, counts=st.dictionaries(text, whole, max_size=4)),
    st.builds(Recorder, ts=whole, pid=whole, process_start=text, host=text, version=text, app=text),
)


@given(lines)
def test_what_is_encoded_comes_back(line: Line) -> None:
    assert decode(encode(line)) == line


@given(lines)
def test_a_line_is_one_line_of_json_that_ends_in_its_checksum(line: Line) -> None:
    data = encode(line)
    assert data.count(b"\n") == 1
    assert data.endswith(b'"}\n')
    body = data[: data.rindex(b',"crc"')]
    assert json.loads(data)["crc"] == f"{zlib.crc32(body):08x}"


def test_the_first_field_names_the_kind() -> None:
    assert encode(make_call()).startswith(b'{"kind":"call","call_id":')
    assert encode(OpenCall(call=make_call())).startswith(b'{"kind":"open",')
    assert encode(Noticed(ts=1, counts={})).startswith(b'{"kind":"noticed",')


def test_golden_line() -> None:
    body = b'{"kind":"noticed","ts":5,"counts":{"poll":2}'
    expected = body + b',"crc":"' + b"%08x" % zlib.crc32(body) + b'"}\n'
    assert encode(Noticed(ts=5, counts={"poll": 2})) == expected
    assert expected.endswith(b',"crc":"c7b19fef"}\n')


@given(calls(), st.data())
def test_a_flipped_bit_is_noticed(call: Call, data: st.DataObject) -> None:
    good = encode(call)[:-1]
    at = data.draw(st.integers(0, len(good) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    bad = good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :]
    assert damage(good) is None
    assert damage(bad) in ("no checksum", "checksum does not match")


@given(calls(), st.data())
def test_a_torn_line_is_noticed(call: Call, data: st.DataObject) -> None:
    good = encode(call)[:-1]
    torn = good[: data.draw(st.integers(0, len(good) - 1))]
    assert damage(torn) == "no checksum"
    with pytest.raises(Damaged, match="no checksum"):
        decode(torn)


@given(calls(), calls(), st.data())
def test_two_lines_run_together_are_no_line(one: Call, two: Call, data: st.DataObject) -> None:
    first = encode(one)[:-1]
    torn = first[: data.draw(st.integers(1, len(first)))]
    assert damage(torn + encode(two)[:-1]) == "checksum does not match"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.001, -5.0])
@pytest.mark.parametrize("name", ["latency_ms", "ttft_ms", "compute_seconds", "audio_seconds"])
def test_impossible_times_become_unknown(name: str, value: float) -> None:
    back = decode(encode(make_call(**{name: value})))
    assert isinstance(back, Call)
    assert getattr(back, name) is None
    assert back.output_tokens == 20  # all else stays


def test_impossible_times_of_an_open_call_become_unknown_too() -> None:
    back = decode(encode(OpenCall(call=make_call(latency_ms=math.nan, ttft_ms=3.5))))
    assert isinstance(back, OpenCall)
    assert (back.call.latency_ms, back.call.ttft_ms) == (None, 3.5)


def test_the_doors_own_kind_of_call_is_made_sane_too() -> None:
    asked = Asked(call_id="a", ts=1, latency_ms=-1.0, ttft_ms=math.nan, compute_seconds=2.0)
    assert decode(encode(asked)) == Call(call_id="a", ts=1, compute_seconds=2.0)


def test_features_that_are_no_number_are_left_out() -> None:
    back = decode(encode(make_call(shape={"lines": 3, "ratio": math.nan, "depth": math.inf})))
    assert isinstance(back, Call)
    assert back.shape == {"lines": 3}


def test_zero_is_a_time_and_stays() -> None:
    back = decode(encode(make_call(latency_ms=0.0, compute_seconds=0.0)))
    assert isinstance(back, Call)
    assert (back.latency_ms, back.compute_seconds) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),  # a pair is a character after all
        ("plain", "plain"),
    ],
)
def test_lone_surrogates_are_replaced_everywhere(dirty: str, clean: str) -> None:
    back = decode(encode(make_call(operation=dirty, app="x\ud800", tags={dirty: dirty})))
    assert isinstance(back, Call)
    assert back.operation == clean
    assert back.tags == {clean: clean}
    assert back.app == "x\ufffd"


@given(st.text(st.characters(), max_size=20))
def test_any_string_python_holds_can_be_kept(anything: str) -> None:
    back = decode(encode(make_call(operation=anything)))
    assert isinstance(back, Call)
    assert back.operation is not None
    # What has no lone surrogate is kept to the letter.
    if anything.isprintable():
        assert back.operation == anything


@pytest.mark.parametrize("tags", [{"a": object()}, {("a", "b"): "c"}])
def test_what_json_has_no_form_for_raises_one_of_the_named_errors(tags: dict[Any, Any]) -> None:
    with pytest.raises(UNENCODABLE):
        encode(make_call(tags=tags))


def test_a_line_of_an_unknown_kind_is_damaged_and_its_content_stays_out_of_the_message() -> None:
    body = b'{"kind":"secret-kind","text":"secret"'
    line = body + b',"crc":"%08x"}' % zlib.crc32(body)
    assert damage(line) is None
    with pytest.raises(Damaged) as caught:
        decode(line)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_fields_of_a_later_version_are_ignored() -> None:
    body = b'{"kind":"call","call_id":"%b","ts":7,"from_the_future":[1,2]' % ID.encode()
    line = body + b',"crc":"%08x"}\n' % zlib.crc32(body)
    assert decode(line) == Call(call_id=ID, ts=7)
