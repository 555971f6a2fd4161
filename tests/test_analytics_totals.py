"""Totals: four disjoint parts, unknown money that stays unknown, and what a total covers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories_questions import (
    NOON,
    WEEK,
    Row,
    asked,
    at,
    free,
    insert,
    make_row,
    memory,
    on_endpoint,
    one,
    priced,
    scope,
    unpriced,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.coverage import coverage
from hf_ledger.analytics.questions import asking
from hf_ledger.analytics.totals import COLUMNS


def totals(*rows: Row) -> Row:
    return one(asked(rows)("totals", WEEK))


def test_an_empty_ledger_has_zero_calls_and_no_invented_figures() -> None:
    row = totals()
    assert tuple(row) == COLUMNS
    assert (row["calls"], row["errors"], row["models"]) == (0, 0, 0)
    assert row["cost"] == Decimal(0)
    unknown = ("billed_cost", "input_tokens", "tokens", "first_ts", "last_ts", "p50_ms", "p95_ms")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert row["price_list_at"] is None


def test_one_call_is_its_own_total() -> None:
    row = totals(
        priced(
            "0.000123457",
            cache_read_tokens=40,
            cache_write_tokens=2,
            latency_ms=800.0,
            lat_bin=137,
        )
    )
    assert row["calls"] == row["ok"] == row["priced_calls"] == row["models"] == 1
    assert row["cost"] == row["list_cost"] == Decimal("0.000123457")
    assert (row["input_tokens"], row["cache_read_tokens"]) == (100 + 40 + 2, 40)
    assert row["tokens"] == row["priced_tokens"] == 100 + 40 + 2 + 20
    assert row["first_ts"] == row["last_ts"] == NOON
    assert row["p50_ms"] == row["p95_ms"] == pytest.approx(800, rel=0.025)


def test_calls_whose_tokens_nobody_stated_are_counted() -> None:
    row = totals(priced("1"), priced("1", tokens_source="estimated"), unpriced())
    assert (row["calls"], row["estimated_calls"]) == (3, 1)


def test_every_call_is_in_exactly_one_part() -> None:
    row = totals(
        priced("1"), priced("2"), free(), unpriced(), unpriced(), unpriced(), on_endpoint()
    )
    parts = ("priced_calls", "free_calls", "unpriced_calls", "endpoint_calls")
    assert [row[name] for name in parts] == [2, 1, 3, 1]
    assert sum(row[name] for name in parts) == row["calls"]
    assert row["cost"] == 1 + 2


@pytest.mark.parametrize(
    ("rows", "cost"),
    [
        ([unpriced()], None),
        ([unpriced(), free()], None),
        ([on_endpoint()], None),
        ([on_endpoint(), free()], None),
        ([free()], Decimal(0)),
        ([free(), free()], Decimal(0)),
        ([priced("0")], Decimal(0)),
        ([priced("3"), unpriced()], Decimal(3)),
        ([priced("3"), on_endpoint()], Decimal(3)),
    ],
)
def test_a_cost_is_unknown_where_nothing_that_costs_has_a_price(
    rows: list[Row], cost: Decimal | None
) -> None:
    assert totals(*rows)["cost"] == cost


def test_the_list_price_is_unknown_where_only_a_provider_stated_a_cost() -> None:
    stated = make_row(cost_basis="provider_reported", cost=Decimal("0.5"), list_cost=None)
    row = totals(stated)
    assert (row["cost"], row["list_cost"]) == (Decimal("0.5"), None)
    assert totals(stated, priced("2"))["list_cost"] == Decimal(2)


def test_invoiced_money_is_unknown_until_there_is_some() -> None:
    assert totals(priced("1"))["billed_cost"] is None
    assert totals(priced("1", billed_cost=Decimal("0.9")), priced("1"))["billed_cost"] == Decimal(
        "0.9"
    )


@pytest.mark.parametrize(
    ("outcome", "ok", "errors"),
    [
        ("ok", 1, 0),
        ("error", 0, 1),
        ("interrupted", 0, 1),
        ("lost", 0, 1),
        ("cancelled", 0, 0),
        ("refused", 0, 0),
    ],
)
def test_an_error_is_what_the_caller_did_not_want(outcome: str, ok: int, errors: int) -> None:
    row = totals(make_row(outcome=outcome))
    assert (row["ok"], row["errors"]) == (ok, errors)


def test_unstated_tokens_stay_unknown_and_add_nothing() -> None:
    silent = {"uncached_input_tokens": None, "output_tokens": None}
    row = totals(unpriced(**silent))
    assert (row["input_tokens"], row["output_tokens"], row["tokens"]) == (None, None, 0)
    both = totals(unpriced(**silent), unpriced())
    assert (both["input_tokens"], both["output_tokens"]) == (100, 20)


def test_tokens_are_counted_by_whether_their_call_has_a_price() -> None:
    row = totals(priced("1"), free(output_tokens=0), unpriced(), unpriced(), on_endpoint())
    assert row["priced_tokens"] == 120 + 100
    assert row["unpriced_tokens"] == 2 * 120
    assert row["tokens"] == 120 + 100 + 2 * 120 + 120


def test_decimals_are_exact_where_floats_are_not() -> None:
    assert totals(*(priced("0.1") for _ in range(10)))["cost"] == Decimal(1)
    huge = totals(priced("999999999.999999999"), priced("0.000000001"))
    assert huge["cost"] == Decimal(10) ** 9


def test_times_are_aware_and_those_of_the_calls() -> None:
    rows = [make_row(ts=at(text)) for text in ("2026-08-11T01:02:03.000004", "2026-08-16T23:59:59")]
    row = totals(*rows)
    assert row["first_ts"] == datetime(2026, 8, 11, 1, 2, 3, 4, tzinfo=UTC)
    assert row["last_ts"] == datetime(2026, 8, 16, 23, 59, 59, tzinfo=UTC)


def test_quantiles_count_calls_of_known_latency_only() -> None:
    quick = [make_row(lat_bin=100) for _ in range(19)]
    row = totals(*quick, make_row(lat_bin=150), *(make_row(lat_bin=None) for _ in range(50)))
    assert row["p50_ms"] == row["p95_ms"] == pytest.approx(1.05**100.5)
    slow = totals(*quick[:18], make_row(lat_bin=150), make_row(lat_bin=150))
    assert slow["p95_ms"] == pytest.approx(1.05**150.5)


def refusal(**columns: Any) -> Row:
    """A call that the gateway did not send on: quick, free, and nobody's failure."""
    given = {"source": "gateway", "outcome": "refused", "status": 402, "lat_bin": 3, **columns}
    return free(**given)


