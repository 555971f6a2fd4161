"""What must be said beside a figure so that nobody takes it for more than it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hf_ledger.analytics.coverage import coverage
from hf_ledger.analytics.words import (
    NO_ENDPOINT_HOURS,
    counted,
    dollars,
    estimated_tokens,
    percent,
    refusals,
)
from hf_ledger.dashboard.format import at_least, count, full, short_model

UNTESTED_MEANS = "The same tokens at the price of a smaller model or a cheaper provider"
NOT_TESTED = "not yet tested"

#: Calls that nobody asked for to have their answer: they test another model.
SIDE_PURPOSES = frozenset({"replay", "judge", "evaluation"})

Row = dict[str, Any]


def covered(totals: Row) -> str:
    """How much of the traffic the total stands for; empty where nothing is billed by the call."""
    part = coverage(totals)
    if part.calls_share is None:
        return ""
    tokens = part.tokens_share
    of_tokens = f", {percent(tokens)} of tokens" if tokens is not None else ""
    said = f"Priced: {percent(part.calls_share)} of calls{of_tokens}"
    guessed = estimated_tokens(totals)
    if part.complete:
        return f"{said}.{guessed}"
    have, are = ("has", "is") if part.unpriced == 1 else ("have", "are")
    missing = counted(part.unpriced, "call")
    return f"{said}; {missing} {have} no known price and {are} not in this total.{guessed}"


def not_kept(counts: Mapping[str, int]) -> str:
    """How many calls of the period are missing because they could not be written; else empty."""
    dropped = counts.get("not_spooled", 0)
    if not dropped:
        return ""
    were, are = ("was", "is") if dropped == 1 else ("were", "are")
    return (
        f"{counted(dropped, 'call')} could not be written to disk, {were} dropped by the program "
        f"that made them, and {are} in no figure here."
    )


def side_work(rows: Sequence[Row]) -> str:
    """How much of a total went to replays and judges (`spend` by purpose); empty without any."""
    side = [row for row in rows if row["purpose"] in SIDE_PURPOSES]
    if not sum(row["calls"] for row in side):
        return ""
    known = [row["cost"] for row in side if row["cost"] is not None]
    cost = sum(known, Decimal(0)) if known else None
    return f"Of which replays and judges: {at_least(cost, sum(r['unpriced_calls'] for r in side))}."


def endpoint_hours(totals: Row) -> str:
    calls = totals.get("endpoint_calls") or 0
    if not calls:
        return NO_ENDPOINT_HOURS
    went = f"{counted(calls, 'call')} went to dedicated endpoints, billed by the hour."
    return f"{NO_ENDPOINT_HOURS} {went}"


@dataclass(frozen=True)
class How:
    """How one figure was computed: formula, with the numbers put in, and where they come from."""

    formula: str
    figures: str
    source: str


def how_spend(totals: Row, listed: str) -> How:
    priced = totals["priced_calls"]
    return How(
        "Sum over calls of list price × tokens (or units), rounded once a call, half to even, at "
        "nine places.",
        f"{full(priced)} priced calls add up to {dollars(totals['cost'])}; "
        f"{full(totals['free_calls'])} calls are free; "
        f"{full(totals['unpriced_calls'])} have no known price.",
        f"Price of the provider, model and kind of token on the day of the call. {listed}",
    )


def how_calls(totals: Row) -> How:
    return How(
        "Count of attempts to have a model do work, failed ones included.",
        f"{full(totals['ok'])} ok + {full(totals['calls'] - totals['ok'])} others "
        f"= {full(totals['calls'])}. {refusals(totals['refused'])}".rstrip(),
        "One row per attempt in the ledger; look-ups, polls and downloads are not calls.",
    )


def how_per_thousand(totals: Row) -> How:
    return How(
        "Estimated cost ÷ priced calls × 1,000.",
        f"{dollars(totals['cost'])} ÷ {full(totals['priced_calls'])} × 1,000.",
        "Calls without a known price are in neither number.",
    )


def how_tokens(totals: Row) -> How:
    return How(
        "Input tokens (cached ones included) + output tokens.",
        f"{count(totals['input_tokens'])} in, of which {count(totals['cache_read_tokens'])} read "
        f"from cache, + {count(totals['output_tokens'])} out.",
        "As the provider reported them in its reply; calls that state none add none.",
    )


def how_errors(totals: Row) -> How:
    return How(
        "Calls with outcome error, interrupted or lost ÷ calls that were sent on. What your "
        "gateway refused reached no model and is in neither.",
        f"{full(totals['errors'])} ÷ {full(totals['calls'] - totals['refused'])}.",
        "The status of the reply, or how the connection ended.",
    )


def how_priced(totals: Row) -> How:
    part = coverage(totals)
    return How(
        "Calls with a known price (free ones included) ÷ calls billed by the call.",
        f"{full(part.priced)} ÷ {full(part.per_call)}.",
        "A price is known when the list has the provider, the model and the day.",
    )


def move(row: Row) -> str:
    """A move in words: another model, or the same at another provider."""
    if row["kind"] == "cheaper_provider":
        return f"{short_model(row['from_model'])}: {row['from_provider']} → {row['to_provider']}"
    return (
        f"{short_model(row['from_model'])} at {row['from_provider']} → "
        f"{short_model(row['to_model'])} at {row['to_provider']}"
    )
