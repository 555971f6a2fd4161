"""What a document would cost, before it is sent: from its chunks and the ledger's prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.documents.job import CHAT, JOINED, Job
from hf_ledger.ingest.doors.documents.levels import level_of
from hf_ledger.ingest.doors.gateway.limits.pricing import MICROS, Prices, Rates, half_even
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.wire.estimate import TASKS, limit_of, read_tokens
from hf_ledger.ingest.wire.usage import INPUT_ONLY

#: An answer that is not as long as its chunk, where nothing limits it: a part of it.
ANSWER_SHARE = 4

BY_TOKENS = "{tokens} tokens of input as estimated from the text, at the ledger's prices"
LIMITED = "at most {limit} tokens of output a call"
UNLIMITED = "no limit of output is set, so there is no upper bound"
NO_BILL = "a server of your own sends no bill"
NO_TOKENS = "{task} is not priced by tokens: the price of a call is known after it"
NOBODY = "nobody is named who would answer"
NO_PRICE = "price unknown of {names}"


class Estimate(NamedTuple):
    """Calls and tokens of a document, and USD between `low` and `high`; None is unknown.

    `output_tokens` is the most that the limits allow. `cost` takes answers of a usual length at the
    dearest who may answer; `low` is no output at the cheapest, `high` all that is allowed at the
    dearest. `basis` says in words what it stands on.
    """

    chunks: int
    calls: int  # with summaries of summaries, as expected
    input_tokens: int
    output_tokens: int | None
    cost: Decimal | None
    low: Decimal | None
    high: Decimal | None
    basis: str


class Tokens(NamedTuple):
    """Sums over all calls."""

    calls: int
    input: int
    usual_output: int
    most_output: int | None


def estimate(
    text: str, job: Job, prices: Prices, targets: Sequence[Target], now: float
) -> Estimate:
    """The estimate for this text; `targets` may answer, `now` is in seconds since 1970."""
    level = level_of(text, job)
    sent = [level.sent(chunk, job) for chunk in level.chunks]
    counted = [read_tokens(body_of(job, each)) or 0 for each in sent if each.strip()]
    tokens = all_calls(counted, job)
    rates, why = rates_of(targets, job, prices, now)
    said = [why or BY_TOKENS.format(tokens=f"{tokens.input:,}")]
    if not why and job.task not in INPUT_ONLY:
        limit = limit_of(dict(job.parameters))
        said.append(UNLIMITED if limit is None else LIMITED.format(limit=f"{limit:,}"))
    return Estimate(
        chunks=len(level.chunks),
        calls=tokens.calls,
        input_tokens=tokens.input,
        output_tokens=tokens.most_output,
        cost=best(rates, tokens.input, tokens.usual_output),
        low=best(rates, tokens.input, 0, dearest=False),
        high=best(rates, tokens.input, tokens.most_output),
        basis="; ".join(said),
    )


def body_of(job: Job, sent: str) -> dict[str, Any]:
    """What a call's request keeps its texts in: a chat its messages, all else its inputs."""
    inputs = job.inputs_of(sent)
    return inputs if job.task == CHAT else {"inputs": inputs}


def all_calls(counted: Sequence[int], job: Job) -> Tokens:
    """The chunks' calls, and those that sum up their answers."""
    calls, tokens_in = len(counted), sum(counted)
    if job.task in INPUT_ONLY:
        return Tokens(calls, tokens_in, 0, 0)
    limit = limit_of(dict(job.parameters))
    usual = [usual_answer(each, limit, job) for each in counted]
    output = sum(usual)
    if is_tree(job) and calls > 1:
        size = max(*counted, 1)
        answer = max(math.ceil(output / calls), 1)
        each_level, level_in = calls, output
        while each_level > 1:
            each_level = min(math.ceil(level_in / size), each_level - 1) or 1
            calls += each_level
            tokens_in += level_in
            level_in = each_level * answer
            output += level_in
    return Tokens(calls, tokens_in, output, None if limit is None else limit * calls)


def is_tree(job: Job) -> bool:
    return job.combine == "tree" or (job.combine is None and job.task == "summarization")


def usual_answer(tokens: int, limit: int | None, job: Job) -> int:
    """As long as the chunk where answers are joined, else a part of it; within the limit."""
    usual = tokens if job.task in JOINED and not is_tree(job) else tokens // ANSWER_SHARE + 1
    return usual if limit is None else min(usual, limit)


def rates_of(
    targets: Sequence[Target], job: Job, prices: Prices, now: float
) -> tuple[list[Rates], str]:
    """What each may charge; where that is not known of one of them: none, and why."""
    billing = [each for each in targets if each.kind != "self_hosted"]
    if not targets:
        return [], NOBODY
    if not billing:
        return [FREE], NO_BILL
    if job.task not in TASKS:
        return [], NO_TOKENS.format(task=job.task)
    found = {each.name: charged(each, job, prices, int(now * MICROS)) for each in billing}
    unknown = [name for name, rates in found.items() if not rates]
    if unknown:
        return [], NO_PRICE.format(names=", ".join(unknown))
    free = [FREE] if len(billing) < len(targets) else []
    return [*free, *(each for rates in found.values() for each in rates)], ""


FREE = Rates(1, 0, 0, None, None, None)


def charged(target: Target, job: Job, prices: Prices, ts: int) -> list[Rates]:
    """Its price; of a model whose provider the router chooses, those of all."""
    if target.kind == "endpoint":
        return []  # billed by the hour
    if target.provider is not None and target.routing == "explicit":
        one = prices.of(target.provider, target.model, ts)
        found = [one] if one else []
    else:
        found = prices.all_of(target.model, ts)
    whole = job.task in INPUT_ONLY
    return [each for each in found if each.input is not None and (whole or each.output is not None)]


def best(
    rates: Sequence[Rates], tokens_in: int, tokens_out: int | None, *, dearest: bool = True
) -> Decimal | None:
    """USD at the dearest or the cheapest; None where tokens or prices are not known."""
    if not rates or (tokens_out is None and any(each.output for each in rates)):
        return None
    amounts = [
        half_even(
            tokens_in * (each.input or 0) + (tokens_out or 0) * (each.output or 0), each.per_units
        )
        for each in rates
    ]
    known = [each for each in amounts if each is not None]
    return (max if dearest else min)(known) if known else None
