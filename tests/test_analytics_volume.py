"""What calls would cost on another route: each rounded once as its own cost, to the nano."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import uuid4

import pytest
from factories_prices import FIRST_LIST, enriched, listed_ledger, token_prices
from factories_prices import insert as insert_one
from factories_questions import (
    WEEK,
    Row,
    free,
    insert,
    memory,
    on_endpoint,
    one,
    price_rows,
    priced,
    scope,
    unpriced,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.questions import Ask, asking
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Usage

MILLION = Decimal(10**6)
SMALL = ("tiny/8B", "novita")
ALL_OF_2026 = Scope(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))

PRICES = [
    *price_rows("together", "big/70B", "0.9", "0.9"),
    *price_rows("novita", "tiny/8B", "0.02", "0.05", cache_read_tokens="0.004"),
    *price_rows("nscale", "tiny/8B", "0.06", "0.06"),
]


def world(calls: list[Row], prices: list[Row] = PRICES) -> Ask:
    ledger = memory(calls)
    cursor = ledger.cursor()
    insert(cursor, "prices", prices)
    return asking(ledger.cursor())


def call(entry: int = 100, output: int | None = 200, **columns: Any) -> Row:
    usd = Decimal(entry + (output or 0)) * Decimal("0.9") / MILLION
    route = {"provider": "together", "model": "big/70B"}
    return priced(
        usd, **{**route, "uncached_input_tokens": entry, "output_tokens": output, **columns}
    )


def nano(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("1e-9"), ROUND_HALF_EVEN)


def test_a_ledger_by_hand() -> None:
    calls = [call(1001, 203), call(7, 3), call(50, 10, cache_read_tokens=1000)]
    row = one(world(calls)("volume", WEEK, routes=[SMALL]))
    each = [
        (1001 * Decimal("0.02") + 203 * Decimal("0.05")) / MILLION,  # 0.00003017
        (7 * Decimal("0.02") + 3 * Decimal("0.05")) / MILLION,  # 0.00000029
        (50 * Decimal("0.02") + 1000 * Decimal("0.004") + 10 * Decimal("0.05")) / MILLION,
    ]
    assert each[:2] == [Decimal("0.00003017"), Decimal("0.00000029")]
    assert row["cost_after"] == sum(map(nano, each)) == Decimal("0.00003596")
    assert row["output_cost_after"] == 216 * Decimal("0.05") / MILLION
    assert row["cost"] == sum(each["cost"] for each in calls)
    assert (row["calls"], row["counted_calls"], row["unpriced_calls"]) == (3, 3, 0)
    assert (row["input_tokens"], row["output_tokens"]) == (1001 + 7 + 1050, 216)
    assert (row["main_model"], row["main_calls"]) == ("big/70B", 3)


def test_each_call_is_rounded_before_the_sum() -> None:
    prices = price_rows("acme", "m", "0.0005", "0.0005")  # 0.5 nano-USD a token
    calls = [call(1, 0), call(1, 0), call(1, 2)]
    row = one(world(calls, prices)("volume", WEEK, routes=[("m", "acme")]))
    # 0.5 → 0, 0.5 → 0, 1.5 → 2 nano-USD; the unrounded sum would be 2.5
    assert row["cost_after"] == Decimal("0.000000002")


def test_calls_without_tokens_are_counted_apart() -> None:
    calls = [call(), call(uncached_input_tokens=None), call(output=None), free(model="big/70B")]
    row = one(world(calls)("volume", WEEK, routes=[SMALL]))
    assert (row["calls"], row["counted_calls"]) == (3, 1)
    assert row["cost"] == calls[0]["cost"]


def test_an_embedding_without_output_tokens_is_whole() -> None:
    calls = [call(100, None, task="feature-extraction")]
    row = one(world(calls)("volume", WEEK, routes=[SMALL]))
    assert row["counted_calls"] == 1
    assert row["cost_after"] == 100 * Decimal("0.02") / MILLION


def test_what_calls_did_cost_is_at_least_known() -> None:
    calls = [call(), unpriced(), on_endpoint()]
    row = one(world(calls)("volume", WEEK, routes=[SMALL]))
    assert (row["counted_calls"], row["unpriced_calls"]) == (3, 2)
    assert row["cost"] == calls[0]["cost"]


def test_nothing_known_of_what_they_cost_is_unknown() -> None:
    row = one(world([unpriced()])("volume", WEEK, routes=[SMALL]))
    assert (row["cost"], row["unpriced_calls"]) == (None, 1)


def test_routes_come_in_their_order_and_an_unknown_price_is_never_zero() -> None:
    asked = [("no/such", "novita"), SMALL, ("tiny/8B", "nscale"), ("TINY/8b", "Nscale")]
    rows = world([call()])("volume", WEEK, routes=asked).to_pylist()
    assert [(row["model"], row["provider"]) for row in rows] == asked
    assert [row["cost_after"] for row in rows] == [
        None,
        (100 * Decimal("0.02") + 200 * Decimal("0.05")) / MILLION,
        300 * Decimal("0.06") / MILLION,
        300 * Decimal("0.06") / MILLION,
    ]
    assert [row["calls"] for row in rows] == [1] * 4


def test_a_route_without_price_of_output_counts_only_calls_that_need_none() -> None:
    prices = [row for row in price_rows("acme", "m", "1", "2") if row["kind"] == "input_tokens"]
    calls = [call(10, 5), call(10, None, task="feature-extraction")]
    row = one(world(calls, prices)("volume", WEEK, routes=[("m", "acme")]))
    assert (row["counted_calls"], row["cost_after"]) == (1, 10 / MILLION)


def test_the_price_is_that_at_the_end_of_the_period() -> None:
    prices = [
        *price_rows("acme", "m", "1", "1", until="2026-08-13"),
        *price_rows("acme", "m", "3", "3", since="2026-08-13"),
    ]
    ask = world([call()], prices)
    for until, usd in (("2026-08-12T23:59", 1), ("2026-08-13", 3), ("2026-08-17", 3)):
        row = one(ask("volume", scope(until=until), routes=[("m", "acme")]))
        assert row["cost_after"] == 300 * Decimal(usd) / MILLION


def test_only_the_scope_counts() -> None:
    calls = [call(), call(team="other"), call(task="summarization"), call(purpose="replay")]
    where = scope(team="search", task="chat-completion", purpose="work")
    row = one(world(calls)("volume", where, routes=[SMALL]))
    assert row["calls"] == row["counted_calls"] == 1


def test_a_team_without_calls_has_zero_calls_and_no_cost() -> None:
    row = one(world([])("volume", WEEK, routes=[SMALL]))
    assert (row["calls"], row["cost"], row["cost_after"]) == (0, None, None)


def test_the_main_model_is_the_one_of_most_calls() -> None:
    calls = [call(), call(model="b/b"), call(model="a/a"), call(model="a/a")]
    row = one(world(calls)("volume", WEEK, routes=[SMALL]))
    assert (row["main_model"], row["main_calls"]) == ("a/a", 2)


@pytest.mark.parametrize(
    "wrong", ["tiny/8B", [["a"]], [[1, 2]], [["a", "b", "c"]], [["a", "b"]] * 201]
)
def test_routes_that_are_no_pairs_are_refused(wrong: Any) -> None:
    with pytest.raises(Usage, match="pairs of model and provider"):
        world([call()])("volume", WEEK, routes=wrong)


def test_a_cached_reply_of_hf_inference_is_free_there_and_costs_elsewhere() -> None:
    prices = [*price_rows("hf-inference", "m", "1", "1"), *price_rows("acme", "m", "1", "1")]
    calls = [call(10, 10, provider="hf-inference", cached_reply=True)]
    asked = [("m", "hf-inference"), ("m", "acme")]
    rows = world(calls, prices)("volume", WEEK, routes=asked).to_pylist()
    assert [row["cost_after"] for row in rows] == [0, 20 / MILLION]


# -- laws ------------------------------------------------------------------------------------------

usd_per_mtok = st.decimals(Decimal("0"), Decimal(100), places=9)
counts = st.integers(0, 10**6)
tokens = st.fixed_dictionaries(
    {
        "uncached_input_tokens": st.none() | counts,
        "cache_read_tokens": st.none() | counts,
        "cache_write_tokens": st.none() | counts,
        "output_tokens": st.none() | counts,
        "task": st.sampled_from(["chat-completion", "feature-extraction"]),
        "outcome": st.sampled_from(["ok", "ok", "interrupted", "error", "refused"]),
        "cached_reply": st.booleans(),
    }
)


#: Failed and refused calls are in no figure; of the others those with tokens.
NOT_ASKED = ("error", "refused")


def repriced(
    prices: list[Row], contracts: list[Row], calls: list[Row], provider: str = "acme"
) -> tuple[Row, list[Row]]:
    """The answer for the route that the calls took, and those of their rows that it counts."""
    cursor = listed_ledger(*prices)
    for each in contracts:
        insert_one(cursor, "contracts", {**CONTRACT, **each})
    placed = {"provider": provider, "requested_model": "maker/model", "model": "maker/model"}
    rows = enriched(cursor, [{**placed, **each, "call_id": str(uuid4())} for each in calls])
    cursor.execute("insert into calls by name select * from staged")
    found = one(asking(cursor)("volume", ALL_OF_2026, routes=[("maker/model", provider)]))
    for table in ("contracts", "calls"):
        cursor.execute(f"delete from {table}")
    return found, [row for row in rows if row["outcome"] not in NOT_ASKED and has_tokens(row)]


def has_tokens(row: Row) -> bool:
    written = row["output_tokens"] is not None or row["task"] == "feature-extraction"
    return written and row["uncached_input_tokens"] is not None


def total(rows: list[Row], name: str) -> Decimal | None:
    assert all(row[name] is not None for row in rows)
    return sum((row[name] for row in rows), Decimal(0)) if rows else None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["acme", "hf-inference"]),
    st.integers(0, 2),
    st.tuples(usd_per_mtok, usd_per_mtok, st.none() | usd_per_mtok),
    st.lists(tokens, min_size=1, max_size=8),
)
def test_the_route_that_calls_took_gives_their_own_list_cost(
    provider: str,
    rank: int,
    usd: tuple[Decimal, Decimal, Decimal | None],
    calls: list[Row],
) -> None:
    route = {"provider": provider, "rank": rank}
    prices = token_prices(str(usd[0]), str(usd[1]), **route)
    if usd[2] is not None:
        prices.append({"kind": "cache_read_tokens", "usd": usd[2], **route})
    found, rows = repriced(prices, [], calls, provider)
    assert found["counted_calls"] == len(rows)
    assert found["cost_after"] == found["cost"] == total(rows, "list_cost")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.decimals(0, 100, places=6), st.lists(tokens, min_size=1, max_size=6))
def test_under_a_discount_it_gives_what_they_do_cost(percent: Decimal, calls: list[Row]) -> None:
    prices = token_prices("0.37", "1.13", provider="acme")
    found, rows = repriced(prices, [{"discount_percent": percent}], calls)
    assert found["cost_after"] == found["cost"] == total(rows, "cost")


def test_an_agreed_price_counts_before_the_list() -> None:
    agreed = [{"usd": Decimal(2)}, {"usd": Decimal(3), "kind": "output_tokens"}]
    prices = token_prices("5", "5", provider="acme")
    calls = [{"uncached_input_tokens": 10, "output_tokens": 10}]
    found, rows = repriced(prices, agreed, calls)
    assert found["cost_after"] == total(rows, "cost") == 50 / MILLION
    assert total(rows, "list_cost") == 100 / MILLION


CONTRACT: Row = {
    "contract_id": "c1",
    "provider": "acme",
    "model": "maker/model",
    "kind": "input_tokens",
    "usd": None,
    "per_units": 1_000_000,
    "discount_percent": None,
    "valid_from": FIRST_LIST,
    "valid_to": None,
    "source": "test",
    "snapshot": "",
}
