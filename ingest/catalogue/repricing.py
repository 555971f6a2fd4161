"""Pricing calls again: a recorded run that can be undone, cent for cent.

A run changes the calls of open months. Calls of a closed month keep the cost they were closed with;
what they would cost now is kept beside them as a correction. Undoing is a run too: nothing that a
run wrote is ever taken out of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import duckdb

from hf_ledger.ingest.catalogue.comparing import BASES, CHANGES, compare, naive, spans
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger

# The way back, from what the run wrote down; a month closed since then takes it as a correction.
REVERSED = """
insert into changes
select
    repriced.call_id,
    repriced.ts,
    months.month,
    repriced.new_list_cost,
    repriced.new_cost,
    repriced.new_cost_basis,
    repriced.new_price_id,
    repriced.new_payer,
    repriced.old_list_cost,
    repriced.old_cost,
    repriced.old_cost_basis,
    repriced.old_price_id,
    repriced.old_payer
from repriced_calls as repriced
inner join calls
    on calls.call_id = repriced.call_id
    and calls.ts = repriced.ts
left join months
    on repriced.ts >= months.since
    and repriced.ts < months.until
    and calls.origin in ('live', 'import')
where repriced.run_id = $run_id
    and calls.ts >= $since
    and calls.ts < $until
"""

CHANGE_CALLS = """
update calls
set
    list_cost = changes.new_list_cost,
    cost = changes.new_cost,
    cost_basis = changes.new_cost_basis,
    price_id = changes.new_price_id,
    payer = changes.new_payer
from changes
where calls.call_id = changes.call_id
    and calls.ts = changes.ts
    and calls.ts >= $since
    and calls.ts < $until
    and changes.month is null
"""

KEEP_CHANGES = """
insert into repriced_calls by name
select
    $run_id as run_id,
    *
from changes
"""

KEEP_RUN = """
insert into repricing_runs
select
    $run_id,
    $now,
    $reason,
    $since,
    $until,
    $calls,
    count(*),
    $undo_of
from changes
"""

NEXT_RUN = """
select coalesce(max(run_id), 0) + 1
from repricing_runs
"""

BEFORE_AND_AFTER = """
select
    cast(changes.ts as date) as day,
    coalesce(calls.model, calls.provider_model) as model,
    changes.month,
    count(*) as calls,
    sum(changes.old_cost) as before,
    sum(changes.new_cost) as after,
    count(*) filter (where changes.old_cost is null) as unpriced_before,
    count(*) filter (where changes.new_cost is null) as unpriced_after
from changes
inner join calls
    on calls.call_id = changes.call_id
    and calls.ts = changes.ts
group by all
order by
    day,
    model,
    month
"""

RUN = """
select
    since,
    until,
    undo_of,
    calls
from repricing_runs
where run_id = $run_id
"""

UNDONE = """
select run_id
from repricing_runs
where undo_of = $run_id
"""

# What a later run built on this one's figures stands in the way, unless it was taken back itself.
BUILT_ON = """
select max(later.run_id)
from repriced_calls as later
inner join repricing_runs as run on run.run_id = later.run_id
inner join repriced_calls as mine
    on mine.call_id = later.call_id
    and mine.ts = later.ts
where mine.run_id = $run_id
    and later.run_id > $run_id
    and run.undo_of is null
    and later.run_id not in (select undo_of from repricing_runs where undo_of is not null)
