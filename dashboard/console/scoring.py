"""An evaluation as tables: a row a column, and a row an answer; pages and files share them."""

from __future__ import annotations

from typing import Any

from hf_ledger.analytics.words import dollars, percent
from hf_ledger.dashboard.console.asking import label_of
from hf_ledger.dashboard.console.contests import Contest, asked_text
from hf_ledger.dashboard.format import milliseconds
from hf_ledger.ingest.doors.evaluation.comparing import is_right
from hf_ledger.ingest.doors.evaluation.running import Evaluation
from hf_ledger.ingest.doors.evaluation.tallying import Share, Tally, how_sure

Row = dict[str, Any]

VERDICTS = ("better", "same", "worse", "different", "unsure", "failed")
NOTHING = "–"


def labels(contest: Contest) -> list[str]:
    return [label_of(column, number) for number, column in enumerate(contest.columns, 1)]


def shown(contest: Contest, tallies: list[Tally]) -> list[Row]:
    """A row a column for people; the first column is what the others are set beside."""
    return [
        {
            "Column": name,
            "Right": share_of(tally.right),
            "95 % interval": interval(tally.right),
            **{verdict.capitalize(): beside(tally, verdict) for verdict in VERDICTS},
            "Cost": cost_of(tally),
            "Per 1,000 calls": dollars(tally.per_thousand),
            "Median latency": milliseconds(tally.latency_ms),
            "Cut at its limit": tally.was_cut,
            "No answer": tally.failed,
        }
        for name, tally in zip(labels(contest), tallies, strict=True)
    ]


def share_of(right: Share) -> str:
    if right.value is None:
        return NOTHING
    return f"{percent(right.value)} ({right.k:,} of {right.n:,})"


def interval(share: Share) -> str:
    if share.low is None or share.high is None:
        return NOTHING
    return f"{percent(share.low)} to {percent(share.high)}"


def beside(tally: Tally, verdict: str) -> str:
    return "baseline" if tally.column == 0 else f"{tally.verdicts[verdict]:,}"


def cost_of(tally: Tally) -> str:
    """At least so much, where a call has no known price."""
    if tally.cost is None:
        return dollars(None) if tally.answered else NOTHING
    return f"at least {dollars(tally.cost)}" if tally.unpriced else dollars(tally.cost)


def pairs(tallies: list[Tally]) -> int:
    """How many rows a statement rests on: the fewest that any column was compared in."""
    if len(tallies) < 2:
        return tallies[0].right.n if tallies else 0
    return min(sum(each.verdicts.values()) - each.verdicts["failed"] for each in tallies[1:])


def sureness(tallies: list[Tally]) -> str:
    return how_sure(pairs(tallies))


def summary(contest: Contest, tallies: list[Tally]) -> list[Row]:
    """The same for a file: every figure in full, unknown empty."""
    return [
        {
            "column": name,
            "judge": contest.judge,
            "answered": tally.answered,
            "failed": tally.failed,
            "right": tally.right.k,
            "right_of": tally.right.n,
            "low_95": tally.right.low,
            "high_95": tally.right.high,
            **{verdict: tally.verdicts[verdict] for verdict in VERDICTS},
            "cost_usd": tally.cost,
            "unpriced": tally.unpriced,
            "judge_cost_usd": tally.judge_cost,
            "per_1000_usd": tally.per_thousand,
            "median_latency_ms": tally.latency_ms,
            "input_tokens": tally.input_tokens,
            "output_tokens": tally.output_tokens,
            "cut_at_limit": tally.was_cut,
        }
        for name, tally in zip(labels(contest), tallies, strict=True)
    ]


def rows_of(contest: Contest, evaluation: Evaluation) -> list[Row]:
    """A row an answer for a file, as it was asked, said and judged."""
    names = labels(contest)
    return [
        {
            "row": evaluation.items[place].place,
            "id": evaluation.items[place].id,
            "column": names[column],
            "asked": asked_text(evaluation.items[place]),
            "expected": evaluation.items[place].expected,
            "answer": answer.text,
            "failure": answer.failure,
            "right": is_right(contest.judge, evaluation.items[place].expected, answer.text),
            "verdict": verdict_at(evaluation, place, column),
            "cost_usd": answer.cost,
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "latency_ms": answer.latency_ms,
        }
        for (place, column), answer in sorted(dict(evaluation.answers).items())
    ]


def verdict_at(evaluation: Evaluation, place: int, column: int) -> str | None:
    found = evaluation.verdicts.get((place, column))
    return None if found is None else found.judged.verdict


def overview(contest: Contest, evaluation: Evaluation) -> list[Row]:
    """A row a question: what each column's answer was found to be."""
    names = labels(contest)
    return [
        {
            "Row": item.place,
            "Id": item.id,
            "Expected": item.expected,
            **{
                name: found_at(contest, evaluation, place, column)
                for column, name in enumerate(names)
            },
        }
        for place, item in enumerate(evaluation.items)
    ]


def found_at(contest: Contest, evaluation: Evaluation, place: int, column: int) -> str:
    """Right or wrong where something was expected, else the verdict beside the first column."""
    answer = evaluation.answers.get((place, column))
    if answer is None:
        return NOTHING
    if answer.text is None:
        return "no answer"
    right = is_right(contest.judge, evaluation.items[place].expected, answer.text)
    if right is not None:
        return "right" if right else "wrong"
    return verdict_at(evaluation, place, column) or "answered"
