"""What a request may cost at most, and what a call did cost: exact, and as the ledger prices it.

`cost_of` computes what `catalogue/costing.py` does in SQL for the same price: whole nano-units are
multiplied and rounded once, half-even, at nine places. docs/budgets.md says what bounds hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.limits.money import nano
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.wire.usage import INPUT_ONLY

DEFAULT_MAX_TOKENS = 4096
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens")
#: A chat template writes role and turn marks around each message, and a preamble of its own.
MESSAGE_TOKENS = 16
TEMPLATE_TOKENS = 256
#: Vision models make at most this many tokens of an image (Qwen2.5-VL's limit, the highest known).
IMAGE_TOKENS = 16_384
IMAGE_KEYS = ("image_url", "input_image", "image")
MICROS = 10**6
#: DECIMAL(18, 9) holds no more.
LARGEST = 10**18 - 1
FREE = Decimal(0)


class Rates(NamedTuple):
    """A price in nano-USD per `per_units` tokens."""

    per_units: int
    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    valid_to: int | None  # seconds since 1970

    def holds(self, ts: int) -> bool:
        return self.valid_to is None or ts < self.valid_to * MICROS


class Prices:
    """The prices of one state, by provider and model."""

    def __init__(self, state: State) -> None:
        self._by_route: dict[tuple[str, str], Rates] = {}
        self._by_model: dict[str, list[Rates]] = {}
        for each in state.prices:
            rates, model = rates_of(each), each.model.lower()
            self._by_route[each.provider.lower(), model] = rates
            self._by_model.setdefault(model, []).append(rates)

    def of(self, provider: str | None, model: str | None, ts: int) -> Rates | None:
        """The price of a route at a time (µs since 1970)."""
        found = self._by_route.get(((provider or "").lower(), (model or "").lower()))
        return found if found and found.holds(ts) else None

    def all_of(self, model: str | None, ts: int) -> list[Rates]:
        """The prices of every provider of a model."""
        return [each for each in self._by_model.get((model or "").lower(), ()) if each.holds(ts)]


def rates_of(price: Price) -> Rates:
    told = (price.input, price.output, price.cache_read, price.cache_write)
    amounts = [None if each is None else nano(each) for each in told]
    return Rates(price.per_units, amounts[0], amounts[1], amounts[2], amounts[3], price.valid_to)


# -- what it did cost ------------------------------------------------------------------------------


def cost_of(call: Call, prices: Prices) -> Decimal | None:
    """USD of a finished call at its price, None where it is unknown."""
    if is_free(call):
        return FREE
    if call.reported_cost is not None:
        return Decimal(call.reported_cost).quantize(Decimal("1e-9"), ROUND_HALF_UP)
    if call.host_kind in ("endpoint", "self_hosted"):
        return None
    rates = prices.of(call.provider, call.requested_model, call.ts)
    amount = rates and numerator(call, rates)
    if rates is None or amount is None:
        return None
    return half_even(amount, rates.per_units)


def is_free(call: Call) -> bool:
    """Nobody charges for an error, nor hf-inference for a reply from its cache."""
    return call.outcome in ("error", "refused") or (
        call.cached_reply and call.provider == "hf-inference"
    )


def numerator(call: Call, rates: Rates) -> int | None:
    """Tokens times nano-USD, still to be divided by `per_units`."""
    uncached, output = call.uncached_input_tokens, call.output_tokens
    if output is None and call.task in INPUT_ONLY:
        output = 0
    if uncached is None or output is None or rates.input is None:
        return None
    if rates.output is None and output:
        return None
    read, write = call.cache_read_tokens or 0, call.cache_write_tokens or 0
    if min(uncached, read, write, output) < 0:
        return None
    return (
        uncached * rates.input
        + read * (rates.input if rates.cache_read is None else rates.cache_read)
        + write * (rates.input if rates.cache_write is None else rates.cache_write)
        + output * (rates.output or 0)
    )


def half_even(amount: int, per_units: int) -> Decimal | None:
    """Whole nano-USD as USD; None for what no column of the ledger could hold."""
    whole, rest = divmod(amount, per_units)
    if 2 * rest > per_units or (2 * rest == per_units and whole % 2):
        whole += 1
    return Decimal(whole).scaleb(-9) if whole < LARGEST else None


# -- what it may cost ------------------------------------------------------------------------------


def worst_case(
    asking: Asking, prices: Prices, default_max_tokens: int = DEFAULT_MAX_TOKENS
) -> Decimal | None:
    """USD that the request can't exceed at the list's price, rounded up; None: no price is known.

    Where the provider is not known before it answers, the dearest of the model's.
    """
    call = asking.call
    if call is None or call.host_kind == "self_hosted":
        # A server of one's own sends no bill.
        return FREE
    if call.provider is None or call.routing in ("auto", "fastest", "cheapest", "preferred"):
        rates = prices.all_of(call.requested_model, asking.ts)
    else:
        found = prices.of(call.provider, call.requested_model, asking.ts)
        rates = [found] if found else []
    if not rates or call.host_kind == "endpoint":
        return None
    tokens_in = input_bound(asking.asked)
    tokens_out = 0 if call.task in INPUT_ONLY else output_bound(asking, default_max_tokens)
    bounds = [bound(each, tokens_in, tokens_out) for each in rates]
    known = [each for each in bounds if each is not None]
    return Decimal(max(known)).scaleb(-9) if known else None


def bound(rates: Rates, tokens_in: int, tokens_out: int) -> int | None:
    """Nano-USD, rounded up; input counts at the dearest way it can be billed."""
    if rates.input is None or (rates.output is None and tokens_out):
        return None
    dearest = max(rates.input, rates.cache_read or 0, rates.cache_write or 0)
    return -(-(tokens_in * dearest + tokens_out * (rates.output or 0)) // rates.per_units)


def input_bound(asked: Any) -> int:
    """More tokens than the body's texts can be: each is at least a byte."""
    if not isinstance(asked, dict):
        return TEMPLATE_TOKENS + sum(sizes(asked))
    tools = asked.get("tools") or asked.get("functions")
    texts = sum(sizes({key: value for key, value in asked.items() if key != "tools"}))
    messages = asked.get("messages", asked.get("input"))
    turns = len(messages) if isinstance(messages, list) else 1
    declared = len(msgspec.json.encode(tools)) if tools else 0
    return TEMPLATE_TOKENS + MESSAGE_TOKENS * turns + texts + declared


