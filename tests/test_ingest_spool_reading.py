"""Reading segments: whole lines only, from the offset on, sorted by kind, bad ones by position."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_calls import make_call, spool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Line, Noticed, OpenCall, Recorder, RouteSeen
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import reading
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.reading import Batch, Position, Segment, Untaken, sizes, take

WHO = Recorder(ts=1, pid=7, process_start="b:1:2", host="h", version="1")


def calls_of(batch: Batch) -> list[bytes]:
    """The call lines of a batch, without their newlines."""
    return [line.rstrip(b"\n") for run in batch.runs for _, line in run.lines()]


def positions_of(batch: Batch) -> list[Position]:
    return [place for run in batch.runs for place, _ in run.lines()]


def batches(folder: Path, known: dict[str, Segment], most: int = 20_000) -> Iterator[Batch]:
    """All that lies beyond the known offsets, as it comes."""
    backlog = Untaken(folder, known)
    while backlog.read(batch := Batch(), most) or batch.reached:
        yield batch


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
    assert calls_of(batch) == [encode(call).rstrip(b"\n")]
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
    assert len(calls_of(sorted_in(signed(moved)))) == 1


def test_positions_name_line_and_byte() -> None:
    first, second = encode(WHO), encode(make_call())
    bad = b"not a line\n"
    batch = sorted_in(first + bad + second)
    assert [each.position for each in batch.rejected] == [Position("s.ndjson", 2, len(first))]
    assert positions_of(batch) == [Position("s.ndjson", 3, len(first) + len(bad))]


def test_counting_goes_on_where_it_stopped() -> None:
    segment = Segment("s.ndjson", taken_bytes=1_000, taken_lines=12)
    line = encode(make_call())
    batch = sorted_in(line, segment)
    assert positions_of(batch) == [Position("s.ndjson", 13, 1_000)]
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
    assert len(calls_of(batch)) == 1


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
    assert sorted(calls_of(batch)) == sorted(line.rstrip(b"\n") for line in good)
    assert len(batch.rejected) == len(garbage)
    assert batch.lines["s.ndjson"] == len(good) + len(garbage)


def test_a_torn_tail_waits_for_its_rest(places: Places) -> None:
    places.spool.mkdir(parents=True)
    path = places.spool / "1-1-a.ndjson"
    line = encode(make_call())
    path.write_bytes(line + line[:50])
    (batch,) = batches(places.spool, {})
    assert (len(calls_of(batch)), batch.rejected) == (1, [])
    known = {segment.name: segment for segment in batch.segments}
    assert list(batches(places.spool, known)) == []
    path.write_bytes(line + line)
    (rest,) = batches(places.spool, known)
    assert len(calls_of(rest)) == 1


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
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
            found += calls_of(batch)
            known |= {segment.name: segment for segment in batch.segments}
    assert found == [encode(call).rstrip(b"\n") for call in calls]


def test_many_segments_come_in_one_batch_oldest_first(places: Places) -> None:
    for _ in range(3):
        spool(places, [make_call()])
    (batch,) = batches(places.spool, {})
    names = [segment.name for segment in batch.segments]
    assert names == sorted(names)
    assert len(calls_of(batch)) == len(names) == 3


def test_a_large_spool_comes_in_several_batches_that_lose_nothing(
    places: Places,
) -> None:
    calls = [make_call() for _ in range(15)]
    spool(places, calls[:9])
    spool(places, calls[9:])
    found = [(len(calls_of(batch)), calls_of(batch)) for batch in batches(places.spool, {}, 4)]
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


def spooled(places: Places, *lines: bytes) -> Path:
    places.spool.mkdir(parents=True)
    path = places.spool / "1-1-a.ndjson"
    path.write_bytes(b"".join(lines))
    return path


def test_a_segment_larger_than_a_piece_is_read_in_pieces(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [encode(make_call()) for _ in range(40)]
    path = spooled(places, *lines)
    monkeypatch.setattr(reading, "PIECE_BYTES", 5 * max(map(len, lines)))
    found = list(batches(places.spool, {}))
    assert len(found) >= 8
    assert all(sum(len(run.data) for run in each.runs) <= reading.PIECE_BYTES for each in found)
    assert [line + b"\n" for each in found for line in calls_of(each)] == lines
    assert found[-1].segments[0].taken_bytes == path.stat().st_size


def test_a_line_longer_than_a_piece_is_rejected_and_the_next_is_kept(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 2_000)
    good, long = encode(make_call()), encode(make_call(operation="x" * 9_000))
    spooled(places, good, long, long, good)
    (batch,) = batches(places.spool, {})
    assert [(each.position.line, each.reason) for each in batch.rejected] == [
        (2, reading.TOO_LONG),
        (3, reading.TOO_LONG),
    ]
    assert [place.line for place in positions_of(batch)] == [1, 4]
    assert positions_of(batch)[1].offset == len(good) + 2 * len(long)


def test_a_long_line_without_an_end_waits(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 2_000)
    spooled(places, encode(make_call(operation="x" * 9_000))[:-1])
    assert list(batches(places.spool, {})) == []


def test_what_a_batch_reached_stays_when_the_segment_is_read_further(places: Places) -> None:
    lines = [encode(make_call()) for _ in range(4)]
    spooled(places, *lines)
    backlog = Untaken(places.spool, {})
    first, second = Batch(), Batch()
    assert backlog.read(first, 2)
    assert backlog.read(second, 2)
    assert [each.taken_lines for each in first.segments] == [2]
    assert [each.taken_lines for each in second.segments] == [4]


@settings(deadline=None)
@given(data=st.data())
def test_a_flipped_byte_anywhere_rejects_its_line_alone(data: st.DataObject) -> None:
    lines = [encode(make_call()) for _ in range(3)]
    whole = bytearray(b"".join(lines))
    place = data.draw(st.integers(len(lines[0]), len(lines[0]) + len(lines[1]) - 2))
    flipped = whole[place] ^ data.draw(st.integers(1, 255))
    if flipped == 10:  # a newline makes two lines of it, both damaged
        return
    whole[place] = flipped
    batch = sorted_in(bytes(whole))
    assert [line + b"\n" for line in calls_of(batch)] == [lines[0], lines[2]]
    assert [each.position.line for each in batch.rejected] == [2]
