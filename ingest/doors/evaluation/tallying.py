"""What an evaluation has found so far, column by column, with how sure that is."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import sqrt
from typing import NamedTuple

from hf_ledger.ingest.doors.evaluation.comparing import is_right
from hf_ledger.ingest.doors.evaluation.running import Answer, Evaluation

#: Pairs that a statement needs: for a target of 95 % of the quality, and for one of 98 %.
ENOUGH = 400
ENOUGH_FOR_98 = 1_000
Z_95 = 1.959963984540054


class Share(NamedTuple):
    """`k` of `n`, with its 95 % interval; without any there is none."""

    k: int
    n: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        return self.k / self.n if self.n else None


class Tally(NamedTuple):
    """One column. Costs are of calls with a known cost, `unpriced` calls have none."""

    column: int
    answered: int
    failed: int
    was_cut: int
    right: Share
    verdicts: Counter[str]
    cost: Decimal | None
    unpriced: int
    judge_cost: Decimal | None  # None where one is unknown
    latency_ms: float | None  # median of the answered
    input_tokens: int
    output_tokens: int

    @property
    def per_thousand(self) -> Decimal | None:
        """USD for 1,000 calls like those that have a known cost."""
        calls = self.answered + self.failed - self.unpriced
        return None if self.cost is None or not calls else self.cost * 1000 / calls


def wilson(k: int, n: int) -> Share:
    """Wilson's 95 % interval of a share."""
    if not n:
        return Share(k, n, None, None)
    square = Z_95**2
    middle = (k + square / 2) / (n + square)
    half = Z_95 / (n + square) * sqrt(k * (n - k) / n + square / 4)
    low = 0.0 if k == 0 else max(0.0, middle - half)
    high = 1.0 if k == n else min(1.0, middle + half)
    return Share(k, n, low, high)


def tallied(evaluation: Evaluation, judge: str) -> list[Tally]:
    """All columns as they stand now."""
    return [tally(evaluation, judge, column) for column in range(evaluation.columns)]


def tally(evaluation: Evaluation, judge: str, column: int) -> Tally:
    answers, verdicts = dict(evaluation.answers), dict(evaluation.verdicts)
    mine = [(place, a) for (place, c), a in sorted(answers.items()) if c == column]
    found = [is_right(judge, evaluation.items[place].expected, a.text) for place, a in mine]
    paired = [each for (_, c), each in verdicts.items() if c == column]
    return Tally(
        column=column,
        answered=sum(a.text is not None for _, a in mine),
        failed=sum(a.text is None for _, a in mine),
        was_cut=sum(a.was_cut for _, a in mine),
        right=wilson(found.count(True), len(found) - found.count(None)),
        verdicts=Counter(each.judged.verdict for each in paired),
        cost=known_sum([a.cost for _, a in mine]),
        unpriced=sum(a.cost is None for _, a in mine),
        judge_cost=whole_sum([each.judge_cost for each in paired]),
        latency_ms=median([a for _, a in mine]),
        input_tokens=sum(a.input_tokens or 0 for _, a in mine),
        output_tokens=sum(a.output_tokens or 0 for _, a in mine),
    )


def median(answers: Sequence[Answer]) -> float | None:
    known = [a.latency_ms for a in answers if a.text is not None and a.latency_ms is not None]
    return statistics.median(known) if known else None


def known_sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    """Of those that are known; None where none is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known else None


def whole_sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    """Of all; None where one is unknown."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def how_sure(n: int) -> str:
    """What a number of pairs is good for, in one sentence; empty where it is enough."""
    if n >= ENOUGH_FOR_98:
        return ""
    if n >= ENOUGH:
        return (
            f"n = {n:,}: enough for a target of 95 %; at least {ENOUGH_FOR_98:,} for one of 98 %."
        )
    return f"n = {n:,}: too few to say; at least {ENOUGH} for a 95 % target."
