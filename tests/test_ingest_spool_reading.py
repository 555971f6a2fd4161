"""Reading segments: whole lines only, from the offset on, sorted by kind, bad ones by position."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from factories_calls import make_call, spool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, Line, Noticed, OpenCall, Recorder, RouteSeen
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import reading
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.reading import Batch, Position, Segment, batches, sizes, take

WHO = Recorder(ts=1, pid=7, process_start="b:1:2", host="h", version="1")


def sorted_in(data: bytes, segment: Segment | None = None) -> Batch:
    batch = Batch()
    take(batch, segment or Segment("s.ndjson"), data)
    return batch


def signed(body: bytes) -> bytes:
    """A line with a good checksum, whatever it says."""
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def test_each_kind_finds_its_place() -> None:
    call, opened = make_call(), make_call()
    route = RouteSeen(ts=1, model="a/b", provider="p", provider_model="x")
    notice = Noticed(ts=1, counts={"poll": 1})
    lines: list[Line] = [WHO, call, OpenCall(call=opened), route, notice]
    batch = sorted_in(b"".join(map(encode, lines)))
    assert batch.calls == [encode(call).rstrip(b"\n")]
    assert [mark.call for _, mark in batch.opened] == [opened]
    assert batch.routes == [route]
    assert [each for _, each in batch.noticed] == [notice]
    assert batch.segments[0].recorder == WHO
    assert batch.lines == {"s.ndjson": 5}
    assert batch.rejected == []


def test_a_call_whose_kind_is_not_first_is_a_call() -> None:
    call = make_call()
    body = encode(call)[: -len(b',"crc":"00000000"}\n')]
    moved = b"{" + body.removeprefix(b'{"kind":"call",') + b',"kind":"call"'
    assert len(sorted_in(signed(moved)).calls) == 1


def test_positions_name_line_and_byte() -> None:
    first, second = encode(WHO), encode(make_call())
    bad = b"not a line\n"
    batch = sorted_in(first + bad + second)
    assert [each.position for each in batch.rejected] == [Position("s.ndjson", 2, len(first))]
    assert batch.positions == [Position("s.ndjson", 3, len(first) + len(bad))]


def test_counting_goes_on_where_it_stopped() -> None:
    segment = Segment("s.ndjson", taken_bytes=1_000, taken_lines=12)
    line = encode(make_call())
    batch = sorted_in(line, segment)
    assert batch.positions == [Position("s.ndjson", 13, 1_000)]
    assert (segment.taken_bytes, segment.taken_lines) == (1_000 + len(line), 13)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\n", "no checksum"),
        (b"\x00" * 40 + b"\n", "no checksum"),
        (encode(make_call(app="a")).replace(b'"a"', b'"b"'), "checksum does not match"),
        (signed(b'{"kind":"later","ts":1'), "not a line this version knows"),
        (signed(b"[1,2"), "not a line this version knows"),
        (encode(Noticed(ts=-1, counts={})), "time out of range"),
        (encode(Noticed(ts=2**60, counts={})), "time out of range"),
        (encode(OpenCall(call=make_call(ts=2**62))), "time out of range"),
        (encode(OpenCall(call=make_call(call_id="nonsense"))), "not a call id"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason_and_the_next_is_kept(
    line: bytes, reason: str
) -> None:
    batch = sorted_in(line + encode(make_call()))
    assert [each.reason for each in batch.rejected] == [reason]
    assert len(batch.calls) == 1


@given(
    garbage=st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" "))),
    every=st.integers(1, 4),
)
def test_garbage_between_lines_never_costs_a_line(garbage: list[bytes], every: int) -> None:
    good = [encode(make_call()) for _ in range(len(garbage) // every + 1)]
    data, left = b"", list(good)
    for index, noise in enumerate(garbage):
        if index % every == 0 and left:
            data += left.pop()
        data += noise + b"\n"
    batch = sorted_in(data + b"".join(left))
    assert sorted(batch.calls) == sorted(line.rstrip(b"\n") for line in good)
    assert len(batch.rejected) == len(garbage)
    assert batch.lines["s.ndjson"] == len(good) + len(garbage)


def test_a_torn_tail_waits_for_its_rest(places: Places) -> None:
    places.spool.mkdir(parents=True)
    path = places.spool / "1-1-a.ndjson"
    line = encode(make_call())
    path.write_bytes(line + line[:50])
    (batch,) = batches(places.spool, {})
    assert (len(batch.calls), batch.rejected) == (1, [])
    known = {segment.name: segment for segment in batch.segments}
    assert list(batches(places.spool, known)) == []
    path.write_bytes(line + line)
    (rest,) = batches(places.spool, known)
    assert len(rest.calls) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_a_file_that_grows_in_any_steps_gives_each_line_once(
    data: st.DataObject, tmp_path: Path
) -> None:
    calls = [make_call() for _ in range(5)]
    whole = encode(WHO) + b"".join(map(encode, calls))
    cuts = [*sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6))), len(whole)]
    folder = tmp_path / "grown"
    folder.mkdir(exist_ok=True)
    known: dict[str, Segment] = {}
    found: list[bytes] = []
    for cut in cuts:
        (folder / "1.ndjson").write_bytes(whole[:cut])
        for batch in batches(folder, known):
            found += batch.calls
            known |= {segment.name: segment for segment in batch.segments}
    assert found == [encode(call).rstrip(b"\n") for call in calls]


def test_many_segments_come_in_one_batch_oldest_first(places: Places) -> None:
    for _ in range(3):
        spool(places, [make_call()])
    (batch,) = batches(places.spool, {})
    names = [segment.name for segment in batch.segments]
    assert names == sorted(names)
    assert len(batch.calls) == len(names) == 3


def test_a_large_spool_comes_in_several_batches_that_lose_nothing(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_LINES", 4)
    calls = [make_call() for _ in range(15)]
    spool(places, calls[:9])
    spool(places, calls[9:])
    found = [(len(batch.calls), list(batch.calls)) for batch in batches(places.spool, {})]
    # 17 lines, the two recorders among them: four batches of four and a rest of one.
    assert [count for count, _ in found] == [3, 4, 3, 4, 1]
    assert [line for _, lines in found for line in lines] == [
        encode(call).rstrip(b"\n") for call in calls
    ]


def test_only_segments_are_looked_at(places: Places) -> None:
    assert sizes(places.spool) == {}  # no folder yet
    spool(places, [make_call()])
    (places.spool / "notes.txt").write_text("not ours")
    (places.spool / "1-1-b.ndjson.tmp").write_text("not ours")
    ((name, size),) = sizes(places.spool).items()
    assert size == (places.spool / name).stat().st_size


def test_a_segment_that_shrank_is_left_alone(places: Places) -> None:
    spool(places, [make_call()])
    ((name, size),) = sizes(places.spool).items()
    assert list(batches(places.spool, {name: Segment(name, size + 1, 9)})) == []


def test_indexes_are_left_out() -> None:
    calls = [make_call(), make_call(), make_call()]
    batch = sorted_in(b"".join(map(encode, calls)))
    assert batch.without([1]) == [batch.calls[0], batch.calls[2]]
    assert isinstance(calls[0], Call)
