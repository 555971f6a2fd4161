"""What is found of two answers to one row: by what was expected, or beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from hf_ledger.ingest.call import ReplayOutcome, Verdict
from hf_ledger.ingest.doors.replays.judges import (
    EXACT,
    JSON,
    JUDGES,
    LABEL,
    LLM,
    NORMALISED,
    NUMERIC,
    Judged,
)
from hf_ledger.ingest.doors.replays.preference import preferred

#: What a person may choose, by the judge that it is.
METHODS = {
    "Normalised text": NORMALISED,
    "Exact text": EXACT,
    "Label": LABEL,
    "Number": NUMERIC,
    "JSON": JSON,
    "Judged by a model": LLM,
}

#: A judge model's answer to a prompt and what it cost; None each where it is not known.
AskJudge = Callable[[str], tuple[str | None, Decimal | None]]


class Paired(NamedTuple):
    """A verdict on a second answer beside the first."""

    judged: Judged
    model_score: float | None = None  # whether the first was as expected
    judge_cost: Decimal | None = Decimal(0)
    outcome: ReplayOutcome = "ok"


FAILED = Paired(Judged("", "failed"), outcome="error")


def is_right(judge: str, expected: str | None, answer: str | None) -> bool | None:
    """Whether an answer is as expected; None where nobody can say."""
    if expected is None or answer is None or judge not in JUDGES:
        return None
    verdict = JUDGES[judge](expected, answer).verdict
    return None if verdict == "unsure" else verdict == "same"


def compared(judge: str, expected: str | None, first: str, second: str) -> Paired:
    """By what was expected where that is known, and only then better can be told from worse."""
    if expected is None:
        return Paired(JUDGES[judge](first, second))
    one, two = is_right(judge, expected, first), is_right(judge, expected, second)
    score = None if one is None else float(one)
    return Paired(Judged(judge, verdict_of(one, two)), score)


def verdict_of(first: bool | None, second: bool | None) -> Verdict:
    """What being right or wrong makes of the second; two wrong answers are equally wrong."""
    if first is None or second is None:
        return "unsure"
    if first == second:
        return "same"
    return "better" if second else "worse"


def judged_by(question: str, first: str, second: str, ask: AskJudge, model: str) -> Paired:
    """By a judge model, asked in both orders; it may take as long as two calls."""
    costs: list[Decimal | None] = []

    async def asked(prompt: str) -> str | None:
        said, cost = ask(prompt)
        costs.append(cost)
        return said

    found = asyncio.run(preferred(question, first, second, asked, model))
    known = [cost for cost in costs if cost is not None]
    cost = sum(known, Decimal(0)) if len(known) == len(costs) else None
    if found is None:
        return Paired(Judged(f"{LLM}:{model}", "failed"), None, cost, "judge_error")
    return Paired(found, None, cost)
