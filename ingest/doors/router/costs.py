"""What a request would cost at a target, from the prices by which the ledger prices calls."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from hf_ledger.ingest.doors.gateway.limits.pricing import MICROS, Prices, Rates, half_even
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.wire.usage import INPUT_ONLY

#: Where the request does not say how long it and its answer are. The same for every target.
DEFAULT_INPUT_TOKENS = 1000
DEFAULT_OUTPUT_TOKENS = 250

NO_BILL = "no bill is sent"
BY_THE_HOUR = "no price a call (an endpoint is billed by the hour)"
UNKNOWN = "price unknown"


class Rate(NamedTuple):
    """Nano-USD per `per_units` tokens; None for all of them where no price is known."""

    input: int | None
    output: int | None
    per_units: int
    said: str
    valid_to: float | None = None  # seconds since 1970


def tokens_of(wanted: Wanted) -> tuple[int, int]:
    """Input and output tokens that a price is reckoned with."""
    given = wanted.input_tokens
    tokens_in = DEFAULT_INPUT_TOKENS if given is None else given
    if wanted.task in INPUT_ONLY:
        return tokens_in, 0
    asked = wanted.output_tokens
    return tokens_in, DEFAULT_OUTPUT_TOKENS if asked is None else asked


def cost_at(rate: Rate, tokens_in: int, tokens_out: int) -> Decimal | None:
    """USD at nine places, half-even; None where no price is known."""
    if rate.input is None or rate.output is None:
        return None
    return half_even(tokens_in * rate.input + tokens_out * rate.output, rate.per_units)


def rate_of(target: Target, task: str, prices: Prices, now: float) -> Rate:
    """The price of a target at a time (seconds since 1970).

    Where the router chooses the provider it is the dearest of the model's, or the cheapest where it
    was told to choose that.
    """
    if target.kind == "self_hosted":
        return Rate(0, 0, 1, NO_BILL)
    if target.kind == "endpoint":
        return Rate(None, None, 1, BY_THE_HOUR)
    ts = int(now * MICROS)
    if target.provider is not None and target.routing == "explicit":
        found = prices.of(target.provider, target.model, ts)
        return _rate([found] if found else [], task, "at the list")
    every = prices.all_of(target.model, ts)
    if target.routing == "cheapest":
        return _rate(every, task, "at the list's cheapest", dearest=False)
    return _rate(every, task, "at most, at the list")


def _rate(found: Sequence[Rates], task: str, said: str, dearest: bool = True) -> Rate:
    whole = [each for each in found if each.input is not None and _has_output(each, task)]
    if not whole:
        return Rate(None, None, 1, UNKNOWN)
    best = (max if dearest else min)(whole, key=_typical)
    ends = [each.valid_to for each in whole if each.valid_to is not None]
    return Rate(best.input, best.output or 0, best.per_units, said, min(ends, default=None))


def _has_output(rates: Rates, task: str) -> bool:
    return rates.output is not None or task in INPUT_ONLY


def _typical(rates: Rates) -> float:
    usual = DEFAULT_INPUT_TOKENS * (rates.input or 0) + DEFAULT_OUTPUT_TOKENS * (rates.output or 0)
    return usual / rates.per_units