def test_a_refusal_is_counted_free_and_no_error() -> None:
    row = totals(priced("1"), free(), refusal(), refusal())
    assert (row["calls"], row["ok"], row["errors"], row["refused"]) == (4, 1, 1, 2)
    assert (row["priced_calls"], row["free_calls"], row["unpriced_calls"]) == (1, 3, 0)
    assert row["cost"] == 1


def test_refusals_make_no_model_look_quicker() -> None:
    asked_of_a_model = [make_row(lat_bin=100), make_row(lat_bin=150)]
    row = totals(*asked_of_a_model, *(refusal() for _ in range(98)))
    assert row["p50_ms"] == pytest.approx(1.05**100.5)
    assert row["p95_ms"] == pytest.approx(1.05**150.5)
    assert totals(refusal())["p50_ms"] is None


def test_the_price_list_is_the_latest() -> None:
    ledger = memory([make_row()])
    lists = [
        {"snapshot": day, "source": "test", "captured_at": at(day).replace(tzinfo=None)}
        for day in ("2026-07-27", "2026-02-26")
    ]
    insert(ledger.cursor(), "price_lists", lists)
    row = one(asking(ledger.cursor())("totals", WEEK))
    assert row["price_list_at"] == datetime(2026, 7, 27, tzinfo=UTC)


def test_models_are_counted_once_and_unknown_ones_not_at_all() -> None:
    assert totals(make_row(model="a"), make_row(model="a"), make_row(model="b"))["models"] == 2
    assert totals(make_row(model=None))["models"] == 0


MAKERS: dict[str, Any] = {
    "priced": lambda: priced("0.25"),
    "free": free,
    "unpriced": unpriced,
    "endpoint": on_endpoint,
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(MAKERS)), max_size=12))
def test_coverage_counts_what_is_billed_per_call(kinds: list[str]) -> None:
    covered = coverage(totals(*(MAKERS[kind]() for kind in kinds)))
    assert covered.per_call == len(kinds) - kinds.count("endpoint")
    assert covered.priced == kinds.count("priced") + kinds.count("free")
    assert covered.unpriced == covered.per_call - covered.priced
    assert covered.complete == (covered.unpriced == 0)
    assert (covered.calls_share is None) == (covered.per_call == 0)
    if covered.per_call:
        assert covered.calls_share == covered.priced / covered.per_call


def test_coverage_of_nothing_has_no_share() -> None:
    covered = coverage(totals())
    assert (covered.calls_share, covered.tokens_share, covered.complete) == (None, None, True)
    only_endpoint = coverage(totals(on_endpoint()))
    assert (only_endpoint.calls_share, only_endpoint.endpoint) == (None, 1)


def test_coverage_of_tokens_leaves_endpoints_out() -> None:
    covered = coverage(totals(priced("1"), unpriced(uncached_input_tokens=280), on_endpoint()))
    assert covered.tokens_share == 120 / (120 + 300)


def test_filters_narrow_the_total() -> None:
    ask = asked([priced("1", team="a"), priced("2", team="b"), unpriced(team="b")])
    assert one(ask("totals", scope(team="a")))["cost"] == 1
    assert one(ask("totals", scope(team="b")))["unpriced_calls"] == 1
