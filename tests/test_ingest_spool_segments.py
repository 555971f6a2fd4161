"""Segments as real files: rotation, forks, threads, full disks and folders that go away."""

from __future__ import annotations

import ast
import gc
import itertools
import logging
import os
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from factories_calls import make_call

from hf_ledger.ingest.call import Call, Line, Noticed, Recorder
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import segments as module
from hf_ledger.ingest.spool.lines import damage, decode
from hf_ledger.ingest.spool.process import process_start
from hf_ledger.ingest.spool.segments import Segments

HOUR_NS = 3600 * 10**9


@pytest.fixture
def spool(places: Places) -> Iterator[Segments]:
    segments = Segments(places.spool)
    yield segments
    segments.close()


def read(path: Path) -> list[Line]:
    """Every line of a file, each of which must be whole."""
    return [decode(line) for line in path.read_bytes().splitlines(keepends=True)]


def written(places: Places) -> list[Line]:
    return [line for path in sorted(places.spool.glob("*.ndjson")) for line in read(path)]


def call_ids(places: Places) -> list[str]:
    return [line.call_id for line in written(places) if isinstance(line, Call)]


def notices(places: Places) -> list[Noticed]:
    return [line for line in written(places) if isinstance(line, Noticed)]


def run_python(code: str, places: Places) -> subprocess.CompletedProcess[str]:
    """A program of its own that records into these places."""
    tests = str(Path(__file__).parent)
    start = f"import sys; sys.path.insert(0, {tests!r})\n"
    return subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        env={**os.environ, "HF_LEDGER_DIR": str(places.root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Clock:
    """Wall time in ns that a test moves."""

    def __init__(self) -> None:
        self.now = 1_786_536_000 * 10**9

    def __call__(self) -> int:
        return self.now


# -- what stands on disk ---------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_line(places: Places) -> None:
    segments = Segments(places.spool)
    assert segments.path is None
    assert not places.root.exists()


def test_a_line_is_in_the_file_when_write_returns(spool: Segments, places: Places) -> None:
    call = make_call()
    assert spool.write(call) is True
    assert spool.path
    assert read(spool.path)[1:] == [call]


def test_the_first_line_says_who_writes(places: Places) -> None:
    given = Recorder(ts=1, pid=1, process_start="x", host="h", version="9", app="a", clients=["c"])
    segments = Segments(places.spool, given)
    segments.write(make_call())
    first = written(places)[0]
    segments.close()
    assert isinstance(first, Recorder)
    assert (first.host, first.version, first.app, first.clients) == ("h", "9", "a", ["c"])
    assert (first.pid, first.process_start) == (os.getpid(), process_start())
    assert first.ts > 1


def test_the_recorder_may_be_asked_for_at_each_segment(places: Places) -> None:
    clients: list[str] = []
    segments = Segments(
        places.spool,
        lambda: Recorder(ts=0, pid=0, process_start="", host="h", version="1", clients=clients),
    )
    clients.append("httpx")
    segments.write(make_call())
    segments.close()
    first = written(places)[0]
    assert isinstance(first, Recorder)
    assert first.clients == ["httpx"]


def test_only_the_user_can_read_it(spool: Segments, places: Places) -> None:
    spool.write(make_call())
    assert spool.path
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(places.spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(places.root.stat().st_mode) == 0o700


def test_the_name_says_start_and_process(places: Places) -> None:
    clock = Clock()
    segments = Segments(places.spool, clock=clock)
    segments.write(make_call())
    assert segments.path
    start, pid, random = segments.path.stem.split("-")
    segments.close()
    assert (int(start), int(pid)) == (clock.now, os.getpid())
    assert len(random) == 8
    assert segments.path is None


def test_a_line_after_close_begins_a_new_segment(spool: Segments, places: Places) -> None:
    spool.write(make_call())
    spool.close()
    spool.write(make_call())
    assert len(list(places.spool.iterdir())) == 2
    assert len(call_ids(places)) == 2


# -- rotation --------------------------------------------------------------------------------------


def test_a_segment_lasts_an_hour(places: Places) -> None:
    clock = Clock()
    segments = Segments(places.spool, clock=clock)
    for seconds in (0, 3599, 3600, 7199, 7201):
        clock.now = Clock().now + seconds * 10**9
        segments.write(make_call())
    segments.close()
    files = sorted(places.spool.iterdir())
    assert [len(read(path)) - 1 for path in files] == [2, 2, 1]


def test_a_clock_set_back_begins_a_new_segment(places: Places) -> None:
    clock = Clock()
    segments = Segments(places.spool, clock=clock)
    segments.write(make_call())
    clock.now -= HOUR_NS
    segments.write(make_call())
    segments.close()
    assert len(list(places.spool.iterdir())) == 2


def test_a_segment_holds_sixteen_mebibytes(places: Places) -> None:
    segments = Segments(places.spool)
    long = make_call(operation="x" * 2**20)
    for _ in range(18):
        assert segments.write(long)
    segments.close()
    lengths = sorted(path.stat().st_size for path in places.spool.iterdir())
    assert len(lengths) == 2
    assert module.ROTATE_BYTES <= lengths[1] < module.ROTATE_BYTES + 2 * 2**20
    assert len(call_ids(places)) == 18


# -- threads and forks -----------------------------------------------------------------------------


def test_lines_of_many_threads_stay_whole(spool: Segments, places: Places) -> None:
    def record() -> None:
        for _ in range(200):
            spool.write(make_call())

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = call_ids(places)
    assert len(found) == len(set(found)) == 8 * 200


def test_a_call_that_ends_while_another_is_written_does_not_deadlock(
    spool: Segments, places: Places
) -> None:
    """A finaliser runs wherever the collector of garbage strikes, under our lock too."""

    class Stream:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            spool.write(make_call(operation="finaliser"))

    class Tags(dict[str, str]):
        pass

    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(50):
            Stream()
            assert spool.write(make_call(tags=Tags(a="b")))
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert len(call_ids(places)) == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_writes_a_segment_of_its_own(places: Places) -> None:
    code = """
        import os, threading
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        spool = Segments(Places.default().spool)
        spool.write(make_call(operation="parent before"))
        spool.lost = 3
        with spool._lock:  # another thread might hold it at the moment of the fork
            child = os.fork()
        if not child:
            done = spool.write(make_call(operation="child"))
            os._exit(0 if done and spool.lost == 0 else 1)
        _, state = os.waitpid(child, 0)
        spool.write(make_call(operation="parent after"))
        print(os.waitstatus_to_exitcode(state))
    """
    ran = run_python(code, places)
    assert ran.stdout.strip() == "0", ran.stderr
    by_file = {
        tuple(line.operation for line in read(path) if isinstance(line, Call))
        for path in places.spool.iterdir()
    }
    assert by_file == {("parent before", "parent after"), ("child",)}
    pids = {line.pid for line in written(places) if isinstance(line, Recorder)}
    assert len(pids) == 2


def test_processes_of_multiprocessing_record_too(places: Places) -> None:
    code = """
        import multiprocessing
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        spool = Segments(Places.default().spool)

        def work(number):
            return spool.write(make_call(operation=str(number)))

        if __name__ == "__main__":
            spool.write(make_call())
            with multiprocessing.get_context("fork").Pool(3) as pool:
                print(sum(pool.map(work, range(30), chunksize=1)))
    """
    assert run_python(code, places).stdout.strip() == "30"
    assert len(set(call_ids(places))) == 31


def test_a_program_that_closes_all_descriptors_keeps_its_own_files(
    places: Places, tmp_path: Path
) -> None:
    """Daemons do: our next line must reach a segment and never the program's next file."""
    target = tmp_path / "program.txt"
    code = f"""
        import os
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        spool = Segments(Places.default().spool)
        spool.write(make_call())
        os.closerange(3, 4096)
        own = [os.open({str(target)!r}, os.O_WRONLY | os.O_CREAT) for _ in range(20)]
        assert spool.write(make_call())
        os.write(own[0], b"mine")
    """
    ran = run_python(code, places)
    assert ran.returncode == 0, ran.stderr
    assert target.read_bytes() == b"mine"
    assert len(call_ids(places)) == 2


def test_lines_written_while_the_interpreter_ends_are_kept(places: Places) -> None:
    code = """
        import atexit
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        spool = Segments(Places.default().spool)
        atexit.register(lambda: spool.write(make_call(operation="late")))
        spool.every_beat(lambda: None)
        atexit.register(lambda: spool.write(make_call(operation="later")))
    """
    ran = run_python(code, places)
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr
    assert len(call_ids(places)) == 2


# -- the background thread -------------------------------------------------------------------------


def test_callbacks_run_about_every_200_ms(spool: Segments) -> None:
    seen: list[float] = []
    spool.every_beat(lambda: seen.append(time.monotonic()))
    wait_for(lambda: len(seen) >= 4)
    gaps = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert min(gaps) > 0.15
    spool.close()
    count = len(seen)
    time.sleep(0.3)
    assert len(seen) == count  # close() beats once more and then no more


def test_flush_runs_callbacks_and_keeps_what_they_write(spool: Segments, places: Places) -> None:
    spool.every_beat(lambda: spool.write(Noticed(ts=1, counts={"poll": 1})) and None)
    spool.flush()
    assert Noticed(ts=1, counts={"poll": 1}) in written(places)


def test_the_thread_never_keeps_a_program_alive(places: Places) -> None:
    started = time.monotonic()
    code = """
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        Segments(Places.default().spool).write(make_call())
    """
    assert run_python(code, places).returncode == 0
    assert time.monotonic() - started < 30
    assert len(call_ids(places)) == 1


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_line_without_a_json_form_is_counted_and_the_next_one_kept(
    spool: Segments, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hf_ledger")
    assert spool.write(make_call(tags={"a": object()})) is False
    assert spool.write(make_call(tags={"a": object()})) is False
    assert spool.write(make_call()) is True
    assert spool.lost == 2
    assert len(caplog.records) == 1
    assert "requests go on" in caplog.text
    spool.flush()
    assert [notice.counts for notice in notices(places)] == [{"not_spooled": 2}]
    spool.flush()
    assert len(notices(places)) == 1  # reported once


def test_a_folder_that_cannot_be_made_costs_lines_and_nothing_else(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hf_ledger")
    places.root.write_text("a file stands where the folder should be")
    segments = Segments(places.spool)
    assert [segments.write(make_call()) for _ in range(3)] == [False] * 3
    segments.flush()
    assert (segments.waiting, segments.lost) == (3, 0)
    assert len(caplog.records) == 1
    segments.close()
    assert (segments.waiting, segments.lost) == (0, 3)
    places.root.unlink()
    assert segments.write(make_call()) is True
    segments.close()
    assert [notice.counts for notice in notices(places)] == [{"not_spooled": 3}]
    assert segments.lost == 3


def test_a_read_only_folder_costs_lines_and_nothing_else(places: Places) -> None:
    code = """
        import os
        from pathlib import Path
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        folder = Places.default().spool
        folder.mkdir(parents=True)
        folder.chmod(0o555)
        if os.getuid() == 0:
            os.setuid(65534)  # root may write anywhere
        spool = Segments(folder)
        print(spool.write(make_call()), spool.waiting)
    """
    ran = run_python(code, places)
    assert ran.stdout.strip() == "False 1", ran.stderr
    assert "Permission denied" in ran.stderr
    assert "hf-ledger lost 1 call that it could not write before the end" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_full_disk_leaves_whole_lines_only(places: Places) -> None:
    """RLIMIT_FSIZE stops writes in the middle of a line, as a full disk does."""
    code = """
        import resource
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        spool = Segments(Places.default().spool)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        full = [spool.write(make_call(operation="x" * 300)) for _ in range(20)]
        spool.flush()
        waited = spool.waiting
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        spool.flush()
        again = [spool.write(make_call()) for _ in range(3)]
        spool.close()
        print(sum(full), full.count(False), waited, spool.lost, all(again))
    """
    ran = run_python(code, places)
    kept, refused, waited, lost, recovered = ran.stdout.split()
    assert int(kept) > 3
    assert int(refused) == int(waited) == 20 - int(kept)
    assert (lost, recovered) == ("0", "True")
    assert len(set(call_ids(places))) == len(call_ids(places)) == 20 + 3  # whole lines only
    assert notices(places) == []
    assert "requests go on" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_disk_with_no_room_for_a_first_line_leaves_no_empty_files(places: Places) -> None:
    code = """
        import resource
        from factories_calls import make_call
        from hf_ledger.ingest.places import Places
        from hf_ledger.ingest.spool.segments import Segments

        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        spool = Segments(Places.default().spool)
        print([spool.write(make_call()) for _ in range(50)].count(False), spool.waiting)
    """
    assert run_python(code, places).stdout.split() == ["50", "50"]
    assert list(places.spool.iterdir()) == []


def test_a_deleted_segment_takes_its_newest_lines_along(spool: Segments, places: Places) -> None:
    spool.write(make_call(operation="collected long ago"))
    spool.flush()
    assert spool.path
    spool.path.unlink()
    newest = make_call(operation="not yet seen by anybody")
    assert spool.write(newest)
    spool.flush()
    assert newest in written(places)
    assert spool.lost == 0


def test_a_deleted_folder_is_made_again(spool: Segments, places: Places) -> None:
    spool.write(make_call())
    spool.flush()
    for path in places.spool.iterdir():
        path.unlink()
    places.spool.rmdir()
    places.root.rmdir()
    later = [make_call(), make_call()]
    for call in later:
        assert spool.write(call)
    spool.flush()
    assert [line for line in written(places) if isinstance(line, Call)] == later


def test_a_torn_tail_of_another_process_never_meets_our_lines(places: Places) -> None:
    places.spool.mkdir(parents=True)
    (places.spool / "1-1-00000000.ndjson").write_bytes(b'{"kind":"call","call_id":"to')
    segments = Segments(places.spool)
    segments.write(make_call())
    segments.close()
    ours = [path for path in places.spool.iterdir() if not path.name.startswith("1-1-")]
    assert len(ours) == 1
    assert [damage(line) for line in ours[0].read_bytes().splitlines()] == [None, None]


def test_one_line_costs_microseconds(spool: Segments) -> None:
    """A guard against the wrong order of magnitude: a sync in the caller's thread costs 200 µs."""
    call = make_call(shape={"lines": 4}, prefix=[1, 2, 3])
    spool.write(call)
    costs = []
    for _ in range(2_000):
        start = time.perf_counter_ns()
        spool.write(call)
        costs.append(time.perf_counter_ns() - start)
    assert sorted(costs)[len(costs) // 2] < 100_000


def test_recording_brings_nothing_but_msgspec_into_a_program() -> None:
    code = """
        import sys
        before = {name.partition(".")[0] for name in sys.modules}
        import hf_ledger.ingest.spool.segments
        new = {name.partition(".")[0] for name in sys.modules} - before
        print(sorted(new - set(sys.stdlib_module_names)))
    """
    told = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True)
    # msgspec looks for typing_extensions and does without where it is missing.
    assert set(ast.literal_eval(told)) - {"typing_extensions"} == {"hf_ledger", "msgspec"}
