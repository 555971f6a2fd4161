"""A set on its way through the columns: a few rows at once, stopped and gone on with at will.

Each row asks the columns one after the other, the baseline first, and then has them compared. What
came is kept in memory here; only figures leave, by `keep`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from hf_ledger.ingest.call import Origin
from hf_ledger.ingest.doors.evaluation.comparing import FAILED, Paired
from hf_ledger.ingest.doors.evaluation.sets import Item

#: More than are asked at once: a row waits also for the ledger to have its calls.
ROWS_AT_ONCE = 8

State = Literal["ready", "running", "stopped", "done"]

_log = logging.getLogger("hf_ledger")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a column made of a row; `text` is None where it failed."""

    text: str | None = field(default=None, repr=False)
    failure: str | None = field(default=None, repr=False)
    was_cut: bool = False  # it ended at the limit of tokens
    call_id: str | None = None
    ts: int = 0  # when it was asked, µs since 1970
    model: str = ""  # as asked for, with its :suffix
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None
    cost: Decimal | None = None
    origin: Origin = "live"


#: Asks a column, by its number, and waits; None where the call was taken back.
Ask = Callable[[int, Item], Answer | None]
#: Compares two answers to a row; None where that was taken back.
Compare = Callable[[Item, Answer, Answer], Paired | None]
#: Told of each verdict: the column's number, the baseline's answer and the column's.
Keep = Callable[[int, Answer, Answer, Paired], object]

Cell = tuple[int, int]  # item, column


class Evaluation:
    """Rows × columns; the first column is the baseline."""

    def __init__(
        self,
        items: Sequence[Item],
        columns: int,
        ask: Ask,
        compare: Compare,
        keep: Keep,
        *,
        at_once: int = ROWS_AT_ONCE,
    ) -> None:
        self.items = tuple(items)
        self.columns = columns
        self.answers: dict[Cell, Answer] = {}
        self.verdicts: dict[Cell, Paired] = {}
        self._ask, self._compare, self._keep = ask, compare, keep
        self._at_once = at_once
        self._stop = threading.Event()
        self._rows: list[Future[None]] = []

    @property
    def calls(self) -> int:
        return len(self.items) * self.columns

    @property
    def state(self) -> State:
        if any(not row.done() for row in self._rows):
            return "running"
        if not self._rows:
            return "ready"
        return "done" if not self.left() else "stopped"

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def left(self) -> list[int]:
        """Rows that something is still missing of."""
        return [place for place in range(len(self.items)) if not self._is_whole(place)]

    def start(self) -> None:
        """Begin, or go on with what is left; nothing is asked twice."""
        if self.state == "running":
            return
        self._stop.clear()
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="evaluation")
        self._rows = [pool.submit(self._row, place) for place in self.left()]
        pool.shutdown(wait=False)
        for row in self._rows:
            row.add_done_callback(_complain)

    def stop(self) -> None:
        """Ask nothing more; what is under way comes to its end."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Whether all has ended within this time."""
        ended = threading.Event()
        rows = list(self._rows)
        for row in rows:
            row.add_done_callback(lambda _: ended.set() if self.state != "running" else None)
        return self.state != "running" or ended.wait(seconds)

    # -- in a thread of its own --------------------------------------------------------------------

    def _row(self, place: int) -> None:
        for column in range(self.columns):
            if (place, column) not in self.answers and not self._answered(place, column):
                return
        for column in range(1, self.columns):
            if (place, column) not in self.verdicts and not self._judged(place, column):
                return

    def _answered(self, place: int, column: int) -> bool:
        """Whether the cell has its answer now; without one all is stopped."""
        answer = None if self.stopping else self._ask(column, self.items[place])
        if answer is None:
            self.stop()
            return False
        self.answers[place, column] = answer
        return True

    def _judged(self, place: int, column: int) -> bool:
        first, second = self.answers[place, 0], self.answers[place, column]
        if not self._is_comparable(place):
            return True
        paired = None if self.stopping else self._found(self.items[place], first, second)
        if paired is None:
            self.stop()
            return False
        self.verdicts[place, column] = paired
        self._keep(column, first, second, paired)
        return True

    def _found(self, item: Item, first: Answer, second: Answer) -> Paired | None:
        return FAILED if second.text is None else self._compare(item, first, second)

    def _is_comparable(self, place: int) -> bool:
        """Without an answer of the baseline there is nothing to compare with."""
        first = self.answers.get((place, 0))
        return first is not None and bool(first.text and first.text.strip())

    def _is_whole(self, place: int) -> bool:
        if any((place, column) not in self.answers for column in range(self.columns)):
            return False
        judged = all((place, column) in self.verdicts for column in range(1, self.columns))
        return judged or not self._is_comparable(place)


def _complain(row: Future[None]) -> None:
    """A defect of ours: its message could quote a text, the kind of error cannot."""
    if not row.cancelled() and (error := row.exception()):
        _log.error("hf-ledger could not evaluate a row: %s", type(error).__name__)
