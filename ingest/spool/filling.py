"""What is untaken, in batches staged one ahead: while one is committed, the next is read."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle

from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.spool.reading import (
    PIECE_LINES,
    Batch,
    Rejected,
    Run,
    Untaken,
)
from hf_ledger.ingest.spool.staging import AT_FAULT, Stage

#: One row group of DuckDB's. A transaction that brings a whole one writes it once, to its place;
#: with fewer rows they go through the write-ahead log and are written again at a checkpoint.
#: Never more: in a transaction, 2.0.0 was seen to read nothing back from a larger table made in
#: that same transaction, which is also why rows are staged before it begins.
BATCH_CALLS = 122_880
#: Memory follows what a batch holds: calls in DuckDB, everything else here.
BATCH_BYTES = 256 * 2**20
BATCH_RARE = 20_000

NOT_ALL_KEPT = (
    "the ledger would have kept {kept} of {expected} new calls: nothing was taken and all of it "
    "is still in spool/. This is a defect of hf-ledger or DuckDB; please report it."
)


@dataclass
class Filled:
    """A batch whose calls are staged: `lines` of calls became `rows`."""

    stage: Stage
    batch: Batch
    lines: int = 0
    rows: int = 0
    bytes: int = 0

    @property
    def room(self) -> int:
        """Lines that may still come in."""
        if self.bytes >= BATCH_BYTES or self.batch.rare >= BATCH_RARE:
            return 0
        return min(BATCH_CALLS - self.lines, PIECE_LINES)

    def add_runs(self) -> None:
        """Stage the calls read last; the lines that can't become a row go to quarantine."""
        runs, self.batch.runs = self.batch.runs, []
        self.bytes += sum(len(run.data) for run in runs)
        if not runs:
            return
        try:
            added, expected = self.stage.add(run.data for run in runs), _lines(runs)
        except AT_FAULT:
            added, expected = self._add_without_refused(runs)
        if added != expected:
            raise Unusable(NOT_ALL_KEPT.format(kept=added, expected=expected))
        self.lines += added
        self.rows += added

    def _add_without_refused(self, runs: Sequence[Run]) -> tuple[int, int]:
        placed = [each for run in runs for each in run.lines()]
        refused = set(self.stage.refused([line for _, line in placed]))
        self.batch.rejected += [
            Rejected(placed[index][0], "not readable as a call") for index in sorted(refused)
        ]
        good = [line for index, (_, line) in enumerate(placed) if index not in refused]
        return (self.stage.add(good) if good else 0), len(good)


def filled_ahead(stages: Sequence[Stage], untaken: Untaken) -> Generator[Filled, None, None]:
    """Each batch staged; while one is committed, the next is read on the other core."""
    with ThreadPoolExecutor(1, "hf-ledger-stage") as pool:
        ahead = pool.submit(_fill, stages[0], untaken)
        for stage in cycle([*stages[1:], stages[0]]):
            filled = ahead.result()
            if not filled.batch.reached:
                return
            ahead = pool.submit(_fill, stage, untaken)
            yield filled


def _fill(stage: Stage, untaken: Untaken) -> Filled:
    """Stage the next batch; one that reached no segment is the end."""
    filled = Filled(stage, Batch())
    stage.clear()
    while filled.room and untaken.read(filled.batch, filled.room):
        filled.add_runs()
    filled.rows -= stage.drop_repeated()
    return filled


def _lines(runs: Sequence[Run]) -> int:
    return sum(run.calls for run in runs)
