"""What a column would cost at a team's own volume: its calls of the task in the last 28 days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hf_ledger.analytics.scope import Scope
from hf_ledger.analytics.words import PRICE_UNKNOWN, counted, dollars, percent
from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import Book
from hf_ledger.dashboard.console.column import Column, Question, Run
from hf_ledger.dashboard.console.pricing import capital, pairs_of, span, unpriceable
from hf_ledger.dashboard.format import share, short_model
from hf_ledger.ingest.call import HostKind

Row = dict[str, Any]

DAYS = 28
#: So many of the session's latest runs are looked through for pairs.
MOST_RUNS = 200
SAME_TOKENS = "At the same tokens: another model writes more or less for the same question."


@dataclass(frozen=True)
class Ratio:
    """How many tokens a model read and wrote for each one of the other, over the same questions."""

    questions: int
    read: Decimal
    written: Decimal


def scope_of(question: Question, now: datetime) -> Scope:
    """The team's own work on the task, in the 28 days before this hour; all teams without one."""
    until = now.replace(minute=0, second=0, microsecond=0)
    where: dict[str, tuple[str, ...]] = {"task": (question.task,), "purpose": ("work",)}
    if question.team is not None:
        where["team"] = (question.team,)
    return Scope(until - timedelta(days=DAYS), until, where=where)


def rows(
    book: Book, column: Column, question: Question, listed: Iterable[Row], now: datetime
) -> list[Row]:
    """The answer of `volume` for the column's routes; a model without a price is a route too."""
    routes = pairs_of(column, listed) or [(column.model, column.provider)]
    return loaders.rows(book, "volume", scope_of(question, now), routes=routes)


def line(
    column: Column,
    question: Question,
    found: Sequence[Row],
    runs: Sequence[Run] = (),
    kind: HostKind = "router",
) -> str:
    """One line for the column: what the calls would cost there, and what they did cost."""
    why = unpriceable(column, question, kind)
    if why:
        return f"{capital(why)}."
    calls = found[0]["calls"] if found else 0
    if not calls:
        return empty(question)
    best = comparable(found)
    if not best:
        return f"At {whose(question)} volume: {PRICE_UNKNOWN} ({counted(calls, 'call')})."
    whole = [row["cost_after"] for row in best]
    said = f"At {whose(question)} volume: {span(min(whole), max(whole))} for {DAYS} days"
    return f"{said} at the same tokens, {against(best[0])}.{adjusted(column, best, runs)}"


def empty(question: Question) -> str:
    who = "Nobody" if question.team is None else f"{question.team or 'No team'}"
    made = "made" if question.team is None else "made no"
    calls = f"{made} {question.task} calls in the last {DAYS} days"
    return f"{who} {calls}, so there is no volume to compare with."


def whose(question: Question) -> str:
    if question.team is None:
        return "your"
    return f"{question.team}'s" if question.team else "teamless"


def comparable(found: Sequence[Row]) -> list[Row]:
    """Routes with a price for as many of the calls as any has; the others cost part of them."""
    most = max(row["counted_calls"] for row in found)
    return [row for row in found if row["cost_after"] is not None and row["counted_calls"] == most]


def against(row: Row) -> str:
    """What the same calls did cost, and which part of all they are."""
    least = "at least " if row["unpriced_calls"] else ""
    spent = PRICE_UNKNOWN if row["cost"] is None else f"{least}{dollars(row['cost'])} spent"
    part = percent(share(row["counted_calls"], row["calls"]))
    return f"against {spent} ({counted(row['calls'], 'call')}, {part} with tokens)"


# -- what a model writes ---------------------------------------------------------------------------


def adjusted(column: Column, best: Sequence[Row], runs: Sequence[Run]) -> str:
    """One sentence more where the session knows how much the two models write; else empty."""
    main = best[0]["main_model"]
    ratio = ratio_of(column.model, main, runs) if main else None
    if ratio is None:
        return ""
    whole = [adjusted_cost(row, ratio) for row in best]
    per = f"{ratio.written:.2f} × the tokens of {short_model(main)} out, {ratio.read:.2f} × in"
    over = counted(ratio.questions, "question")
    return f" Adjusted by this session's runs ({over}: {per}): {span(min(whole), max(whole))}."


def adjusted_cost(row: Row, ratio: Ratio) -> Decimal:
    """An estimate: the price of input and output, each by its own ratio."""
    output: Decimal = row["output_cost_after"]
    read: Decimal = row["cost_after"] - output
    return (read * ratio.read + output * ratio.written).quantize(Decimal("1e-9"))


def ratio_of(model: str, main: str, runs: Sequence[Run]) -> Ratio | None:
    """Over questions that both models answered; None where there are none, or it is one model."""
    if model.lower() == main.lower():
        return None
    whole = [run for run in runs if has_tokens(run)][-MOST_RUNS:]
    ours = [run for run in whole if run.column.model.lower() == model.lower()]
    theirs = [run for run in whole if run.column.model.lower() == main.lower()]
    pairs = [(one, two) for one in ours for two in theirs if one.question == two.question]
    read = divided([(one.input_tokens, two.input_tokens) for one, two in pairs])
    written = divided([(one.output_tokens, two.output_tokens) for one, two in pairs])
    if read is None or written is None:
        return None
    return Ratio(len({id(one) for one, _ in pairs}), read, written)


def has_tokens(run: Run) -> bool:
    return run.state == "done" and run.input_tokens is not None and run.output_tokens is not None


def divided(pairs: Sequence[tuple[int | None, int | None]]) -> Decimal | None:
    ours = sum(one or 0 for one, _ in pairs)
    theirs = sum(two or 0 for _, two in pairs)
    return Decimal(ours) / Decimal(theirs) if theirs else None
