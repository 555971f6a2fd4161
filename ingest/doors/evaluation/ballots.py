"""Blind votes: which side an answer stood on, what a choice says, and what all of them say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from hf_ledger.ingest.call import Verdict
from hf_ledger.ingest.doors.evaluation.comparing import Paired
from hf_ledger.ingest.doors.evaluation.tallying import Share, wilson
from hf_ledger.ingest.doors.evaluation.verdicts import HUMAN, SIGNS
from hf_ledger.ingest.doors.replays.judges import Judged

Choice = Literal["A", "B", "same", "unsure"]


class Vote(NamedTuple):
    """A choice between A and B; `swapped`: the second answer stood as A."""

    choice: Choice
    swapped: bool

    @property
    def verdict(self) -> Verdict:
        """What it says of the second answer, the first being the baseline's."""
        match self.choice:
            case "A":
                return "better" if self.swapped else "worse"
            case "B":
                return "worse" if self.swapped else "better"
            case _:
                return self.choice

    @property
    def paired(self) -> Paired:
        verdict = self.verdict
        return Paired(Judged(HUMAN, verdict, SIGNS.get(verdict), order_swapped=self.swapped))


class Count(NamedTuple):
    """Votes on one pair of columns, and how often what stood as A was preferred."""

    better: int
    worse: int
    same: int
    unsure: int
    preferred: Share  # the second, of the votes that preferred one
    left: Share  # A, of the same


def counted(votes: Sequence[Vote]) -> Count:
    found = [vote.verdict for vote in votes]
    better, worse = found.count("better"), found.count("worse")
    decided = better + worse
    left = sum(vote.choice == "A" for vote in votes)
    return Count(
        better=better,
        worse=worse,
        same=found.count("same"),
        unsure=found.count("unsure"),
        preferred=wilson(better, decided),
        left=wilson(left, decided),
    )
