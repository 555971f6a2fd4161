"""Labels across threads: before Python 3.14 a new thread sees no context variable.

`ThreadPoolExecutor.submit` and `Thread.start` are wrapped once; where no label is set they do what
they always did.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hf_ledger.ingest.doors.hook.labels import NONE, carry, current
from hf_ledger.ingest.doors.hook.later import never, now_or_later

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

#: Some milliseconds to load, and programs without a pool need none of it.
POOLS = ("concurrent.futures.thread",)

#: Our wrappers → what they wrap.
_ORIGINALS: dict[Any, Any] = {}


def carry_labels() -> None:
    """Wrap both ways into a thread; doing it twice changes nothing."""
    now_or_later(POOLS, _wrap_pool)
    if threading.Thread.start not in _ORIGINALS:
        _replace(threading.Thread, "start", _starting(threading.Thread.start))


def leave_threads_alone() -> None:
    """Put back what was there, unless somebody else has wrapped it since."""
    never(POOLS)
    _put_back(threading.Thread, "start")
    for name in POOLS:
        if name in sys.modules:
            _put_back(sys.modules[name].ThreadPoolExecutor, "submit")


def _wrap_pool(module: ModuleType) -> None:
    pool = module.ThreadPoolExecutor
    if pool.submit not in _ORIGINALS:
        _replace(pool, "submit", _submitting(pool.submit))


def _put_back(owner: type, name: str) -> None:
    original = _ORIGINALS.pop(getattr(owner, name), None)
    if original is not None:
        setattr(owner, name, original)


def _replace(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    _ORIGINALS[wrapper] = getattr(owner, name)
    setattr(owner, name, wrapper)


def _submitting(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @functools.wraps(original)
    def submit(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        if current.get() is NONE:
            return original(self, fn, *args, **kwargs)
        carried = carry(fn)
        # A worker started here serves other callers later: it must not start with our labels.
        token = current.set(NONE)
        try:
            return original(self, carried, *args, **kwargs)
        finally:
            current.reset(token)

    return submit


def _starting(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        if current.get() is not NONE and "run" not in vars(self):
            _run_with_labels(self)
        original(self)

    return start


def _run_with_labels(thread: threading.Thread) -> None:
    carried = carry(thread.run)

    def run() -> None:
        # Taken off first, else thread and function would keep each other alive.
        del thread.__dict__["run"]
        carried()

    thread.run = run  # type: ignore[method-assign]
