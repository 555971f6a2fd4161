"""What a document would cost: arithmetic with the ledger's prices, and unknown where one is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from factories_echo import BOOK, job
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.documents.estimating import Estimate, estimate
from hf_ledger.ingest.doors.documents.levels import level_of
from hf_ledger.ingest.doors.gateway.limits.pricing import Prices
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.wire.estimate import read_tokens

NOW = 1_795_564_800.0
MODEL = "maker/model"


def price(provider: str, dollars_in: str, dollars_out: str | None) -> Price:
    return Price(
        provider=provider, model=MODEL, price_id=provider, input=dollars_in, output=dollars_out
    )


PRICES = Prices(State(prices=(price("cheap", "1", "2"), price("dear", "3", "10"))))


def target(**said: Any) -> Target:
    return Target(**{"name": "t", "model": MODEL, **said})


def estimated(
    *targets: Target, text: str = BOOK, task: str = "chat-completion", **said: Any
) -> Estimate:
    return estimate(text, job(task, **said), PRICES, targets, NOW)


def tokens(**said: Any) -> list[int]:
    asked = job("chat-completion", **said)
    level = level_of(BOOK, asked)
    return [read_tokens(asked.inputs_of(level.sent(each, asked))) or 0 for each in level.chunks]


def test_a_price_and_a_limit_give_bounds() -> None:
    found = estimated(target(provider="dear"), parameters={"max_tokens": 50})
    counted = tokens(parameters={"max_tokens": 50})
    assert (found.chunks, found.calls) == (len(counted), len(counted))
    assert found.input_tokens == sum(counted)
    assert found.output_tokens == 50 * len(counted)
    assert found.low == Decimal(3 * sum(counted)) / 1_000_000
    assert found.high == Decimal(3 * sum(counted) + 10 * 50 * len(counted)) / 1_000_000
    assert found.cost == Decimal(3 * sum(counted) + 10 * sum(counted)) / 1_000_000
    assert "at most 50 tokens" in found.basis


def test_without_a_limit_there_is_no_upper_bound() -> None:
    found = estimated(target(provider="dear"))
    assert (found.output_tokens, found.high) == (None, None)
    assert found.low is not None
    assert "no upper bound" in found.basis


def test_where_the_provider_is_not_named_it_may_be_any() -> None:
    found = estimated(target(routing="auto"), parameters={"max_tokens": 5})
    sent = sum(tokens(parameters={"max_tokens": 5}))
    assert found.low == Decimal(sent) / 1_000_000
    assert found.high == Decimal(3 * sent + 10 * 5 * found.chunks) / 1_000_000


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([target(provider="other")], "price unknown of t"),
        ([target(provider="cheap"), target(provider="other", name="u")], "price unknown of u"),
        ([target(kind="endpoint", url="http://127.0.0.1:1")], "price unknown"),
        ([], "nobody is named"),
    ],
)
def test_what_is_unknown_is_not_nothing(targets: list[Target], why: str) -> None:
    found = estimated(*targets)
    assert (found.cost, found.low, found.high) == (None, None, None)
    assert why in found.basis


def test_what_is_not_priced_by_tokens_is_unknown() -> None:
    found = estimated(target(provider="dear"), task="summarization")
    assert found.cost is None
    assert "not priced by tokens" in found.basis


def test_a_server_of_ones_own_sends_no_bill() -> None:
    found = estimated(target(kind="self_hosted", url="http://127.0.0.1:1"))
    assert (found.low, found.cost, found.high) == (0, 0, 0)
    assert "no bill" in found.basis


def test_vectors_cost_their_input_alone() -> None:
    found = estimated(target(provider="cheap"), task="feature-extraction")
    assert found.output_tokens == 0
    assert found.input_tokens > len(BOOK) / 10
    assert found.low == found.cost == found.high == Decimal(found.input_tokens) / 1_000_000


def test_summaries_of_summaries_are_in_it() -> None:
    flat = estimated(target(provider="cheap"), parameters={"max_tokens": 5})
    tree = estimated(target(provider="cheap"), parameters={"max_tokens": 5}, combine="tree")
    assert tree.chunks == flat.chunks
    assert tree.calls > flat.calls
    assert tree.input_tokens > flat.input_tokens


@given(st.integers(1, 2000), st.integers(1, 3000), st.sampled_from([None, "tree"]))
def test_low_is_never_above_cost_nor_cost_above_high(size: int, limit: int, combine: Any) -> None:
    found = estimated(
        target(routing="auto"), size=size, parameters={"max_tokens": limit}, combine=combine
    )
    assert found.low is not None and found.cost is not None and found.high is not None
    assert found.low <= found.cost <= found.high
