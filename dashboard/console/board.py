"""What one browser session has on its console: columns, and the questions asked of them.

It is kept in the session's memory alone. The address says which columns; what was asked is nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hf_ledger.dashboard.console.column import (
    MOST_COLUMNS,
    Column,
    Question,
    Run,
)
from hf_ledger.dashboard.console.destinations import ROUTER
from hf_ledger.dashboard.console.linking import Linked
from hf_ledger.dashboard.console.offers import Offers
from hf_ledger.ingest.doors.router.wanted import CHAT

MOST_TOKENS = 512
MOST_ROUNDS = 20

NOT_LISTED = (
    "A link named the model {model}, which nobody lists: it is shown and not called until you "
    "say so in its column."
)


@dataclass(eq=False)
class Round:
    """One question and what its columns made of it."""

    question: Question
    runs: list[Run]

    @property
    def over(self) -> bool:
        return all(run.over for run in self.runs)

    @property
    def settled(self) -> bool:
        return all(run.settled for run in self.runs)


@dataclass(eq=False)
class Board:
    """Columns by slot; a slot keeps its number when its neighbours go."""

    task: str = CHAT
    team: str | None = None
    columns: dict[int, Column] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    chosen: set[str] = field(default_factory=set)  # models that were chosen here, not by a link
    slots: int = 0  # so many were made
    shown: Round | None = None  # an earlier round that is looked at; None: the latest

    @classmethod
    def of(cls, linked: Linked, targets: Sequence[str], models: Sequence[str]) -> Board:
        """The columns of a link; without any, two of different models."""
        board = cls(task=linked.task, team=linked.team)
        for column in linked.columns[:MOST_COLUMNS]:
            board.add(filled(column, targets, models))
        if not linked.columns:
            for model in models[:2]:
                board.add(standard(targets, model, linked.task))
        return board

    def add(self, column: Column) -> None:
        if len(self.columns) < MOST_COLUMNS:
            self.columns[self.slots] = column
            self.slots += 1

    def remove(self, slot: int) -> None:
        if len(self.columns) > 1:
            self.columns.pop(slot, None)

    def ask(
        self, inputs: Mapping[str, Any], offers: Offers, *, in_chunks: bool = False
    ) -> list[Run]:
        """A new round; gives the runs that are to be sent. What only a link named is not, nor the
        same question once more while it is being answered: that was a second click."""
        question = Question(task=self.task, inputs=inputs, team=self.team, in_chunks=in_chunks)
        if self._is_asked(question):
            return []
        runs = [Run(column=column, question=question) for column in self.columns.values()]
        for run in runs:
            why = self.why_not(run.column, offers)
            if why:
                run.state, run.failure, run.settled = "failed", why, True
        self.rounds = [*self.rounds, Round(question, runs)][-MOST_ROUNDS:]
        return [run for run in runs if not run.over]

    def _is_asked(self, question: Question) -> bool:
        if not self.rounds or self.rounds[-1].over:
            return False
        asked = [run.column for run in self.rounds[-1].runs]
        return self.rounds[-1].question == question and asked == list(self.columns.values())

    def why_not(self, column: Column, offers: Offers) -> str | None:
        """One sentence where the column is not to be called: a name that only a link gave, and
        that nobody lists, could be anything, and dear."""
        if offers.lists(self.task, column) or column.model in self.chosen:
            return None
        return NOT_LISTED.format(model=column.model)

    @property
    def linked(self) -> Linked:
        return Linked(self.task, self.team, tuple(self.columns.values()))

    @property
    def round_shown(self) -> Round | None:
        return self.shown or (self.rounds[-1] if self.rounds else None)

    @property
    def runs(self) -> list[Run]:
        """All of the session, in order."""
        return [run for each in self.rounds for run in each.runs]

    def forget(self) -> None:
        """Questions and answers of rounds that are over."""
        self.rounds = [each for each in self.rounds if not each.over]
        self.shown = None

    def for_task(self, task: str, targets: Sequence[str], models: Sequence[str]) -> Board:
        """The board with columns for another task; what was asked stays."""
        made = Board(task=task, team=self.team, rounds=self.rounds, chosen=self.chosen)
        made.slots = self.slots
        for place, column in enumerate(self.columns.values()):
            model = models[min(place, len(models) - 1)] if models else ""
            made.add(standard([column.target, *targets], model, task))
        return made


def standard(targets: Sequence[str], model: str, task: str) -> Column:
    """A column as it is added; a limit of tokens, so that its price can be said."""
    limit = {CHAT: "max_tokens", "text-generation": "max_new_tokens"}.get(task)
    parameters = {limit: MOST_TOKENS} if limit else {}
    return Column(target=targets[0], model=model, parameters=parameters)


def filled(column: Column, targets: Sequence[str], models: Sequence[str]) -> Column:
    """A link's column with what it left open; a target that is not here is kept, and not asked."""
    target = column.target or (ROUTER if column.policy else targets[0])
    model = column.model
    if not model and target != ROUTER and models:
        model = models[0]
    return replace(column, target=target, model=model)
