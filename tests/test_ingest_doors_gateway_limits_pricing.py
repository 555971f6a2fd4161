"""Costs at the gateway: those of the ledger's SQL to the last place, and bounds that bound."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_limits import asking_of
from factories_prices import INSIDE, PRICE_DEFAULTS, enriched, insert, listed_ledger
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.limits.pricing import (
    IMAGE_TOKENS,
    MESSAGE_TOKENS,
    TEMPLATE_TOKENS,
    Prices,
    cost_of,
    half_even,
    input_bound,
    output_bound,
    worst_case,
)
from hf_ledger.ingest.doors.gateway.state import Key, Limits, Price, State

KINDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
PRICE = Price(provider="acme", model="maker/model", price_id=1, input="0.5", output="1.5")

amounts = st.none() | st.decimals("0", "99999", places=9).map(lambda usd: f"{usd:f}")
tokens = st.none() | st.integers(0, 10**9) | st.integers(0, 3)
tables = st.fixed_dictionaries(
    {
        "input": amounts,
        "output": amounts,
        "cache_read": amounts,
        "cache_write": amounts,
        "per_units": st.sampled_from([1, 3, 1000, 1_000_000]),
    }
)
calls = st.fixed_dictionaries(
    {
        "uncached_input_tokens": tokens,
        "cache_read_tokens": tokens,
        "cache_write_tokens": tokens,
        "output_tokens": tokens,
        "task": st.sampled_from(["chat-completion", "feature-extraction", "text-ranking"]),
        "outcome": st.sampled_from(["ok", "ok", "ok", "error", "refused", "interrupted"]),
        "cached_reply": st.booleans(),
        "provider": st.sampled_from(["acme", "acme", "hf-inference"]),
        "host_kind": st.sampled_from(["router", "router", "provider", "endpoint", "self_hosted"]),
        "reported_cost": st.none() | st.none() | st.just("0.000123457"),
    }
)


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) // timedelta(microseconds=1)


def prices(*given: Price) -> Prices:
    return Prices(State(prices=given))


def call_with(**changes: Any) -> Call:
    given: dict[str, Any] = {
        "call_id": "0",
        "ts": micros(INSIDE),
        "provider": "acme",
        "requested_model": "maker/model",
        "task": "chat-completion",
        "host_kind": "router",
    }
    return Call(**{**given, **changes})


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tables, st.lists(calls, min_size=20, max_size=40), st.booleans())
def test_a_cost_is_that_of_the_ledgers_sql(
    table: dict[str, Any], given_calls: list[dict[str, Any]], agreed: bool
) -> None:
    ledger = listed_ledger()
    ledger.execute("delete from contracts")
    for provider in ("acme", "hf-inference"):
        for kind in KINDS:
            usd = table[kind.removesuffix("_tokens")]
            if usd is not None:
                made_row = row(kind, usd, table, provider, agreed)
                insert(ledger, "contracts" if agreed else "prices", made_row)
    known = prices(
        *(
            Price(provider=provider, model="Maker/Model", price_id=1, **table)
            for provider in ("Acme", "hf-inference")
        )
    )
    made = {str(uuid.UUID(int=number)): each for number, each in enumerate(given_calls)}
    rows = enriched(ledger, [{**staged(each), "call_id": name} for name, each in made.items()])
    in_sql = {str(each["call_id"]): each["cost"] for each in rows}
    ledger.execute("delete from contracts")
    assert {name: cost_of(call_with(**each), known) for name, each in made.items()} == in_sql


def row(kind: str, usd: str, table: dict[str, Any], provider: str, agreed: bool) -> dict[str, Any]:
    made = {**PRICE_DEFAULTS, "kind": kind, "usd": Decimal(usd), "per_units": table["per_units"]}
    if agreed:
        made["contract_id"] = made.pop("price_id")
    return {**made, "provider": provider}


def staged(call: dict[str, Any]) -> dict[str, Any]:
    reported = call["reported_cost"]
    return {
        **call,
        "requested_model": "maker/model",
        "provider_model": "maker/model",  # what hf-inference's calls are identified by
        "reported_cost": Decimal(reported) if reported else None,
    }


@pytest.mark.parametrize(
    ("amount", "per_units", "expected"),
    [(1, 2, 0), (3, 2, 2), (5, 2, 2), (7, 2, 4), (5, 3, 2), (4, 3, 1), (10**30, 1, None)],
)
def test_a_cost_is_rounded_once_half_to_even(
    amount: int, per_units: int, expected: int | None
) -> None:
    rounded = half_even(amount, per_units)
    assert rounded == (None if expected is None else Decimal(expected).scaleb(-9))


def test_a_price_that_has_ended_is_no_price() -> None:
    ends = micros(INSIDE) // 10**6
    ended = Price(
        provider="acme", model="maker/model", price_id=1, input="1", output="1", valid_to=ends
    )
    done = {"uncached_input_tokens": 1, "output_tokens": 1}
    assert cost_of(call_with(**done), prices(ended)) is None
    assert cost_of(call_with(**done, ts=ends * 10**6 - 1), prices(ended)) == Decimal("0.000002")


# -- bounds ----------------------------------------------------------------------------------------


def test_a_worst_case_is_bytes_in_and_the_limit_out() -> None:
    asked = {"messages": [{"role": "user", "content": "äh"}], "max_tokens": 100, "n": 2}
    expected_in = TEMPLATE_TOKENS + MESSAGE_TOKENS + len("user") + len("äh".encode())
    assert input_bound(asked) == expected_in
    found = worst_case(asking_of(asked, call_with()), prices(PRICE))
    assert found == (expected_in * Decimal("0.5") + 200 * Decimal("1.5")) / 10**6


def test_tools_count_as_the_json_they_are() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"n": 1234567}}}]
    asked = {"messages": [], "tools": tools}
    assert input_bound(asked) == TEMPLATE_TOKENS + len(json.dumps(tools, separators=(",", ":")))


def test_an_image_counts_as_the_most_that_one_can_be() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    asked = {"messages": [{"role": "user", "content": [image]}]}
    assert IMAGE_TOKENS < input_bound(asked) < IMAGE_TOKENS + 1000


json_texts = st.recursive(
    st.text(max_size=20), lambda inner: st.lists(inner, max_size=3), max_leaves=8
)


@given(st.lists(json_texts, max_size=5))
def test_no_text_has_more_tokens_than_its_bound(contents: list[Any]) -> None:
    asked = {"messages": [{"role": "user", "content": each} for each in contents]}
    assert input_bound(asked) >= sum(len(each.encode()) for each in flat(contents))


def flat(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [text for each in value for text in flat(each)]


@pytest.mark.parametrize(
    ("asked", "limit", "expected"),
    [
        ({}, None, 4096),
        ({}, 500, 500),
        ({"max_tokens": 10}, 500, 10),
        ({"max_completion_tokens": 20, "max_tokens": 10}, None, 20),
        ({"max_output_tokens": 7}, None, 7),
        ({"parameters": {"max_new_tokens": 9}}, None, 9),
        ({"max_tokens": 10, "n": 3}, None, 30),
        ({"max_tokens": True, "n": "3"}, None, 4096),
        ({"max_tokens": 0}, None, 0),
    ],
)
def test_the_output_is_bounded_by_what_is_asked(
    asked: dict[str, Any], limit: int | None, expected: int
) -> None:
    key = Key(key_id="k", key_hash="", name="k", limits=Limits(max_tokens=limit))
    assert output_bound(asking_of(asked, call_with(), key=key)) == expected


def test_an_unknown_provider_is_the_dearest_of_the_models() -> None:
    dear = Price(provider="zeta", model="maker/model", price_id=2, input="5", output="15")
    half = Price(provider="half", model="maker/model", price_id=3, input="50")
    known = prices(PRICE, dear, half)
    asked = asking_of({"max_tokens": 100}, call_with(provider=None))
    named = asking_of({"max_tokens": 100}, call_with(provider="zeta", routing="explicit"))
    assert worst_case(asked, known) == worst_case(named, known)
    cheap = asking_of({"max_tokens": 100}, call_with(provider="acme", routing="explicit"))
    assert (worst_case(named, known) or 0) == 10 * (worst_case(cheap, known) or 0)


def test_an_embedding_has_no_output() -> None:
    asked = {"inputs": "four"}
    found = worst_case(asking_of(asked, call_with(task="feature-extraction")), prices(PRICE))
    assert found == (TEMPLATE_TOKENS + MESSAGE_TOKENS + 4) * Decimal("0.5") / 10**6


def test_a_worst_case_is_rounded_up_and_nothing_known_is_none() -> None:
    tiny = Price(provider="acme", model="maker/model", price_id=1, input="0", output="0.0001")
    asked = asking_of({"max_tokens": 1}, call_with())
    assert worst_case(asked, prices(tiny)) == Decimal("0.000000001")
    assert worst_case(asked, prices()) is None
    assert worst_case(asking_of({}, call_with(host_kind="endpoint")), prices(PRICE)) is None
    free = Price(provider="acme", model="maker/model", price_id=1, input="0", output="0")
    assert worst_case(asked, prices(free)) == 0
    assert worst_case(asking_of({}, None), prices()) == 0  # no call, no cost


@given(st.integers(0, 100), st.integers(0, 50))
def test_no_call_within_its_bounds_costs_more_than_its_worst_case(output: int, read: int) -> None:
    dear_cache = Price(
        provider="acme",
        model="maker/model",
        price_id=1,
        input="0.3",
        output="0.7",
        cache_read="0.1",
        cache_write="0.9",
    )
    asked = {"messages": [{"role": "user", "content": "x" * 100}], "max_tokens": 100}
    asking = asking_of(asked, call_with())
    worst = worst_case(asking, prices(dear_cache))
    done = call_with(
        uncached_input_tokens=50,
        cache_read_tokens=read,
        cache_write_tokens=50,
        output_tokens=output,
    )
    cost = cost_of(done, prices(dear_cache))
    assert worst is not None
    assert cost is not None
    assert cost <= worst
