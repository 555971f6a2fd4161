"""Programs that end, fork, cancel and change their clocks: each call seen to its end is one row."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from factories_faults import RECORDING, collected, recorded_program
from factories_practice import Practice, practice_server

from hf_ledger.ingest.call import Recorder
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.lines import decode, encode


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


# -- ends of a program -----------------------------------------------------------------------------


def test_os_exit_right_after_a_reply_costs_no_call(server: Practice, places: Places) -> None:
    recorded_program(
        """
        call("plain")
        call("stream", stream=True)
        os._exit(0)
        """,
        server,
        places,
    )
    assert collected(places) == [("plain", "ok"), ("stream", "ok")]


def test_a_long_call_under_way_at_os_exit_is_lost(server: Practice, places: Places) -> None:
    recorded_program(
        """
        threading.Thread(target=call, args=("long", "practice/slow=50"), daemon=True).start()
        call("short")
        time.sleep(1.6)
        os._exit(0)
        """,
        server,
        places,
    )
    assert sorted(collected(places)) == [("long", "lost"), ("short", "ok")]


def test_threads_that_outlive_the_main_thread_are_recorded(
    server: Practice, places: Places
) -> None:
    recorded_program(
        """
        from concurrent.futures import ThreadPoolExecutor

        def later(name):
            time.sleep(0.3)
            call(name)

        for number in range(3):
            threading.Thread(target=later, args=(f"thread {number}",)).start()
        pool = ThreadPoolExecutor(3)
        for number in range(6):
            pool.submit(later, f"pool {number}")
        """,
        server,
        places,
    )
    names = [*(f"pool {number}" for number in range(6)), *(f"thread {n}" for n in range(3))]
    assert sorted(collected(places)) == [(name, "ok") for name in names]


def test_calls_made_while_the_interpreter_ends_are_recorded(
    server: Practice, places: Places
) -> None:
    recorded_program(
        """
        import atexit
        atexit.register(call, "at exit")
        call("before")
        """,
        server,
        places,
    )
    assert sorted(collected(places)) == [("at exit", "ok"), ("before", "ok")]


def test_a_daemon_thread_cut_off_at_exit_leaves_one_row(server: Practice, places: Places) -> None:
    recorded_program(
        """
        work = threading.Thread(target=call, args=("cut", "practice/slow=50"), daemon=True)
        work.start()
        call("before")
        """,
        server,
        places,
    )
    assert sorted(collected(places)) == [("before", "ok"), ("cut", "cancelled")]


def test_a_fork_after_recording_gives_each_process_its_own_calls(
    server: Practice, places: Places
) -> None:
    recorded_program(
        """
        threading.Thread(target=call, args=("parent's", "practice/slow=1.5")).start()
        time.sleep(0.3)
        child = os.fork()
        call("child" if child == 0 else "parent")
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        """,
        server,
        places,
    )
    names = [("child", "ok"), ("parent", "ok"), ("parent's", "ok")]
    assert sorted(collected(places)) == names


def test_a_killed_child_takes_nothing_of_its_parents_with_it(
    server: Practice, places: Places
) -> None:
    recorded_program(
        """
        import signal
        call("parent")
        child = os.fork()
        if child == 0:
            call("child")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        call("parent again")
        """,
        server,
        places,
    )
    names = [("child", "ok"), ("parent", "ok"), ("parent again", "ok")]
    assert sorted(collected(places)) == names


# -- cancellation ----------------------------------------------------------------------------------

CANCELLING = """
async def ask(name, model, stream=False):
    body = {"model": model, "stream": stream, "messages": []}
    with operation(name):
        async with httpx2.AsyncClient(timeout=60) as client:
            async with client.stream("POST", url, json=body) as reply:
                await reply.aread()

async def cancelled(name, model, stream=False):
    task = asyncio.create_task(ask(name, model, stream))
    await asyncio.sleep(0.3)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
