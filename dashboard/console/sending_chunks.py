"""A text that goes through a column in chunks: each is a call of its own, held and priced alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from hf_ledger.dashboard.console import long_texts
from hf_ledger.dashboard.console.column import Column, Question, Run
from hf_ledger.dashboard.console.long_texts import Asked, Priced
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.target import Target

#: Sends one run whole, within budgets; fills it in.
Whole = Callable[[Run], Awaitable[None]]


def is_long(run: Run, target: Target) -> bool:
    """Whether this column was agreed to get its text in chunks; one that takes it all, does."""
    asked = Asked(run.column, target)
    return run.question.in_chunks and long_texts.why_long(asked, run.question.inputs) is not None


async def send_in_chunks(run: Run, target: Target, prices: Prices, whole: Whole) -> None:
    """All chunks, put together as the task wants it. Raises `LedgerError` with one sentence."""
    plan = long_texts.plan_of(Asked(run.column, target), run.question, Priced(prices, time.time()))
    parts: list[Run] = []

    async def one(task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        part = part_of(run, Question(task=task, inputs=inputs, team=run.question.team), parameters)
        parts.append(part)
        await whole(part)
        return Routed(value=part.value, target=target, attempts=(), operation_id="", cost=part.cost)

    try:
        done = await long_texts.answered(plan, one)
        run.value, run.cost = done.value, done.cost
        run.text = done.value if isinstance(done.value, str) else ""
    finally:
        added(run, parts)


def part_of(run: Run, question: Question, parameters: Mapping[str, Any]) -> Run:
    column: Column = replace(run.column, parameters=parameters)
    return Run(column=column, question=question, purpose=run.purpose)


def added(run: Run, parts: list[Run]) -> None:
    """Tokens and raw text of the calls together; a sum that lacks one is unknown."""
    run.provider = next((part.provider for part in parts if part.provider), None)
    run.input_tokens = total([part.input_tokens for part in parts])
    run.output_tokens = total([part.output_tokens for part in parts])
    run.sent = next((part.sent for part in parts if part.sent), None)
    run.finish_reason = f"{len(parts)} calls"


def total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None
