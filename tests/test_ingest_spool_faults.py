"""Disks and files at fault: full disks while spooling and committing, flipped bytes, odd values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest
from factories_calls import make_call, spool
from factories_faults import Disk, collected, small_disk
from factories_practice import Practice, chat, practice_server, recording
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.recording import active
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.lines import MARK, decode, encode
from hf_ledger.ingest.spool.polling import CollectorThread
from hf_ledger.ingest.spool.process import this_process
from hf_ledger.ingest.spool.segments import Segments

CALLS = 5_000
#: From no room for the collector's own file to room for that, but not for all of DuckDB's log.
ROOM = (100_000, 1_000_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 32) as made:
        yield made


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory() as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


def counted(ledger: Ledger) -> tuple[int, int]:
    rows = ledger.cursor().execute("select count(*), count(distinct call_id) from calls")
    calls, ids = rows.fetchone() or (0, 0)
    return calls, ids


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


# -- a full disk -----------------------------------------------------------------------------------


def test_a_disk_that_is_full_for_a_while_costs_no_line(disk: Disk) -> None:
    segments = Segments(disk.places.spool)
    made = [
        make_call(operation=str(number), ts=1_786_536_000_000_000 + number) for number in range(400)
    ]
    for call in made[:100]:
        assert segments.write(call)
    disk.leave(free=4096)
    outcomes = [segments.write(call) for call in made[100:300]]
    segments.flush()
    assert segments.waiting == outcomes.count(False) > 100
    disk.empty()
    segments.flush()
    assert all(segments.write(call) for call in made[300:])
    segments.close()
    lines = [
        decode(line)
        for path in sorted(disk.places.spool.iterdir())
        for line in path.read_bytes().splitlines()
    ]
    assert [line.operation for line in lines if isinstance(line, Call)] == [
        str(number) for number in range(400)
    ]
    assert [row[0] for row in collected(disk.places)] == [str(number) for number in range(400)]


def test_calls_go_on_while_the_disk_is_full_and_are_kept_afterwards(
    disk: Disk, server: Practice
) -> None:
    with recording(server, places=disk.places), httpx2.Client() as client:

        def call(name: str) -> int:
            body = chat(name, stream=True)
            return client.post(f"{server.v1}/chat/completions", json=body).status_code

        assert call("before") == 200
        disk.leave(free=0)
        assert [call("meanwhile") for _ in range(20)] == [200] * 20
        disk.empty()
        assert call("after") == 200
        assert active.hook is not None
        wait_for(lambda: active.hook and not active.hook.segments.waiting)
    assert [row[1] for row in collected(disk.places)] == ["ok"] * 22


def collected_on(disk: Disk, ledger: Ledger) -> bool:
    """Whether a collection had room enough; what it then left is all, and else nothing."""
    try:
        new = collect(ledger, disk.places).new
    except (duckdb.Error, OSError) as error:
        assert "No space left" in str(error)
        assert counted(ledger) == (0, 0)
        return False
    assert counted(ledger) == (new, new) == (CALLS, CALLS)
    return True


@pytest.mark.parametrize("free", ROOM)
def test_a_disk_that_is_full_while_collecting_leaves_all_or_nothing(disk: Disk, free: int) -> None:
    with Ledger.open(disk.places):
        pass
    spool(disk.places, [make_call(prefix=[1, 2, 3]) for _ in range(CALLS)])
    with Ledger.open(disk.places) as ledger:
        disk.leave(free)
        had_room = collected_on(disk, ledger)
        assert not (had_room and free == ROOM[0])
        disk.empty()
        # The same connection goes on: nobody has to start it again.
        assert collect(ledger, disk.places).new == (0 if had_room else CALLS)
        assert counted(ledger) == (CALLS, CALLS)
    with Ledger.open(disk.places) as ledger:
        assert collect(ledger, disk.places).new == 0
        assert counted(ledger) == (CALLS, CALLS)


def test_a_ledger_closed_and_opened_on_a_full_disk_comes_back_by_itself(disk: Disk) -> None:
    with Ledger.open(disk.places):
        pass
    spool(disk.places, [make_call() for _ in range(CALLS)])
    with Ledger.open(disk.places) as ledger:
        disk.leave(free=100_000)
        with pytest.raises((duckdb.Error, OSError), match="No space left"):
            collect(ledger, disk.places)
    with Ledger.open(disk.places) as ledger:
        assert counted(ledger) == (0, 0)
    disk.empty()
    assert len(collected(disk.places)) == CALLS


def test_the_owners_loop_outlives_a_full_disk(disk: Disk) -> None:
    with Ledger.open(disk.places) as ledger:
        spool(disk.places, [make_call() for _ in range(CALLS)])
        disk.leave(free=100_000)
        thread = CollectorThread(ledger, disk.places)
        thread.start()
        wait_for(lambda: thread.health.failures_in_a_row)
        assert "No space left" in str(thread.health.last_failure)
        disk.empty()
        wait_for(lambda: counted(ledger) == (CALLS, CALLS))
        thread.stop()
        assert thread.health.failures_in_a_row == 0


# -- flipped bytes ---------------------------------------------------------------------------------

COUNT = 5


def five_lines(places: Places) -> tuple[Path, list[bytes]]:
    places.spool.mkdir(parents=True, exist_ok=True)
    path = places.spool / "1-1-5e95e95e.ndjson"
    lines = [encode(this_process())]
    lines += [encode(make_call(operation=str(number))) for number in range(COUNT)]
    path.write_bytes(b"".join(lines))
    return path, lines


def flip(path: Path, offset: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


def kept(places: Places) -> tuple[list[str], list[tuple[int, int, str]]]:
    """Operations in the ledger, and where quarantine found what."""
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        assert not collect(ledger, places)
        cursor = ledger.cursor()
        calls = cursor.execute("select operation from calls order by operation").fetchall()
        sql = "select line, byte_offset, reason from quarantine order by line"
        return [name for (name,) in calls], cursor.execute(sql).fetchall()


def positions(line: bytes) -> dict[str, int]:
    mark = line.rindex(MARK)
    return {
        "first byte": 0,
        "kind": 9,
        "call id": line.index(b'"call_id":"') + 15,
        "middle of the body": len(line) // 2,
        "last byte of the body": mark - 1,
        "the checksum's name": mark + 3,
        "first digit of the checksum": mark + len(MARK),
        "last digit of the checksum": len(line) - 4,
        "closing quote": len(line) - 3,
        "closing brace": len(line) - 2,
    }


@pytest.mark.parametrize("where", positions(encode(make_call())))
def test_a_flipped_byte_costs_its_own_line_and_is_told_by_its_position(
    places: Places, where: str
) -> None:
    path, lines = five_lines(places)
    start = sum(map(len, lines[:3]))
    flip(path, start + positions(lines[3])[where])
    names, found = kept(places)
    assert names == ["0", "1", "3", "4"]
    assert [(line, offset) for line, offset, _ in found] == [(4, start)]
    assert found[0][2] in ("no checksum", "checksum does not match")


def test_a_flipped_newline_runs_two_lines_together_and_costs_those_two(places: Places) -> None:
    path, lines = five_lines(places)
    start = sum(map(len, lines[:3]))
    flip(path, start + len(lines[3]) - 1)
    names, found = kept(places)
    assert names == ["0", "1", "4"]
    assert [(line, offset) for line, offset, _ in found] == [(4, start)]


def test_a_flipped_last_newline_waits_like_a_torn_line_and_is_taken_once_mended(
    places: Places,
) -> None:
    path, lines = five_lines(places)
    last = sum(map(len, lines)) - 1
    flip(path, last)
    assert kept(places) == (["0", "1", "2", "3"], [])
    flip(path, last)
    assert kept(places) == (["0", "1", "2", "3", "4"], [])


def test_a_flip_that_makes_a_newline_costs_its_own_line(places: Places) -> None:
    path, lines = five_lines(places)
    start = sum(map(len, lines[:3]))
    data = bytearray(path.read_bytes())
    data[start + 20] = ord("\n")
    path.write_bytes(data)
    names, found = kept(places)
    assert names == ["0", "1", "3", "4"]
    assert [line for line, _, _ in found] == [4, 5]


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_flipped_bit_costs_at_most_the_lines_it_touches(
    ledger: Ledger, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    places = Places(tmp_path_factory.mktemp("flips"))
    path, lines = five_lines(places)
    offset = data.draw(st.integers(len(lines[0]), sum(map(len, lines)) - 1), label="offset")
    flip(path, offset, data.draw(st.integers(0, 7), label="bit"))
    hit = sum(offset >= sum(map(len, lines[: number + 1])) for number in range(len(lines))) - 1
    untouched = {str(number) for number in range(COUNT)} - {str(hit), str(hit + 1)}
    collect(ledger, places)
    names = ledger.cursor().execute("select operation from calls").fetchall()
    ledger.cursor().execute("delete from calls; delete from segments")
    assert untouched <= {name for (name,) in names}
    assert len(names) == len(set(names)) < COUNT


# -- odd values ------------------------------------------------------------------------------------

ODD: dict[str, dict[str, Any]] = {
    "a lone surrogate": {"operation": "\ud800", "tags": {"\udfff": "\ud800"}},
    "not a number": {
        "latency_ms": float("nan"),
        "ttft_ms": float("inf"),
        "shape": {"x": float("nan")},
    },
    "a negative time": {"latency_ms": -1.0, "ttft_ms": -0.5, "compute_seconds": -3.0},
    "a start before 1970": {"ts": -1},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_values_cost_no_line_and_leave_no_odd_figure(
    places: Places, odd: dict[str, Any]
) -> None:
    spool(places, [make_call(), make_call(**odd), make_call()])
    columns = "latency_ms, ttft_ms, compute_seconds, lat_bin, ttft_bin"
    rows = collected(places, columns)
    assert len(rows) == 3
    figures = [figure for row in rows for figure in row if figure is not None]
    assert all(0 <= figure < float("inf") for figure in figures)


def odd_reply(request: httpx2.Request) -> httpx2.Response:
    body = b'{"choices": [], "usage": {"prompt_tokens": NaN, "completion_tokens": -7}}'
    headers = {"content-type": "application/json", "x-compute-time": "-1"}
    return httpx2.Response(200, content=body, headers=headers)


def test_odd_requests_and_replies_are_calls_without_odd_figures(
    places: Places, server: Practice
) -> None:
    with recording(server), httpx2.Client(transport=httpx2.MockTransport(odd_reply)) as client:
        body = b'{"model": "a/b", "messages": [{"role": "user", "content": "\\ud800 Infinity"}]}'
        reply = client.post(f"{server.v1}/chat/completions", content=body)
        assert reply.status_code == 200
    columns = "outcome, output_tokens, compute_seconds, cost"
    ((outcome, output, compute, cost),) = collected(places, columns)
    assert outcome == "ok"
    assert [figure for figure in (output, compute, cost) if figure is not None and figure < 0] == []


def test_times_of_the_summer_and_winter_change_are_an_hour_apart(places: Places) -> None:
    """In Berlin 02:30 happens twice on 25 October 2026: the ledger keeps both apart."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    spool(places, [make_call(ts=first), make_call(ts=second)])
    (one,), (other,) = collected(places, "ts")
    assert (other - one).total_seconds() == 3600


def test_two_owners_threads_never_collect_at_once(places: Places) -> None:
    spool(places, [make_call() for _ in range(CALLS)])
    with Ledger.open(places) as ledger:
        taken: list[int] = []
        work = lambda: taken.append(collect(ledger, places).new)  # noqa: E731
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [0, 0, 0, CALLS]
        assert counted(ledger) == (CALLS, CALLS)
