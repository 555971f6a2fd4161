"""A posted batch: good lines are taken, bad ones listed by position, nothing quoted."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from factories_api import batch, posted
from factories_imports import MARKER, MIDNIGHT
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, Line, Noticed, OpenCall, Recorder, RouteSeen
from hf_ledger.ingest.doors.api.batches import (
    DAY_US,
    LARGEST_COUNT,
    LONGEST_TEXT,
    Refused,
    read_batch,
    read_line,
)
from hf_ledger.ingest.spool.lines import encode

NOW = MIDNIGHT + DAY_US


def reasons(body: bytes) -> list[tuple[int | str, int | str]]:
    return [(each["line"], each["reason"]) for each in read_batch(body, "k", NOW).rejected]


def refused(**changes: Any) -> str:
    with pytest.raises(Refused) as said:
        read_line(encode(posted(**changes)).strip(), NOW)
    return str(said.value)


def plain(**changes: Any) -> bytes:
    """A line as a program of one's own writes it: JSON without a checksum."""
    said = json.loads(msgspec.json.encode(posted()))
    return json.dumps({**said, **changes}).encode()


def test_lines_of_a_segment_are_taken_as_they_are() -> None:
    calls = [posted(1), posted(2, outcome="error", status=503)]
    found = read_batch(batch(*calls), "k1", NOW)
    assert found.lines == [msgspec.structs.replace(call, key_id="k1") for call in calls]
    assert (found.calls, found.ignored, found.rejected) == (2, 0, [])


def test_a_line_needs_no_checksum() -> None:
    assert read_batch(plain() + b"\n" + plain(), "k", NOW).calls == 2


def test_a_batch_may_be_an_array() -> None:
    body = b"[" + plain() + b", " + plain(call_id="x") + b"]"
    found = read_batch(body, "k", NOW)
    assert (found.calls, found.rejected) == (1, [{"line": 2, "reason": "call_id is no UUID"}])


@pytest.mark.parametrize("body", [b"[", b"[{]", b'[{"kind": "call"', b"[\xff]"])
def test_an_array_that_is_cut_off_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Refused, match="no JSON array, or is cut off"):
        read_batch(body, "k", NOW)


@pytest.mark.parametrize("body", [b"", b"\n\n", b"[]", b"  "])
def test_an_empty_batch_is_fine(body: bytes) -> None:
    found = read_batch(body, "k", NOW)
    assert (found.lines, found.rejected) == ([], [])


def test_the_key_is_the_servers_to_say() -> None:
    (line,) = read_batch(plain(key_id="somebody-else"), "k1", NOW).lines
    assert isinstance(line, Call)
    assert line.key_id == "k1"


def test_other_kinds_of_lines() -> None:
    """What was noticed and learned counts; what belongs to the host's own process does not."""
    lines: list[Line] = [
        Recorder(ts=MIDNIGHT, pid=1, process_start="a", host="h", version="1"),
        OpenCall(call=posted(1)),
        Noticed(ts=MIDNIGHT, counts={"mapping": 3}),
        RouteSeen(ts=MIDNIGHT, model="a/b", provider="groq", provider_model="b"),
        posted(1),
    ]
    found = read_batch(b"".join(map(encode, lines)), "k", NOW)
    assert [type(line) for line in found.lines] == [Noticed, RouteSeen, Call]
    assert (found.ignored, found.calls) == (2, 1)


