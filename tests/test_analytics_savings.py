"""Price differences per move: exact, labelled untested, each opening exactly its calls."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from factories_questions import (
    WEEK,
    Row,
    at,
    free,
    insert,
    memory,
    model_row,
    one,
    price_rows,
    priced,
    scope,
    unpriced,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.questions import Ask, asking

MILLION = Decimal(10**6)

#: A large model at two prices, and a medium one that two providers price.
PRICES = [
    *price_rows("together", "big/70B", "0.9", "0.9"),
    *price_rows("novita", "big/70B", "0.1", "0.4"),
    *price_rows("novita", "tiny/8B", "0.02", "0.05"),
    *price_rows("nscale", "tiny/8B", "0.06", "0.06"),
]
MODELS = [model_row("big/70B", "large"), model_row("tiny/8B", "medium")]


def world(calls: list[Row], prices: list[Row] = PRICES, models: list[Row] = MODELS) -> Ask:
    ledger = memory(calls)
    cursor = ledger.cursor()
    insert(cursor, "prices", prices)
    insert(cursor, "models", models)
    return asking(ledger.cursor())


def call(entry: int = 100, output: int = 200, **columns: Any) -> Row:
    """A call on big/70B at together for 0.9 + 0.9 USD a million tokens."""
    usd = Decimal(entry + output) * Decimal("0.9") / MILLION
    route = {"provider": "together", "model": "big/70B", "size_class": "large"}
    tokens = {"uncached_input_tokens": entry, "output_tokens": output}
    return priced(usd, **{**route, **tokens, **columns})


def moves(ask: Ask, kind: str) -> list[Row]:
    return [row for row in ask("savings", WEEK).to_pylist() if row["kind"] == kind]


def test_a_smaller_model_by_hand() -> None:
    ask = world([call(100, 200), call(200, 400)])
    (row,) = moves(ask, "downgrade")
    before = (300 + 600) * Decimal("0.9") / MILLION
    after = (300 * Decimal("0.02") + 600 * Decimal("0.05")) / MILLION
    assert (row["cost"], row["cost_after"], row["difference"]) == (before, after, before - after)
    assert (row["from_model"], row["from_provider"]) == ("big/70B", "together")
    assert (row["to_model"], row["to_provider"]) == ("tiny/8B", "novita")
    assert (row["from_class"], row["to_class"], row["suitable_class"]) == (
        "large",
        "medium",
        "medium",
    )
    assert (row["calls"], row["label"]) == (2, "untested")


def test_the_same_model_at_a_cheaper_provider_by_hand() -> None:
    (row,) = moves(world([call(1000, 2000)]), "cheaper_provider")
    after = (1000 * Decimal("0.1") + 2000 * Decimal("0.4")) / MILLION
    assert row["cost_after"] == after
    assert (row["to_model"], row["to_provider"], row["label"]) == ("big/70B", "novita", "untested")
    assert (row["suitable_class"], row["to_class"]) == (None, None)


def test_cached_tokens_are_priced_as_the_target_prices_them() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("novita", "big/70B", "0.5", "0.5", cache_read_tokens="0.05"),
    ]
    (row,) = moves(world([call(cache_read_tokens=1000)], prices), "cheaper_provider")
    assert row["cost_after"] == ((100 + 200) * Decimal("0.5") + 1000 * Decimal("0.05")) / MILLION


def test_each_call_is_repriced_at_the_prices_of_its_day() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("novita", "big/70B", "0.1", "0.1", until="2026-08-13"),
        *price_rows("novita", "big/70B", "0.2", "0.2", since="2026-08-13"),
    ]
    calls = [call(ts=at(f"2026-08-{day}T12:00:00")) for day in (11, 12, 13)]
    (row,) = moves(world(calls, prices), "cheaper_provider")
    assert row["cost_after"] == 300 * (2 * Decimal("0.1") + Decimal("0.2")) / MILLION
    assert row["calls"] == 3


def test_a_route_that_had_no_price_yet_is_no_target() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("novita", "big/70B", "0.1", "0.1", since="2026-08-13"),
    ]
    early, late = call(ts=at("2026-08-11")), call(ts=at("2026-08-14"))
    assert moves(world([early, late], prices), "cheaper_provider") == []
    assert len(moves(world([late], prices), "cheaper_provider")) == 1


def test_a_dearer_or_equal_target_is_no_move() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("novita", "big/70B", "0.9", "0.9"),
        *price_rows("novita", "tiny/8B", "2", "2"),
        *price_rows("nscale", "tiny/8B", "2", "2"),
    ]
    assert world([call()], prices)("savings", WEEK).num_rows == 0


def test_a_free_promotion_is_no_target() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("x", "big/70B", "0", "0"),
    ]
    assert world([call()], prices)("savings", WEEK).num_rows == 0


def test_a_model_that_one_provider_prices_is_no_target_unless_in_use() -> None:
    lonely = [row for row in PRICES if (row["provider"], row["model"]) != ("nscale", "tiny/8B")]
    assert moves(world([call()], lonely), "downgrade") == []
    used = priced("0.000001", model="tiny/8B", provider="novita", size_class="medium")
    assert len(moves(world([call(), used], lonely), "downgrade")) == 1


def test_where_the_suitable_class_has_no_model_the_next_smaller_than_used_serves() -> None:
    word = call(300, 3)  # an answer of a few tokens: small would do
    (row,) = moves(world([word]), "downgrade")
    assert (row["suitable_class"], row["to_class"], row["to_model"]) == (
        "small",
        "medium",
        "tiny/8B",
    )


def test_models_other_than_generative_are_no_targets() -> None:
    models = [model_row("big/70B", "large"), model_row("tiny/8B", "medium", "encoder")]
    assert moves(world([call()], models=models), "downgrade") == []


def test_of_equally_cheap_routes_the_first_by_name_is_named() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *(row for p in ("zeta", "alpha", "mid") for row in price_rows(p, "big/70B", "0.1", "0.1")),
    ]
    (row,) = moves(world([call()], prices), "cheaper_provider")
    assert row["to_provider"] == "alpha"


def test_the_cheapest_depends_on_the_calls_own_tokens() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("reader", "big/70B", "0.1", "0.8"),
        *price_rows("writer", "big/70B", "0.8", "0.1"),
    ]
    for entry, output, cheapest in ((9000, 10, "reader"), (10, 9000, "writer")):
        (row,) = moves(world([call(entry, output)], prices), "cheaper_provider")
        assert row["to_provider"] == cheapest


def test_ids_that_differ_in_case_are_one_model() -> None:
    prices = [
        *price_rows("together", "big/70B", "0.9", "0.9"),
        *price_rows("novita", "Big/70b", "0.1", "0.1"),
    ]
    assert len(moves(world([call()], prices), "cheaper_provider")) == 1


@pytest.mark.parametrize(
    "row",
    [
        free(model="big/70B", provider="together"),
        unpriced(model="big/70B", provider="together", size_class="large"),
        call(cost_basis="provider_reported"),
        call(model=None),
        call(provider=None),
        call(uncached_input_tokens=None),
    ],
)
def test_only_calls_with_a_list_price_and_a_route_are_compared(row: Row) -> None:
    assert world([row])("savings", WEEK).num_rows == 0


def test_an_embedding_may_change_its_provider_but_not_become_a_chat() -> None:
    row = call(output_tokens=None, task="feature-extraction", size_class="xl")
    found = world([row])("savings", WEEK).to_pylist()
    assert [each["kind"] for each in found] == ["cheaper_provider"]
    assert found[0]["cost_after"] == 100 * Decimal("0.1") / MILLION


def test_rows_come_greatest_difference_first() -> None:
    calls = [call(), *(call(5000, 100, team="b") for _ in range(3)), call(300, 3)]
    found = world(calls)("savings", WEEK)["difference"].to_pylist()
    assert len(found) > 2
    assert found == sorted(found, reverse=True)


def test_an_empty_ledger_has_no_moves_but_all_columns() -> None:
    table = world([])("savings", WEEK)
    assert table.num_rows == 0
    assert {"from_model", "to_model", "difference", "label", "kind"} <= set(table.column_names)


sizes = st.sampled_from([(100, 200), (100, 3), (500, 40), (3000, 9), (3000, 300)])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(sizes, st.booleans()), min_size=1, max_size=10))
def test_each_move_opens_exactly_its_calls(given_calls: list[tuple[tuple[int, int], bool]]) -> None:
    calls = [call(*size) if ok else free(model="big/70B") for size, ok in given_calls]
    ask = world([*calls, unpriced(model="big/70B", provider="together")])
    for row in ask("savings", WEEK).to_pylist():
        where = {name: tuple(values) for name, values in json.loads(row["link_where"]).items()}
        opened = one(ask("totals", scope(**where)))
        assert (opened["calls"], opened["cost"]) == (row["calls"], row["cost"])


@settings(max_examples=25, deadline=None)
@given(st.lists(sizes, min_size=1, max_size=10))
def test_within_a_kind_no_call_is_counted_twice(given_sizes: list[tuple[int, int]]) -> None:
    ask = world([call(*size) for size in given_sizes])
    spent = one(ask("totals", WEEK))
    for kind in ("downgrade", "cheaper_provider"):
        found = moves(ask, kind)
        assert sum(row["calls"] for row in found) <= spent["calls"]
        assert sum((row["cost"] for row in found), Decimal(0)) <= spent["cost"]
        assert all(0 < row["difference"] == row["cost"] - row["cost_after"] for row in found)
