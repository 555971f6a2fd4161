"""The loop that runs the console's calls: one thread, beside the pages, for as long as they last.

Pages start and stop runs and draw what they hold; nothing that is drawn starts a call. A run whose
session is gone is cancelled: nobody pays for what nobody sees.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from hf_ledger.dashboard.console.column import MOST_COLUMNS, Run, State
from hf_ledger.ingest.errors import LedgerError

AT_ONCE = 32
#: A network that comes back within this time loses nothing.
GONE_SECONDS = 5.0
LOOK_SECONDS = 0.5
CLOSE_SECONDS = 5.0

ENDED = "The server was stopped before this was answered."
GONE = "Nobody was looking any more, so it was stopped."
DEFECT = "The console could not finish this call; the server's log says more."

logger = logging.getLogger("hf_ledger")

#: Told whenever a run has changed.
Changed = Callable[[Run], None]


class Sender(Protocol):
    """What reaches models and ledger."""

    async def send(self, run: Run, changed: Changed) -> None:
        """Ask once, and fill the run in as the answer comes. Raises `LedgerError`."""

    async def settle(self, run: Run) -> None:
        """The call is over: fill in what only its row in the ledger says."""


#: Open while the loop runs.
Opening = Callable[[], AbstractAsyncContextManager[Sender]]
#: Whether a browser looks at this session.
Alive = Callable[[str], bool]


@dataclass
class Session:
    """Runs of one browser session, a few at once."""

    slots: asyncio.Semaphore
    seen_s: float
    tasks: dict[str, tuple[Run, asyncio.Task[None]]] = field(default_factory=dict)


class Engine:
    """Starts, stops and watches runs. Its public methods may be called in any thread."""

    def __init__(
        self,
        opening: Opening,
        alive: Alive,
        *,
        at_once: int = AT_ONCE,
        per_session: int = MOST_COLUMNS,
        gone_s: float = GONE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opening, self._alive, self._clock = opening, alive, clock
        self._at_once, self._per_session, self._gone_s = at_once, per_session, gone_s
        self._sessions: dict[str, Session] = {}
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name="console", daemon=True)
        self._thread.start()
        self._ready.wait()

    def start(self, runs: Sequence[Run], session: str) -> None:
        """Begin these calls for a session; what is more than may run at once waits its turn."""
        for run in runs:
            self._loop.call_soon_threadsafe(self._begin, run, session)

    def stop(self, run: Run) -> None:
        """Take a call back; its row says cancelled or interrupted."""
        self._loop.call_soon_threadsafe(self._cancel, run)

    def wait(self, runs: Sequence[Run], seen: int, seconds: float) -> int:
        """Wait until the runs' changes are no longer `seen` in sum; gives what they are now."""
        with self._changed:
            self._changed.wait_for(lambda: changes_of(runs) != seen, seconds)
        return changes_of(runs)

    def close(self) -> None:
        """Stop what runs, and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(CLOSE_SECONDS)

    # -- in the loop -------------------------------------------------------------------------------

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._work())
        finally:
            self._ready.set()
            self._loop.close()

    async def _work(self) -> None:
        self._closing = asyncio.Event()
        self._slots = asyncio.Semaphore(self._at_once)
        async with self._opening() as self._sender:
            self._ready.set()
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), LOOK_SECONDS)
                self._look()
            tasks = [self._take_back(session, ENDED) for session in self._sessions.values()]
            await asyncio.gather(*(each for some in tasks for each in some), return_exceptions=True)

    def _look(self) -> None:
        """Take back the runs of sessions that nobody has looked at for a while."""
        now = self._clock()
        for name, session in list(self._sessions.items()):
            if self._alive(name):
                session.seen_s = now
            elif now - session.seen_s >= self._gone_s:
                self._take_back(session, GONE)
            if not session.tasks:
                del self._sessions[name]

    def _take_back(self, session: Session, why: str) -> list[asyncio.Task[None]]:
        for run, task in session.tasks.values():
            run.failure = run.failure or why
            task.cancel()
        return [task for _, task in session.tasks.values()]

    def _begin(self, run: Run, name: str) -> None:
        """A run is begun once, however often it is asked for."""
        if run.state != "waiting":
            return
        session = self._sessions.setdefault(
            name, Session(asyncio.Semaphore(self._per_session), self._clock())
        )
        if run.id not in session.tasks:
            task = self._loop.create_task(self._run(run, session))
            session.tasks[run.id] = (run, task)
            task.add_done_callback(lambda ended: self._ended(run, session, ended))

    def _cancel(self, run: Run) -> None:
        for session in self._sessions.values():
            if run.id in session.tasks:
                session.tasks[run.id][1].cancel()

    async def _run(self, run: Run, session: Session) -> None:
        """One call from its turn to its end; then what the ledger made of it."""
        try:
            async with session.slots, self._slots:
                run.began_s = time.monotonic()
                self._enter(run, "running")
                await self._sender.send(run, self._tell)
            self._enter(run, "done")
        except asyncio.CancelledError:
            self._enter(run, "stopped")
        except LedgerError as error:
            run.failure = str(error)
            self._enter(run, "failed")
        if not self._closing.is_set():
            await self._sender.settle(run)

    def _ended(self, run: Run, session: Session, task: asyncio.Task[None]) -> None:
        session.tasks.pop(run.id, None)
        if not task.cancelled() and (error := task.exception()):
            # Its message could quote a text; the kind of error cannot.
            logger.error("hf-ledger's console failed: %s", type(error).__name__)
            run.failure = DEFECT
            run.state = run.state if run.over else "failed"
        run.settled = True
        self._enter(run, "stopped")

    def _enter(self, run: Run, state: State) -> None:
        if not run.over:
            run.state = state
        self._tell(run)

    def _tell(self, run: Run) -> None:
        with self._changed:
            run.changes += 1
            self._changed.notify_all()


def changes_of(runs: Sequence[Run]) -> int:
    return sum(run.changes for run in runs)
