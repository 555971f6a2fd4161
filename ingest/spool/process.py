"""Which process writes, and whether it still lives: a pid alone is reused, pid + start is not."""

from __future__ import annotations

import os
import socket
import sys
import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from hf_ledger.ingest.call import Recorder

UNKNOWN = "unknown"

# macOS <sys/proc_info.h>: PROC_PIDTBSDINFO fills 136 bytes, seconds and µs of the start last.
BSD_INFO, BSD_INFO_BYTES, BSD_START = 3, 136, 120


def this_process(app: str | None = None, clients: list[str] | None = None) -> Recorder:
    """The first line of a segment of this process."""
    return Recorder(
        ts=time.time_ns() // 1000,
        pid=os.getpid(),
        process_start=process_start(),
        host=socket.gethostname(),
        version=installed_version(),
        app=app,
        clients=clients or [],
    )


def process_start(pid: int | None = None) -> str:
    """When a process (this one by default) started, unique across boots and containers.

    Linux: boot id, pid namespace and start in clock ticks since boot; macOS: start in µs;
    "unknown" where neither can be read, and "" where no such process lives.
    """
    number = os.getpid() if pid is None else pid
    if sys.platform == "darwin":
        return _bsd_start(number)
    if not Path("/proc/self/stat").exists():
        return UNKNOWN
    return _proc_start(number)


def is_gone(host: str, pid: int, start: str) -> bool:
    """True only where we know that the process ended: same host, same pids, no such start."""
    if host != socket.gethostname() or start in ("", UNKNOWN):
        return False
    return not _other_container(process_start(), start) and process_start(pid) != start


def restart_after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every fork's child from now on, for as long as its object lives."""
    if not hasattr(os, "register_at_fork"):
        return
    restart = weakref.WeakMethod(method)

    def in_child() -> None:
        alive = restart()
        if alive:
            alive()

    os.register_at_fork(after_in_child=in_child)


@lru_cache(maxsize=1)
def installed_version() -> str:
    # Slow to load, and asked for once a segment: importing a recorder must cost next to nothing.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hf-ledger")
    except PackageNotFoundError:
        return UNKNOWN


def _other_container(ours: str, theirs: str) -> bool:
    """Same boot but another pid namespace: its pids mean nothing here."""
    boot, _, view = ours.rpartition(":")[0].partition(":")
    their_boot, _, their_view = theirs.rpartition(":")[0].partition(":")
    return boot == their_boot and view != their_view


def _proc_start(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    # The command's name may hold spaces and brackets; fields count from its last bracket.
    fields = stat.rpartition(")")[2].split()
    if fields[0] == "Z":
        return ""
    return f"{_boot()}:{fields[19]}"


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        view = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return UNKNOWN
    return f"{boot}:{view.removeprefix('pid:').strip('[]')}"


def _bsd_start(pid: int) -> str:
    import ctypes  # some 2 ms that only this system needs

    buffer = ctypes.create_string_buffer(BSD_INFO_BYTES)
    library = ctypes.CDLL("/usr/lib/libproc.dylib")
    got = library.proc_pidinfo(pid, BSD_INFO, ctypes.c_uint64(0), buffer, BSD_INFO_BYTES)
    if got != BSD_INFO_BYTES:
        return ""
    seconds, micros = (
        int.from_bytes(buffer.raw[at : at + 8], "little") for at in (BSD_START, BSD_START + 8)
    )
    return f"mac:0:{seconds * 1_000_000 + micros}"
