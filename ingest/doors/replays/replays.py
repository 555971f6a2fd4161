"""The gateway's side of replays: calls are offered, a few wait in memory, workers replay them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from random import Random

from hf_ledger.ingest.call import Replayed
from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.replays.replaying import Replayer, Skipped
from hf_ledger.ingest.doors.replays.sampling import Draw, Sampled, draw, sampled_of, why_not
from hf_ledger.ingest.doors.replays.tap import Tap

MOST_WAITING = 64
MOST_WAITING_BYTES = 8 << 20
AT_ONCE = 2

_log = logging.getLogger("hf_ledger")


class Replays:
    """Draws calls in the gateway's event loop and replays them behind it once they have ended.

    `keep` writes a line to the spool. `counts` says what became of all that was drawn: sampled,
    dropped (too many wait), replayed, defect, cancelled, or why one was skipped.
    """

    def __init__(
        self,
        replayer: Replayer,
        keep: Callable[[Replayed], object],
        random: Random,
        *,
        most_waiting: int = MOST_WAITING,
        at_once: int = AT_ONCE,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._replayer = replayer
        self._keep = keep
        self._random = random
        self._waiting: asyncio.Queue[Sampled] = asyncio.Queue(most_waiting)
        self._waiting_bytes = 0
        self._slots = asyncio.Semaphore(at_once)
        self._under_way: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    def tap(self, asking: Asking) -> Tap | None:
        """What wants the bytes of this request's reply, if the call is drawn; never raises."""
        key = asking.key
        if key is None or key.replaying.share <= 0 or self._closed:
            return None
        drawn = draw(key.replaying, self._random)
        if drawn is None:
            return None
        self.counts["sampled"] += 1
        return Tap(lambda outcome, reply: self._take(asking, outcome, reply, drawn))

    @property
    def waiting(self) -> int:
        """Sampled calls that wait for their turn."""
        return self._waiting.qsize()

    async def run(self) -> None:
        """Replay what waits, a few at once, until `close`."""
        self._runner = asyncio.current_task()
        while not self._closed:
            await self._slots.acquire()
            try:
                sampled = await self._waiting.get()
            except asyncio.CancelledError:
                self._slots.release()
                raise
            self._waiting_bytes -= sampled.size
            task = asyncio.create_task(self._replay(sampled))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop at once: what waits is forgotten, what is under way leaves no row of its own."""
        self._closed = True
        self.counts["dropped"] += self.waiting
        while self.waiting:
            self._waiting.get_nowait()
        tasks = [*self._under_way, *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.counts:
            told = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
            _log.info("hf-ledger's replays have ended: %s", told)

    def _take(self, asking: Asking, outcome: Outcome, reply: bytes, drawn: Draw) -> None:
        """A drawn call has ended: replay it later, unless something speaks against it."""
        reason = why_not(asking, outcome, max(len(asking.body), len(reply)))
        if reason or self._closed:
            self.counts[reason or "dropped"] += 1
        else:
            self._queue(sampled_of(asking, outcome, reply, drawn))

    def _queue(self, sampled: Sampled) -> None:
        size = self._waiting_bytes + sampled.size
        if self._waiting.full() or size > MOST_WAITING_BYTES:
            self.counts["dropped"] += 1
            return
        self._waiting_bytes = size
        self._waiting.put_nowait(sampled)

    async def _replay(self, sampled: Sampled) -> None:
        """One row, written whole at the very end; nothing of a replay that was cut short."""
        try:
            row = await self._replayer.replay(sampled)
        except Skipped as skipped:
            self.counts[str(skipped)] += 1
            return
        self._keep(row)
        self.counts["replayed"] += 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()
        if task.cancelled():
            self.counts["cancelled"] += 1
        elif error := task.exception():
            # Its message could quote a text; the kind of error cannot.
            self.counts["defect"] += 1
            _log.error("hf-ledger could not replay a call: %s", type(error).__name__)
