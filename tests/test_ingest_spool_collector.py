"""From spool to ledger, exactly once: duplicates, bad lines, lost calls, routes and notices."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from factories_calls import NOON, make_call, spool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, Line, Noticed, OpenCall, Recorder, RouteSeen
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import collector, filling
from hf_ledger.ingest.spool.collector import Collected, collect
from hf_ledger.ingest.spool.lines import encode
from hf_ledger.ingest.spool.process import this_process
from hf_ledger.ingest.spool.reading import Batch
from hf_ledger.ingest.spool.segments import Segments


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def rows(ledger: Ledger, sql: str) -> list[tuple[Any, ...]]:
    return ledger.cursor().execute(sql).fetchall()


def one(ledger: Ledger, sql: str) -> Any:
    ((value,),) = rows(ledger, sql)
    return value


def segment_of(places: Places, *lines: Line | bytes, recorder: Recorder | None = None) -> Path:
    """A segment with these lines, raw bytes as they are."""
    places.spool.mkdir(parents=True, exist_ok=True)
    path = places.spool / f"1-1-{uuid.uuid4().hex[:8]}.ndjson"
    first = encode(recorder or this_process())
    path.write_bytes(
        first + b"".join(line if isinstance(line, bytes) else encode(line) for line in lines)
    )
    return path


def gone_process() -> Recorder:
    """The recorder of a process that has ended."""
    code = (
        "import msgspec, sys; from hf_ledger.ingest.spool.process import this_process; "
        "sys.stdout.buffer.write(msgspec.json.encode(this_process()))"
    )
    told = subprocess.check_output([sys.executable, "-c", code])
    return msgspec.json.decode(told, type=Recorder)


# -- calls -----------------------------------------------------------------------------------------


def test_a_call_becomes_a_priced_row(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call(uncached_input_tokens=100, output_tokens=20)])
    done = collect(ledger, places)
    assert (done.new, done.known, done.quarantined) == (1, 0, 0)
    ((model, size_class, cost, basis),) = rows(
        ledger, "select model, size_class, cost, cost_basis from calls"
    )
    # together's list of 27 July 2026: 1.04 in, 1.04 out per million tokens.
    assert (model, size_class) == ("meta-llama/Llama-3.3-70B-Instruct", "large")
    assert cost == (100 * Decimal("1.04") + 20 * Decimal("1.04")) / 1_000_000
    assert basis == "list_price_tokens"


def test_collecting_twice_adds_nothing(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call() for _ in range(5)])
    assert collect(ledger, places).new == 5
    again = collect(ledger, places)
    assert again == Collected()
    assert not again
    assert one(ledger, "select count(*) from calls") == 5


def test_nothing_to_collect_is_no_error(ledger: Ledger, places: Places) -> None:
    assert collect(ledger, places) == Collected()


def test_a_copy_of_a_segment_adds_nothing(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call(), make_call()])
    (path,) = places.spool.iterdir()
    collect(ledger, places)
    (places.spool / "9-9-copied.ndjson").write_bytes(path.read_bytes())
    done = collect(ledger, places)
    assert (done.new, done.known) == (0, 2)
    assert one(ledger, "select count(*) from calls") == 2


def test_the_same_call_twice_in_one_batch_counts_as_known(ledger: Ledger, places: Places) -> None:
    call = make_call()
    spool(places, [call, call, make_call()])
    done = collect(ledger, places)
    assert (done.new, done.known) == (2, 1)


def test_the_same_id_at_another_time_is_another_call(ledger: Ledger, places: Places) -> None:
    call = make_call()
    later = msgspec.structs.replace(call, ts=call.ts + 1)
    spool(places, [call])
    collect(ledger, places)
    spool(places, [later])
    assert collect(ledger, places).new == 1


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12, deadline=None
)
@given(data=st.data())
def test_any_order_and_any_repetition_gives_each_call_once(
    ledger: Ledger, places: Places, data: st.DataObject
) -> None:
    before = one(ledger, "select count(*) from calls")
    calls = [make_call(ts=NOON + timedelta(days=day)) for day in range(4)]
    repeats = st.lists(st.sampled_from(calls), min_size=1, max_size=6)
    seen: set[str] = set()
    for batch in data.draw(st.lists(repeats, min_size=1, max_size=3)):
        spool(places, batch)
        done = collect(ledger, places)
        fresh = {call.call_id for call in batch} - seen
        seen |= fresh
        assert (done.new, done.known) == (len(fresh), len(batch) - len(fresh))
    assert one(ledger, "select count(*) from calls") == before + len(seen)


def test_a_refilled_ledger_equals_the_first(places: Places) -> None:
    spool(
        places,
        [
            make_call(ts=NOON + timedelta(hours=hour), prefix=[hour], hash_key_id="k")
            for hour in range(6)
        ],
    )
    everything = "from calls order by ts, call_id"
    with Ledger.open(places) as first:
        collect(first, places)
        before = rows(first, everything), rows(first, "from prefixes order by ts")
    places.ledger.unlink()
    with Ledger.open(places) as second:
        assert collect(second, places).new == 6
        assert (rows(second, everything), rows(second, "from prefixes order by ts")) == before


def test_block_hashes_are_kept_for_new_calls_only(ledger: Ledger, places: Places) -> None:
    call = make_call(prefix=[1, -2, 3], hash_key_id="k")
    spool(places, [call])
    collect(ledger, places)
    spool(places, [call, make_call()])
    collect(ledger, places)
    assert rows(ledger, "select call_id, blocks from prefixes") == [
        (uuid.UUID(call.call_id), [1, -2, 3])
    ]


def test_progress_is_kept_by_segment(ledger: Ledger, places: Places) -> None:
    path = segment_of(places, make_call(), make_call())
    assert collect(ledger, places).segments == {path.name: 3}
    ((name, taken, lines, recorder),) = rows(
        ledger, "select name, taken_bytes, taken_lines, recorder from segments"
    )
    assert (name, taken, lines) == (path.name, path.stat().st_size, 3)
    assert msgspec.json.decode(recorder, type=Recorder).pid == os.getpid()
    (first,) = rows(ledger, "select first_seen from segments")
    with path.open("ab") as file:
        file.write(encode(make_call()))
    assert collect(ledger, places).segments == {path.name: 1}
    assert rows(ledger, "select first_seen from segments") == [first]
    assert one(ledger, "select taken_lines from segments") == 4


# -- bad lines -------------------------------------------------------------------------------------


def test_bad_lines_go_to_quarantine_by_position_without_content(
    ledger: Ledger, places: Places
) -> None:
    flipped = encode(make_call(operation="marker-7731")).replace(b"together", b"togethxr")
    unfit = encode(make_call(attempt=99_999, operation="marker-7731"))
    path = segment_of(places, make_call(), flipped, b"garbage marker-7731\n", unfit, make_call())
    done = collect(ledger, places)
    assert (done.new, done.known, done.quarantined) == (2, 0, 3)
    data = path.read_bytes().splitlines(keepends=True)
    found = rows(ledger, "select segment, line, byte_offset, reason from quarantine order by line")
    starts = [sum(map(len, data[:before])) for before in (2, 3, 4)]
    assert found == [
        (path.name, 3, starts[0], "checksum does not match"),
        (path.name, 4, starts[1], "no checksum"),
        (path.name, 5, starts[2], "not readable as a call"),
    ]
    assert collect(ledger, places) == Collected()
    assert "marker-7731" not in str(rows(ledger, "from quarantine"))


def test_good_lines_are_kept_whatever_stands_between_them(ledger: Ledger, places: Places) -> None:
    bad = [encode(make_call(status=10**6)) for _ in range(7)]
    good = [make_call() for _ in range(40)]
    mixed: list[Line | bytes] = [*good]
    for place, line in enumerate(bad):
        mixed.insert(place * 6, line)
    segment_of(places, *mixed)
    done = collect(ledger, places)
    assert (done.new, done.quarantined) == (40, 7)


def test_a_lone_surrogate_and_nan_are_no_obstacle(ledger: Ledger, places: Places) -> None:
    spool(places, [make_call(operation="a\ud800", latency_ms=float("nan"), ttft_ms=-1.0)])
    assert collect(ledger, places).new == 1
    assert rows(ledger, "select operation, latency_ms, ttft_ms, lat_bin, ttft_bin from calls") == [
        ("a\ufffd", None, None, None, None)
    ]


def test_a_call_that_pricing_fails_on_is_kept_unpriced(
    ledger: Ledger,
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = collector.enrich

    def choosy(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute(
            "select case when team = 'cursed' then error('cannot') end from staged"
        ).fetchall()
        real(cursor)

    monkeypatch.setattr(collector, "enrich", choosy)
    spool(places, [make_call(), make_call(team="cursed"), make_call()])
    done = collect(ledger, places)
    assert (done.new, done.known, done.unpriced_by_error, done.quarantined) == (3, 0, 1, 0)
    assert rows(ledger, "select team, cost is null, cost_basis from calls order by team") == [
        ("cursed", True, "unknown"),
        ("search", False, "list_price_tokens"),
        ("search", False, "list_price_tokens"),
    ]
    assert "could not price 1 calls" in caplog.text


def test_what_fails_as_a_whole_leaves_nothing_behind(
    ledger: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool(places, [make_call(), make_call()])

    def broken(_cursor: duckdb.DuckDBPyConnection, _batch: object) -> None:
        raise OSError("the last step before the commit")

    with monkeypatch.context() as patched:
        patched.setattr(collector, "keep_segments", broken)
        with pytest.raises(OSError, match="last step"):
            collect(ledger, places)
    assert one(ledger, "select count(*) from calls") == 0
    assert collect(ledger, places).new == 2


# -- notices and routes ----------------------------------------------------------------------------


def test_notices_are_counted_once(ledger: Ledger, places: Places) -> None:
    segment_of(places, Noticed(ts=1, counts={"poll": 2, "mapping": 1}), Noticed(ts=2, counts={}))
    assert collect(ledger, places).noticed == 3
    assert collect(ledger, places).noticed == 0
    assert rows(ledger, "select reason, sum(count) from noticed group by all order by all") == [
        ("mapping", 1),
        ("poll", 2),
    ]


def test_a_route_seen_names_the_model_of_the_calls_in_the_same_batch(
    ledger: Ledger, places: Places
) -> None:
    seen = NOON - timedelta(minutes=1)
    route = RouteSeen(
        ts=int(seen.timestamp() * 1e6),
        model="acme/unheard-of-7b",
        provider="fal-ai",
        provider_model="acme/raw-7b",
        task="text-to-image",
    )
    call = make_call(provider="fal-ai", provider_model="acme/raw-7b", requested_model=None)
    segment_of(places, call, route, route)
    assert collect(ledger, places).routes == 2
    assert one(ledger, "select model from calls") == "acme/unheard-of-7b"
    assert rows(
        ledger, "select model, task, seen_from, source from routes where model ^@ 'acme'"
    ) == [("acme/unheard-of-7b", "text-to-image", seen.replace(tzinfo=None), "mapping")]


def test_a_route_known_already_adds_no_row(ledger: Ledger, places: Places) -> None:
    route = RouteSeen(ts=5_000_000, model="acme/b", provider="p", provider_model="raw")
    segment_of(places, route)
    collect(ledger, places)
    segment_of(places, msgspec.structs.replace(route, ts=9_000_000))
    collect(ledger, places)
    assert rows(ledger, "select seen_from from routes where model = 'acme/b'") == [
        (datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC).replace(tzinfo=None),)
    ]


# -- calls that never ended ------------------------------------------------------------------------


def outcomes(ledger: Ledger) -> list[str]:
    return [outcome for (outcome,) in rows(ledger, "select outcome from calls")]


def test_an_open_call_of_a_living_process_waits(ledger: Ledger, places: Places) -> None:
    segment_of(places, OpenCall(call=make_call()))
    collect(ledger, places)
    assert outcomes(ledger) == []
    assert one(ledger, "select count(*) from open_calls") == 1


def test_an_open_call_that_ends_is_one_row(ledger: Ledger, places: Places) -> None:
    call = make_call()
    path = segment_of(places, OpenCall(call=msgspec.structs.replace(call, latency_ms=None)))
    collect(ledger, places)
    with path.open("ab") as file:
        file.write(encode(call))
    assert collect(ledger, places).new == 1
    assert outcomes(ledger) == ["ok"]
    assert one(ledger, "select count(*) from open_calls") == 0


def test_an_open_call_that_ended_in_the_same_batch_never_stands_open(
    ledger: Ledger, places: Places
) -> None:
    call = make_call()
    segment_of(places, OpenCall(call=call), call, recorder=gone_process())
    done = collect(ledger, places)
    assert (done.new, done.lost) == (1, 0)
    assert outcomes(ledger) == ["ok"]
    assert one(ledger, "select count(*) from open_calls") == 0


def test_an_open_call_of_a_process_that_is_gone_is_lost(ledger: Ledger, places: Places) -> None:
    call = make_call(latency_ms=None, status=None, uncached_input_tokens=None, output_tokens=None)
    segment_of(places, OpenCall(call=call), recorder=gone_process())
    done = collect(ledger, places)
    assert (done.new, done.lost) == (0, 1)
    assert done
    assert rows(ledger, "select outcome, team, cost, latency_ms from calls") == [
        ("lost", "search", None, None)
    ]
    assert one(ledger, "select count(*) from open_calls") == 0
    assert collect(ledger, places) == Collected()


def test_a_later_end_replaces_the_lost_row(ledger: Ledger, places: Places) -> None:
    call = make_call()
    segment_of(places, OpenCall(call=call), recorder=gone_process())
    assert collect(ledger, places).lost == 1
    spool(places, [call])
    done = collect(ledger, places)
    assert (done.new, done.known) == (1, 0)
    assert rows(ledger, "select outcome, latency_ms from calls") == [("ok", 800.0)]


def test_a_start_mark_read_again_revives_nothing(ledger: Ledger, places: Places) -> None:
    call = make_call()
    path = segment_of(places, OpenCall(call=call), recorder=gone_process())
    collect(ledger, places)
    (places.spool / "9-9-copied.ndjson").write_bytes(path.read_bytes())
    assert collect(ledger, places).lost == 0
    assert outcomes(ledger) == ["lost"]


def test_an_open_call_on_another_host_is_never_called_lost(ledger: Ledger, places: Places) -> None:
    elsewhere = msgspec.structs.replace(gone_process(), host="another-host")
    segment_of(places, OpenCall(call=make_call()), recorder=elsewhere)
    assert collect(ledger, places).lost == 0
    assert one(ledger, "select host from open_calls") == "another-host"


# -- a recorder at work ----------------------------------------------------------------------------


def test_collecting_while_lines_are_written_takes_each_once(ledger: Ledger, places: Places) -> None:
    segments = Segments(places.spool)
    calls: list[Call] = []
    new = 0
    for _ in range(8):
        fresh = [make_call() for _ in range(5)]
        calls += fresh
        for call in fresh:
            segments.write(call)
        new += collect(ledger, places).new
    segments.close()
    assert new == len(calls)
    assert {str(found) for (found,) in rows(ledger, "select call_id from calls")} == {
        call.call_id for call in calls
    }


@pytest.mark.parametrize("count", [130_000])
def test_more_calls_than_a_row_group_holds_all_arrive(
    ledger: Ledger, places: Places, count: int
) -> None:
    """DuckDB 2.0.0 read nothing back from so large a table made in the same transaction."""
    first = make_call()
    pattern = encode(first)[: -len(b',"crc":"00000000"}\n')]
    places.spool.mkdir(parents=True)
    with (places.spool / "1-1-large.ndjson").open("wb") as file:
        for number in range(count):
            call_id = f"{number:08x}-0000-7000-8000-000000000000".encode()
            body = pattern.replace(first.call_id.encode(), call_id)
            file.write(b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body)))
    done = collect(ledger, places)
    assert (done.new, done.known, done.quarantined) == (count, 0, 0)
    assert one(ledger, "select count(distinct call_id) from calls") == count
    assert one(ledger, "select count(*) from calls where cost is null") == 0


def test_batches_overlap_and_keep_each_call_and_offset_once(
    ledger: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH_CALLS", 7)
    calls = [make_call() for _ in range(50)]
    for start in range(0, 50, 10):
        spool(places, [*calls[start : start + 10], calls[0]])
    done = collect(ledger, places)
    assert (done.new, done.known) == (50, 5)
    assert collect(ledger, places) == Collected()
    taken = dict(rows(ledger, "select name, taken_bytes from segments"))
    assert taken == {path.name: path.stat().st_size for path in places.spool.iterdir()}


def test_a_batch_that_fails_leaves_those_before_it_kept_and_the_rest_for_later(
    ledger: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH_CALLS", 5)
    spool(places, [make_call() for _ in range(17)])
    real, kept = collector.keep_segments, 0

    def second_time_full(cursor: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        nonlocal kept
        kept += 1
        if kept == 2:
            raise OSError("no space left on device")
        real(cursor, batch)

    with monkeypatch.context() as patched:
        patched.setattr(collector, "keep_segments", second_time_full)
        with pytest.raises(OSError, match="no space"):
            collect(ledger, places)
    before = one(ledger, "select count(*) from calls")
    assert 0 < before <= 5
    assert collect(ledger, places).new == 17 - before
    assert one(ledger, "select count(distinct call_id) from calls") == 17


def test_many_notices_are_kept_in_several_transactions(
    ledger: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH_RARE", 3)
    monkeypatch.setattr(filling, "PIECE_LINES", 2)
    segment_of(places, *(Noticed(ts=1, counts={"poll": 1}) for _ in range(20)), make_call())
    done = collect(ledger, places)
    assert (done.noticed, done.new) == (20, 1)
    assert one(ledger, "select sum(count) from noticed") == 20


def test_a_batch_that_would_lose_calls_is_not_committed(
    ledger: Ledger, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute("delete from staged where team = 'b'")

    spool(places, [make_call(team="a"), make_call(team="b")])
    with monkeypatch.context() as patched:
        patched.setattr(collector, "enrich", forgetful)
        with pytest.raises(Unusable, match="1 of 2 new calls: nothing was taken"):
            collect(ledger, places)
    assert one(ledger, "select count(*) from calls") == 0
    assert collect(ledger, places).new == 2