def test_bad_lines_are_listed_by_position() -> None:
    good = encode(posted(1))
    flipped = bytearray(encode(posted(2)))
    flipped[20] ^= 1
    body = b"".join([good, b"{broken " + MARKER.encode() + b"\n", bytes(flipped), b"\n", good])
    assert reasons(body) == [(2, "not JSON, or cut off"), (3, "checksum does not match")]
    assert read_batch(body, "k", NOW).calls == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ts": "noon"}, "not a line of a call: wrong at $.ts"),
        ({"outcome": MARKER}, "not a line of a call: wrong at $.outcome"),
        ({"tags": {"a": 1}}, "not a line of a call: wrong at $.tags[...]"),
        ({"kind": MARKER}, "not a line of a call: wrong at $.kind"),
        ({"output_tokens": 1.5}, "not a line of a call: wrong at $.output_tokens"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named_and_not_quoted(
    changes: dict[str, Any], reason: str
) -> None:
    assert reasons(plain(**changes)) == [(1, reason)]


def test_a_missing_field_is_said() -> None:
    assert reasons(b'{"kind": "call", "ts": 1}') == [
        (1, "not a line of a call: a field is missing or of the wrong kind")
    ]


@pytest.mark.parametrize("call_id", ["", "x", MARKER, "0198"])
def test_an_id_is_a_uuid(call_id: str) -> None:
    assert refused(call_id=call_id) == "call_id is no UUID"


def test_an_id_is_kept_in_its_one_form() -> None:
    found = read_line(plain(call_id="{01980000-0000-7000-8000-00000000000A}"), NOW)
    assert isinstance(found, Call)
    assert found.call_id == "01980000-0000-7000-8000-00000000000a"


@pytest.mark.parametrize("ts", [0, -5, MIDNIGHT // 1000, NOW + DAY_US + 1])
def test_a_time_is_neither_ancient_nor_in_the_future(ts: int) -> None:
    assert refused(ts=ts).startswith("ts is before 2015 or in the future")


@pytest.mark.parametrize("ahead", [0, DAY_US - 1])
def test_a_clock_may_be_ahead_by_a_day(ahead: int) -> None:
    assert isinstance(read_line(plain(ts=NOW + ahead), NOW), Call)


@pytest.mark.parametrize("name", ["uncached_input_tokens", "output_tokens", "cache_read_tokens"])
@pytest.mark.parametrize("value", [-1, LARGEST_COUNT + 1])
def test_counts_are_possible(name: str, value: int) -> None:
    assert refused(**{name: value}) == f"{name} is negative or too large"


@pytest.mark.parametrize(
    ("name", "value"), [("attempt", 2**15), ("status", 1000), ("images", 2**31), ("attempt", -1)]
)
def test_small_counts_fit_their_columns(name: str, value: int) -> None:
    assert refused(**{name: value}) == f"{name} is negative or too large"


@pytest.mark.parametrize("name", ["latency_ms", "ttft_ms", "compute_seconds", "audio_seconds"])
def test_durations_are_not_negative(name: str) -> None:
    assert reasons(plain(**{name: -0.5})) == [(1, f"{name} is negative")]


@pytest.mark.parametrize("name", ["reported_cost", "stated_cost", "units"])
@pytest.mark.parametrize("value", ["-1", "free", "NaN", "Infinity", "1000000000", MARKER])
def test_amounts_are_decimal_numbers(name: str, value: str) -> None:
    assert refused(**{name: value}) == f"{name} is no decimal number from 0 to 999,999,999"


@pytest.mark.parametrize("name", ["app", "team", "requested_model", "request_id", "session_id"])
def test_labels_are_short(name: str) -> None:
    said = refused(**{name: MARKER * 200})
    assert said == f"{name} is longer than {LONGEST_TEXT} characters"


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": {str(n): "x" for n in range(17)}},
        {"tags": {"a": "x" * LONGEST_TEXT}},
        {"shape": {str(n): 1 for n in range(100)}},
        {"prefix": list(range(70_000))},
    ],
)
def test_maps_and_lists_are_small(changes: dict[str, Any]) -> None:
    assert "too long" in refused(**changes)


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_no_bytes_raise_but_refusals(body: bytes) -> None:
    try:
        found = read_batch(body, "k", NOW)
    except Refused as error:
        assert str(error) == "the batch is no JSON array, or is cut off"
        return
    assert not found.lines
    assert all(str(each["reason"]) for each in found.rejected)


@settings(max_examples=100)
@given(place=st.integers(0, 399), bit=st.integers(0, 7))
def test_a_flipped_bit_never_passes(place: int, bit: int) -> None:
    line = bytearray(encode(posted()).strip())
    line[place % len(line)] ^= 1 << bit
    try:
        found = read_line(bytes(line), NOW)
    except Refused:
        return
    # The checksum's own marker was hit: what is read is a line without one, its facts whole.
    assert found == posted()
