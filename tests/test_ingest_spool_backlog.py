"""Lines that can't be written wait in memory: bounded, in order, exactly once, and told."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from factories_calls import make_call
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.questions import answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.call import Call, Line, Noticed, OpenCall
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool import backlog as module
from hf_ledger.ingest.spool.backlog import Backlog
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.lines import decode, encode
from hf_ledger.ingest.spool.segments import Segments


def written(places: Places) -> list[Line]:
    paths = sorted(places.spool.glob("*.ndjson"))
    return [decode(line) for path in paths for line in path.read_bytes().splitlines()]


def operations(places: Places) -> list[str | None]:
    return [line.operation for line in written(places) if isinstance(line, Call)]


def told(places: Places) -> list[dict[str, int]]:
    return [line.counts for line in written(places) if isinstance(line, Noticed)]


@contextmanager
def blocked(places: Places) -> Iterator[None]:
    """A file stands where the spool should be, which stops root too."""
    places.make()
    places.spool.write_text("in the way")
    yield
    places.spool.unlink()


# -- the queue itself ------------------------------------------------------------------------------


def line(number: int, size: int = 40) -> bytes:
    return b'{"kind":"call",%d' % number + b" " * size + b"\n"


@given(
    st.lists(st.integers(0, 300), max_size=60),
    st.integers(1, 20),
    st.integers(100, 3_000),
)
def test_it_never_grows_over_its_bounds_and_keeps_the_newest(
    sizes: list[int], most_lines: int, most_bytes: int
) -> None:
    waiting = Backlog(most_lines, most_bytes)
    given_lines = [line(number, size) for number, size in enumerate(sizes)]
    dropped = sum(map(waiting.add, given_lines))
    kept = list(waiting._lines)
    assert len(kept) <= most_lines
    assert sum(map(len, kept)) == waiting._bytes <= most_bytes
    assert kept == given_lines[len(given_lines) - len(kept) :]
    assert dropped + waiting.calls == len(given_lines)


@given(st.lists(st.integers(0, 30_000), max_size=40), st.sets(st.integers(0, 60), max_size=20))
def test_however_often_writing_fails_each_line_goes_out_once_and_in_order(
    sizes: list[int], failures: set[int]
) -> None:
    waiting, out, tries = Backlog(), [], iter(range(1_000))
    lines = [line(number, size) for number, size in enumerate(sizes)]
    for each in lines:
        waiting.add(each)

    def put(data: bytes) -> None:
        if next(tries) in failures:
            raise OSError(28, "No space left on device")
        assert len(data) <= module.PIECE_BYTES or data.count(b"\n") == 1
        out.append(data)

    while waiting:
        try:
            waiting.write(put)
        except OSError:
            continue
    assert b"".join(out) == b"".join(lines)
    assert waiting._bytes == 0


def test_an_interrupt_in_the_middle_of_writing_leaves_the_lines_waiting() -> None:
    waiting = Backlog()
    waiting.add(line(1))

    def put(data: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waiting.write(put)
    assert waiting.calls == 1


def test_only_calls_count_as_dropped() -> None:
    waiting = Backlog(most_lines=1)
    assert waiting.add(encode(OpenCall(call=make_call()))) == 0
    assert waiting.add(encode(make_call())) == 0
    assert waiting.add(encode(make_call())) == 1


# -- in a program ----------------------------------------------------------------------------------


def test_what_waited_is_written_in_order_and_once_when_writing_works_again(places: Places) -> None:
    segments = Segments(places.spool)
    with blocked(places):
        assert not any(segments.write(make_call(operation=str(n))) for n in range(200))
        segments.flush()
        assert (segments.waiting, segments.lost) == (200, 0)
    segments.write(make_call(operation="200"))
    segments.flush()
    assert segments.waiting == 0
    assert operations(places) == [str(n) for n in range(201)]
    segments.close()
    assert told(places) == []
    assert len(operations(places)) == 201


def test_the_beat_writes_what_waits_without_another_call(places: Places) -> None:
    segments = Segments(places.spool)
    with blocked(places):
        segments.write(make_call(operation="waited"))
    done = threading.Event()
    segments.every_beat(lambda: done.set() if places.spool.exists() else None)
    assert done.wait(10)
    assert operations(places) == ["waited"]
    segments.close()


def test_while_lines_wait_the_calling_thread_does_not_touch_the_disk(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments, touching = Segments(places.spool), set()

    def touch(data: bytes) -> None:
        touching.add(threading.current_thread())
        raise OSError(28, "No space left on device")

    with blocked(places):
        segments.write(make_call())
        monkeypatch.setattr(segments, "_append", touch)
        segments.write(make_call())
        assert segments.waiting == 2
        assert threading.current_thread() not in touching
        monkeypatch.undo()
    segments.close()


def test_the_oldest_are_dropped_counted_and_told(
    places: Places, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hf_ledger")
    monkeypatch.setattr(Backlog.__init__, "__defaults__", (10, 1 << 20))
    segments = Segments(places.spool)
    with blocked(places):
        for number in range(25):
            segments.write(make_call(operation=str(number)))
        assert (segments.waiting, segments.lost) == (10, 15)
    segments.close()
    assert operations(places) == [str(number) for number in range(15, 25)]
    assert told(places) == [{"not_spooled": 15}]
    assert len(caplog.records) == 1


def test_the_documented_bounds() -> None:
    storage = Path(__file__).parent.parent / "docs" / "storage.md"
    assert f"{module.MOST_LINES:,} others or {module.MOST_BYTES >> 20} MiB" in storage.read_text()
    waiting = Backlog()
    dropped = sum(waiting.add(line(number)) for number in range(module.MOST_LINES + 7))
    assert (len(waiting), dropped) == (module.MOST_LINES, 7)


def test_notices_do_not_push_calls_out(places: Places) -> None:
    segments = Segments(places.spool)
    with blocked(places):
        segments.write(make_call())
        assert segments.write(Noticed(ts=1, counts={"poll": 1})) is False
        assert segments.waiting == 1
    segments.close()


def test_who_keeps_the_lines_has_none_waiting_and_none_counted(places: Places) -> None:
    segments = Segments(places.spool, waits=False)
    with blocked(places):
        assert segments.write(make_call()) is False
        assert (segments.waiting, segments.lost) == (0, 0)
    segments.close()
    assert not places.spool.exists()


def run_python(code: str, places: Places) -> subprocess.CompletedProcess[str]:
    start = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", start + textwrap.dedent(code)],
        env={**os.environ, "HF_LEDGER_DIR": str(places.root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


HEAD = """
from factories_calls import make_call
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
import os
places = Places.default()
places.make()
places.spool.write_text("in the way")
segments = Segments(places.spool)
"""


def test_what_waits_is_written_at_exit(places: Places) -> None:
    code = HEAD + (
        "for n in range(50): segments.write(make_call(operation=str(n)))\nplaces.spool.unlink()\n"
    )
    assert run_python(code, places).stderr.count("\n") == 1
    assert operations(places) == [str(number) for number in range(50)]


def test_what_still_waits_at_exit_is_told_in_one_line(places: Places) -> None:
    code = HEAD + "for n in range(50): segments.write(make_call())\n"
    ran = run_python(code, places)
    assert "lost 50 calls that it could not write before the end" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_waits_stays_the_parents_after_a_fork(places: Places) -> None:
    code = (
        HEAD
        + """