"""


@dataclass(frozen=True)
class Moved:
    """What a run does to the calls of one model on one day (UTC); USD, None where none is known.

    `month` names the closed month whose calls stay as they were: the change is a correction.
    """

    day: str
    model: str | None
    month: str | None
    calls: int
    before: Decimal | None
    after: Decimal | None
    unpriced_before: int
    unpriced_after: int


@dataclass(frozen=True)
class Repriced:
    """A run: its number (None for a dry run or where nothing changed), and what it changed."""

    run_id: int | None
    calls: int
    changed: int
    corrected: int
    undo_of: int | None = None
    moved: list[Moved] = field(default_factory=list)


def reprice(
    ledger: Ledger,
    since: datetime,
    until: datetime,
    reason: str,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Repriced:
    """Price the calls with `since <= ts < until` as if they came in now; all in one transaction.

    Raises `Usage` for a period that ends before it begins.
    """
    since, until = naive(since), naive(until)
    if until <= since:
        raise Usage("the period to reprice ends before it begins: give --until after --since.")
    with ledger.writing, Run(ledger, dry_run=dry_run) as run:
        for first, last in spans(run.cursor, since, until):
            run.looked += compare(run.cursor, first, last)
        return run.keep(since, until, reason, now)


def undo(
    ledger: Ledger, run_id: int, *, dry_run: bool = False, now: datetime | None = None
) -> Repriced:
    """Give every call of a run the cost it had before; `Usage` where that run can't be undone."""
    with ledger.writing, Run(ledger, dry_run=dry_run) as run:
        since, until, run.looked = undoable(run.cursor, run_id)
        run.cursor.execute(REVERSED, {"run_id": run_id, "since": since, "until": until})
        return run.keep(since, until, f"undo of run {run_id}", now, undo_of=run_id)


class Run:
    """One transaction with its temporary tables; rolled back where dry or where it raised."""

    def __init__(self, ledger: Ledger, *, dry_run: bool) -> None:
        self.cursor = ledger.cursor()
        self.looked = 0
        self._dry_run = dry_run
        self._kept = False

    def __enter__(self) -> Run:
        self.cursor.execute("begin")
        self.cursor.execute(BASES)
        self.cursor.execute(CHANGES)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.cursor.execute("commit" if self._kept else "rollback")
        finally:
            self.cursor.close()

    def keep(
        self,
        since: datetime,
        until: datetime,
        reason: str,
        now: datetime | None,
        undo_of: int | None = None,
    ) -> Repriced:
        """Write the changes, and down what they were; the run as a value."""
        moved = moved_by(self.cursor)
        changed = sum(each.calls for each in moved)
        run_id = None if self._dry_run or not changed else self._next_run()
        if run_id is not None:
            self.cursor.execute(CHANGE_CALLS, {"since": since, "until": until})
            self.cursor.execute(KEEP_CHANGES, {"run_id": run_id})
            self.cursor.execute(
                KEEP_RUN,
                {
                    "run_id": run_id,
                    "now": naive(now or datetime.now(UTC)),
                    "reason": reason,
                    "since": since,
                    "until": until,
                    "calls": self.looked,
                    "undo_of": undo_of,
                },
            )
            self._kept = True
        corrected = sum(each.calls for each in moved if each.month)
        return Repriced(run_id, self.looked, changed - corrected, corrected, undo_of, moved)

    def _next_run(self) -> int:
        (number,) = self.cursor.execute(NEXT_RUN).fetchone() or (1,)
        return int(number)


def moved_by(cursor: duckdb.DuckDBPyConnection) -> list[Moved]:
    found = cursor.execute(BEFORE_AND_AFTER).fetchall()
    return [Moved(f"{day:%Y-%m-%d}", *rest) for day, *rest in found]


def undoable(cursor: duckdb.DuckDBPyConnection, run_id: int) -> tuple[datetime, datetime, int]:
    """The span of a run and its calls; `Usage` says why where it can't be undone."""
    asked = {"run_id": run_id}
    run = cursor.execute(RUN, asked).fetchone()
    if run is None:
        raise Usage(f"there is no repricing run {run_id}; hf-ledger reprice --runs lists them.")
    since, until, undo_of, calls = run
    if undo_of is not None:
        raise Usage(f"run {run_id} is itself the undoing of run {undo_of}: reprice again instead.")
    if undone := cursor.execute(UNDONE, asked).fetchone():
        raise Usage(f"run {run_id} was undone already, by run {undone[0]}.")
    (later,) = cursor.execute(BUILT_ON, asked).fetchone() or (None,)
    if later is not None:
        raise Usage(f"run {later} changed the same calls after run {run_id}: undo {later} first.")
    return since, until, int(calls)
