"""Telling a living process from one that is gone, and from another that has its pid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from hf_ledger.ingest.spool import process
from hf_ledger.ingest.spool.process import is_gone, process_start, this_process

HERE = socket.gethostname()
NO_SUCH_PID = 2**22 + 7  # above Linux's largest pid

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    """Another process, alive until the test ends it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    child.kill()
    child.wait()


def test_this_process_introduces_itself() -> None:
    recorder = this_process(app="search", clients=["httpx"])
    assert recorder.pid == os.getpid()
    assert recorder.host == HERE
    assert recorder.process_start == process_start()
    assert (recorder.app, recorder.clients) == ("search", ["httpx"])
    assert abs(recorder.ts - time.time() * 1e6) < 5e6


def test_start_is_the_same_every_time_one_asks() -> None:
    assert process_start() == process_start(os.getpid()) != ""


def test_two_processes_have_different_starts(sleeper: subprocess.Popen[bytes]) -> None:
    assert process_start(sleeper.pid) not in ("", process_start())


def test_a_child_sees_the_same_start_of_its_parent() -> None:
    code = "import os; from hf_ledger.ingest.spool.process import process_start as s; "
    told = subprocess.check_output([sys.executable, "-c", code + "print(s(os.getppid()))"])
    assert told.decode().strip() == process_start()


def test_the_living_are_not_gone(sleeper: subprocess.Popen[bytes]) -> None:
    assert not is_gone(HERE, os.getpid(), process_start())
    assert not is_gone(HERE, sleeper.pid, process_start(sleeper.pid))


@linux
def test_a_killed_process_is_gone_even_before_its_parent_looks(
    sleeper: subprocess.Popen[bytes],
) -> None:
    start = process_start(sleeper.pid)
    sleeper.kill()
    deadline = time.monotonic() + 5
    while not is_gone(HERE, sleeper.pid, start) and time.monotonic() < deadline:
        time.sleep(0.01)  # it is a zombie now: nobody has waited for it
    assert is_gone(HERE, sleeper.pid, start)
    sleeper.wait()
    assert is_gone(HERE, sleeper.pid, start)


@linux
def test_a_reused_pid_is_another_process(sleeper: subprocess.Popen[bytes]) -> None:
    earlier = process_start(sleeper.pid).rpartition(":")[0] + ":1"
    assert is_gone(HERE, sleeper.pid, earlier)


@linux
def test_an_earlier_boot_is_gone() -> None:
    view, start = process_start().split(":")[1:]
    assert is_gone(HERE, os.getpid(), f"00000000-0000-0000-0000-000000000000:{view}:{start}")


@linux
def test_another_containers_pids_mean_nothing_here() -> None:
    boot = process_start().split(":")[0]
    assert not is_gone(HERE, NO_SUCH_PID, f"{boot}:4026539999:12345")


@linux
def test_no_process_has_no_start() -> None:
    assert process_start(NO_SUCH_PID) == ""


@pytest.mark.parametrize("start", ["", "unknown"])
def test_nothing_is_concluded_from_an_unknown_start(start: str) -> None:
    assert not is_gone(HERE, NO_SUCH_PID, start)


def test_nothing_is_concluded_about_another_host() -> None:
    assert not is_gone(HERE + "-other", NO_SUCH_PID, process_start())


def test_a_command_name_full_of_brackets_does_not_confuse(tmp_path: os.PathLike[str]) -> None:
    program = os.path.join(tmp_path, "a) S 1 (b")  # noqa: PTH118
    os.symlink("/bin/sleep", program)  # noqa: PTH211
    child = subprocess.Popen([program, "60"])
    try:
        assert process_start(child.pid).rpartition(":")[2].isdigit()
        assert not is_gone(HERE, child.pid, process_start(child.pid))
    finally:
        child.kill()
        child.wait()


def test_the_version_is_the_installed_one() -> None:
    assert process.installed_version()[0].isdigit()