"""


def asynchronous(code: str, server: Practice, places: Places) -> list[str]:
    lines = "\n".join(f"    {line.removeprefix(' ' * 8)}" for line in code.strip("\n").splitlines())
    main = f"{CANCELLING}\nasync def main():\n{lines}\nasyncio.run(main())\n"
    return recorded_program(main, server, places)


def test_a_task_cancelled_before_its_reply_and_in_the_middle_of_it(
    server: Practice, places: Places
) -> None:
    told = asynchronous(
        """
        await cancelled("before", "practice/hang")
        await cancelled("middle", "practice/slow=30,words=10", stream=True)
        """,
        server,
        places,
    )
    assert told == ["cancelled", "cancelled"]
    assert collected(places) == [("before", "cancelled"), ("middle", "cancelled")]


def test_a_timeout_around_a_call_still_reaches_its_caller(server: Practice, places: Places) -> None:
    told = asynchronous(
        """
        try:
            async with asyncio.timeout(0.3):
                await ask("late", "practice/hang")
        except TimeoutError:
            print("timeout")
        await ask("after", "a/b")
        """,
        server,
        places,
    )
    assert told == ["timeout"]
    assert collected(places) == [("late", "cancelled"), ("after", "ok")]


def test_a_task_group_that_fails_cancels_its_other_calls(server: Practice, places: Places) -> None:
    told = asynchronous(
        """
        async def fails():
            await asyncio.sleep(0.3)
            raise KeyError
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ask("one", "practice/hang"))
                group.create_task(ask("two", "practice/slow=30,words=10", True))
                group.create_task(fails())
        except* KeyError:
            print("failed")
        """,
        server,
        places,
    )
    assert told == ["failed"]
    assert sorted(collected(places)) == [("one", "cancelled"), ("two", "cancelled")]


def test_a_loop_that_ends_with_calls_under_way_leaves_a_row_each(
    server: Practice, places: Places
) -> None:
    asynchronous(
        """
        kept = [asyncio.create_task(ask(f"{n}", "practice/hang")) for n in range(5)]
        await asyncio.sleep(0.3)
        """,
        server,
        places,
    )
    assert sorted(collected(places)) == [(f"{number}", "cancelled") for number in range(5)]


# -- clocks ----------------------------------------------------------------------------------------

#: Replaces the wall clock before anything of ours has looked at it.
CLOCK = """
import time
real = time.time_ns
moved = [0]
time.time_ns = lambda: real() + moved[0]
time.time = lambda: (real() + moved[0]) / 1e9
HOUR = 3600 * 10**9
"""


def test_a_clock_set_back_an_hour_in_a_running_program_costs_no_call(
    server: Practice, places: Places
) -> None:
    code = (
        CLOCK
        + RECORDING
        + ("call('before')\nmoved[0] = -HOUR\ncall('back')\nmoved[0] = 0\ncall('again')\n")
    )
    environment = {**os.environ, "HF_LEDGER_DIR": str(places.root)}
    subprocess.run([sys.executable, "-c", code, server.host], env=environment, check=True)
    rows = collected(places, "operation, outcome, latency_ms >= 0 and latency_ms < 60000")
    assert rows == [("back", "ok", True), ("before", "ok", True), ("again", "ok", True)]
    assert len(segments(places)) == 3, "a new segment after each jump"


@pytest.mark.parametrize("change", ["2026-03-29T01:00:00", "2026-10-25T01:00:00"])
def test_calls_around_a_change_of_summer_time_keep_their_utc_times(
    server: Practice, places: Places, change: str
) -> None:
    setting = (
        "import datetime\n"
        f"at = datetime.datetime.fromisoformat('{change}+00:00').timestamp()\n"
        "moved[0] = int(at * 1e9) - 5 * 10**9 - real()\n"
    )
    code = CLOCK + setting + RECORDING + "call('before')\nmoved[0] += 10 * 10**9\ncall('after')\n"
    environment = {**os.environ, "HF_LEDGER_DIR": str(places.root), "TZ": "Europe/Berlin"}
    subprocess.run([sys.executable, "-c", code, server.host], env=environment, check=True)
    rows = collected(
        places, f"operation, ts < timestamp '{change}', abs(epoch(ts - timestamp '{change}')) < 9"
    )
    assert rows == [("before", True, True), ("after", False, True)]


# -- folders and keys of somebody else -------------------------------------------------------------

TWO_CALLS = (
    RECORDING
    + """
call("first")
print("called", flush=True)
sys.stdin.read()
call("second")
"""
)


def bound_by_permissions() -> list[str]:
    """What to start a program with so that permissions hold for it, though root starts it."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("permissions don't bind root, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