segments.write(make_call(operation="parent"))
child = os.fork()
if child == 0:
    places.spool.unlink()
    segments.write(make_call(operation="child"))
    segments.close()
    os._exit(segments.waiting)
assert os.waitpid(child, 0)[1] == 0
segments.close()
"""
    )
    run_python(code, places)
    assert sorted(map(str, operations(places))) == ["child", "parent"]


def test_threads_that_write_while_it_is_written_out_lose_and_double_nothing(
    places: Places,
) -> None:
    segments = Segments(places.spool)
    blocker = blocked(places)
    blocker.__enter__()

    def work(thread: int) -> None:
        for number in range(300):
            segments.write(make_call(operation=f"{thread}-{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    blocker.__exit__(None, None, None)
    segments.flush()
    for thread in threads:
        thread.join()
    segments.close()
    expected = {f"{thread}-{number}" for thread in range(4) for number in range(300)}
    assert sorted(map(str, operations(places))) == sorted(expected)
    for thread in range(4):
        of_one = [each for each in operations(places) if str(each).startswith(f"{thread}-")]
        assert of_one == [f"{thread}-{number}" for number in range(300)]


def test_the_number_dropped_reaches_the_ledger(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backlog.__init__, "__defaults__", (3, 1 << 20))
    segments = Segments(places.spool)
    with blocked(places):
        for _ in range(8):
            segments.write(make_call())
    segments.close()
    now = datetime.now(UTC)
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        hour = Scope(now - timedelta(hours=1), now + timedelta(hours=1))
        rows = answer(ledger.cursor(), "noticed", hour).to_pylist()
        long_ago = Scope(now - timedelta(days=9), now - timedelta(days=8))
        assert answer(ledger.cursor(), "noticed", long_ago).num_rows == 0
    assert rows == [{"reason": "not_spooled", "count": 5}]
