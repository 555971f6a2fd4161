"""The thread that sends a host's segments to a ledger elsewhere, inside a program that records.

Nothing here runs on a thread that makes calls. At its end a program gives what waits two seconds;
the rest is on disk for the next process, or for `hf-ledger send`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.outbox import Outbox, is_waiting, restart_turns
from hf_ledger.ingest.spool.posting import Target
from hf_ledger.ingest.spool.sending import adopt_hash_key, send

ROUND_SECONDS = 1.0
#: Segments that others left behind are looked for at least this often.
SURVEY_SECONDS = 10.0
FINISH_SECONDS = 2.0

logger = logging.getLogger("hf_ledger")

Guard = Callable[[Callable[[], None]], object]


class Sender:
    """Sends while the program runs. `guard` keeps mistakes of ours from the program, `key_changed`
    is told when hashes are made with another key from now on."""

    def __init__(
        self, places: Places, target: Target, guard: Guard, key_changed: Callable[[], None]
    ) -> None:
        self.outbox = Outbox(places)
        self.target = target
        self._guard = guard
        self._key_changed = key_changed
        self._asked_for_key = False
        self._complained = False
        self._begin()

    def _begin(self) -> None:
        self._thread: threading.Thread | None = None
        self._leaving = threading.Event()
        self._over = threading.Event()
        self._seen: dict[str, int] = {}
        self._surveyed = -SURVEY_SECONDS

    def nudge(self) -> None:
        """See to it that the thread runs; called from the recorder's own background thread."""
        if self._leaving.is_set() or (self._thread and self._thread.is_alive()):
            return
        thread = threading.Thread(target=self._run, name="hf-ledger-send", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter is ending
        self._thread = thread

    def finish(self, patience: float = FINISH_SECONDS) -> None:
        """Send what waits for at most `patience` seconds, not at all after failures.

        A program that has recorded nothing has no thread, and waits for nothing.
        """
        self._leaving.set()
        state = self.outbox.load()
        if self._thread and not is_waiting(state) and self.outbox.waiting(state):
            self._thread.join(patience)
        self._over.set()

    def restart(self) -> None:
        """In a fork's child: the thread, and whose turn it was, stay the parent's."""
        restart_turns()
        self._begin()

    def _run(self) -> None:
        last = False
        while not last:
            # The round after `finish()` takes what was written in the meantime.
            last = self._leaving.is_set()
            self._guard(self._round)
            if not last:
                self._leaving.wait(ROUND_SECONDS)

    def _round(self) -> None:
        there, now = self.outbox.segments(), time.monotonic()
        if there == self._seen and now - self._surveyed < SURVEY_SECONDS:
            return
        self._adopt_key()
        sent = send(self.outbox, self.target, self._over.is_set)
        if sent is None:
            return
        if sent.stopped is None:
            self._seen, self._surveyed, self._complained = there, now, False
        elif not self._complained:
            self._complained = True
            logger.warning(
                "hf-ledger could not send calls to %s (%s); they are kept and sent later",
                self.target.url,
                sent.stopped.said,
            )

    def _adopt_key(self) -> None:
        """Once in a process: hash with the key of the ledger that the calls go to."""
        if self._asked_for_key or is_waiting(self.outbox.load()):
            return
        self._asked_for_key = True
        if adopt_hash_key(self.outbox, self.target):
            self._key_changed()