def first_call_made(server: Practice, places: Places) -> subprocess.Popen[str]:
    """A program that has made its first call and makes the second when its input ends."""
    program = subprocess.Popen(
        [*bound_by_permissions(), sys.executable, "-c", TWO_CALLS, server.host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_LEDGER_DIR": str(places.root)},
    )
    assert program.stdout
    assert program.stdout.readline() == "called\n"
    return program


def test_a_read_only_folder_costs_no_call_once_it_can_be_written(
    server: Practice, places: Places
) -> None:
    places.spool.mkdir(parents=True)
    places.spool.chmod(0o500)
    program = first_call_made(server, places)
    assert segments(places) == []
    places.spool.chmod(0o700)
    _, complaints = program.communicate("", timeout=30)
    assert program.returncode == 0
    assert complaints.count("Permission denied") == 1
    assert collected(places) == [("first", "ok"), ("second", "ok")]


def test_a_key_that_may_not_be_read_costs_the_hashes_until_it_may(
    server: Practice, places: Places
) -> None:
    places.keys.mkdir(parents=True)
    key = places.keys / "fingerprint.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0)
    program = first_call_made(server, places)
    key.chmod(0o400)
    _, complaints = program.communicate("", timeout=30)
    assert program.returncode == 0, complaints
    rows = collected(places, "operation, outcome, input_hash is not null")
    assert rows == [("first", "ok", False), ("second", "ok", True)]


# -- lost, and not a moment earlier ----------------------------------------------------------------

WAITING = (
    RECORDING
    + """
threading.Thread(target=call, args=("long", "practice/slow=4"), daemon=True).start()
print("started", flush=True)
sys.stdin.read()
"""
)


@contextmanager
def waiting(server: Practice, places: Places) -> Iterator[subprocess.Popen[str]]:
    """A program with a call under way whose start mark is in the spool."""
    program = subprocess.Popen(
        [sys.executable, "-c", WAITING, server.host],
        stdin=subprocess.PIPE,
        text=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HF_LEDGER_DIR": str(places.root)},
    )
    try:
        wait_for(lambda: any(b'"kind":"open"' in each.read_bytes() for each in segments(places)))
        yield program
    finally:
        program.kill()
        program.wait()
        assert program.stdin
        program.stdin.close()


def segments(places: Places) -> list[Path]:
    return list(places.spool.glob("*.ndjson"))


def looked_at(places: Places) -> list[tuple[str, str]]:
    """One collector's life: open, collect, close."""
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        rows: list[tuple[str, str]] = (
            ledger.cursor().execute("select operation, outcome from calls").fetchall()
        )
    return rows


def test_a_long_call_of_a_living_program_is_open_until_it_ends(
    server: Practice, places: Places
) -> None:
    with waiting(server, places):
        seen = looked_at(places)
        assert [looked_at(places) for _ in range(3)] == [seen] * 3 == [[]] * 3
        wait_for(lambda: looked_at(places))
        assert looked_at(places) == [("long", "ok")]
    assert looked_at(places) == [("long", "ok")]


def test_it_is_lost_when_its_program_is_killed_and_not_while_it_is_stopped(
    server: Practice, places: Places
) -> None:
    with waiting(server, places) as program:
        program.send_signal(signal.SIGSTOP)
        assert looked_at(places) == []
        program.send_signal(signal.SIGCONT)
        assert looked_at(places) == []
        program.kill()
        # Not waited for yet: it is a zombie, and gone.
        wait_for(lambda: looked_at(places))
        assert looked_at(places) == [("long", "lost")]
    assert looked_at(places) == [("long", "lost")]


def reintroduced(places: Places, **changes: object) -> None:
    """The spool's segment as if a recorder with other marks had written it."""
    (path,) = segments(places)
    first, _, rest = path.read_bytes().partition(b"\n")
    recorder = decode(first)
    assert isinstance(recorder, Recorder)
    given = {
        name: change(recorder) if callable(change) else change for name, change in changes.items()
    }
    path.write_bytes(encode(msgspec.structs.replace(recorder, **given)) + rest)


def ticks_earlier(recorder: Recorder) -> str:
    place, _, ticks = recorder.process_start.rpartition(":")
    return f"{place}:{int(ticks) - 100}"


def other_boot(recorder: Recorder) -> str:
    return f"00000000-0000-4000-8000-000000000000{recorder.process_start[36:]}"


@pytest.mark.parametrize("start", [ticks_earlier, other_boot], ids=["reused pid", "another boot"])
def test_a_living_process_of_the_same_pid_is_not_the_one_that_called(
    server: Practice, places: Places, start: Callable[[Recorder], str]
) -> None:
    with waiting(server, places) as program:
        reintroduced(places, process_start=start)
        assert program.poll() is None
        assert looked_at(places) == [("long", "lost")]


def test_a_process_on_another_host_is_never_called_gone(server: Practice, places: Places) -> None:
    with waiting(server, places):
        reintroduced(places, host="another-host")
    assert looked_at(places) == []
