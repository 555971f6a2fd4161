"""Which comparisons are evidence of two models, and their lines."""

from __future__ import annotations

from hf_ledger.ingest.call import Evidence, Origin, Replayed
from hf_ledger.ingest.doors.evaluation.comparing import Paired
from hf_ledger.ingest.doors.evaluation.running import Answer
from hf_ledger.ingest.doors.evaluation.verdicts import Answered, verdict_line


def line_of(first: Answer, second: Answer, paired: Paired, evidence: Evidence) -> Replayed | None:
    """The line of a comparison; None where a call is not known, or nobody knows of which model."""
    one, two = answered(first), answered(second)
    if one is None or two is None:
        return None
    return verdict_line(
        one,
        two,
        paired.judged,
        evidence,
        origin_of(first, second),
        model_score=paired.model_score,
        judge_cost=paired.judge_cost,
        outcome=paired.outcome,
    )


def answered(answer: Answer) -> Answered | None:
    if answer.call_id is None or not answer.model:
        return None
    counts = (answer.input_tokens, answer.output_tokens)
    return Answered(answer.call_id, answer.ts, answer.model, *counts, answer.cost)


def origin_of(first: Answer, second: Answer) -> Origin:
    """Where no model ran for one of two answers, nothing is said of either model."""
    return second.origin if first.origin == "live" else first.origin
