"""Work of hub's that stops a whole event loop is done in a thread with a loop of its own.

hub looks up who serves a model, downloads an input that is an address, and asks a provider's queue
for its result, all with its blocking client and `time.sleep`. Whoever waits here can still be
taken back in time; the thread then ends with the request that it is in.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import CHAT

ADDRESS = ("http://", "https://")
#: Inputs that hub reads itself.
READ = ("image", "audio")


def blocks(target: Target, task: str, inputs: Mapping[str, Any]) -> bool:
    """Whether hub's client may stop the loop while it does this."""
    if target.url is None and task != CHAT:
        return True
    given = (inputs.get(name) for name in READ)
    return any(isinstance(each, str) and each.startswith(ADDRESS) for each in given)


async def apart(make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """The result of the work, under the labels and the witness of here."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()
    theirs = _Thread(make, lambda settle: _told(loop, result, settle))
    context = contextvars.copy_context()
    # Not waited for at the end of the program: nobody can stop a `time.sleep`.
    threading.Thread(target=context.run, args=(theirs.run,), daemon=True).start()
    try:
        return await result
    finally:
        theirs.take_back()


Settle = Callable[["asyncio.Future[Any]"], None]


class _Thread:
    def __init__(
        self, make: Callable[[], Coroutine[Any, Any, Any]], tell: Callable[[Settle], None]
    ) -> None:
        self._make, self._tell = make, tell
        self._lock = threading.Lock()
        self._taken_back = False
        self._task: asyncio.Task[Any] | None = None

    def run(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        with self._lock:
            if self._taken_back:
                return
            self._task = asyncio.ensure_future(self._make())
        await asyncio.wait([self._task])
        task = self._task
        if not task.cancelled() and (error := task.exception()) is not None:
            raised = error
            self._tell(lambda result: result.set_exception(raised))
        elif not task.cancelled():
            self._tell(lambda result: result.set_result(task.result()))

    def take_back(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._taken_back, task = True, self._task
        if task is not None and not task.done():
            try:
                task.get_loop().call_soon_threadsafe(task.cancel)
            except RuntimeError:
                # Its loop was closed in between: it has ended.
                return


def _told(loop: asyncio.AbstractEventLoop, result: asyncio.Future[Any], settle: Settle) -> None:
    def tell() -> None:
        if not result.done():
            settle(result)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        # The loop that waited is closed; so nobody does.
        return