def sizes(value: Any) -> Iterator[int]:
    """UTF-8 bytes of every text in a JSON value; an image counts as the most that one can."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield len(each) if each.isascii() else len(each.encode("utf-8", "surrogatepass"))
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            for key, inner in each.items():
                if key in IMAGE_KEYS:
                    yield IMAGE_TOKENS
                else:
                    waiting.append(inner)


def output_bound(asking: Asking, default_max_tokens: int = DEFAULT_MAX_TOKENS) -> int:
    """The most tokens that the request lets a model write, over all its choices."""
    asked = asking.asked if isinstance(asking.asked, dict) else {}
    most = asked_tokens(asked)
    if most is None and asking.key:
        most = asking.key.limits.max_tokens
    choices = asked.get("n")
    n = choices if isinstance(choices, int) and choices > 0 else 1
    return (default_max_tokens if most is None else most) * n


def asked_tokens(asked: dict[str, Any]) -> int | None:
    """The largest limit of output tokens that a body states, None where it states none."""
    inner = asked.get("parameters")
    places = [asked, inner] if isinstance(inner, dict) else [asked]
    stated = [place[name] for place in places for name in LIMITS if name in place]
    numbers = [each for each in stated if type(each) is int and each >= 0]
    return max(numbers) if numbers else None
