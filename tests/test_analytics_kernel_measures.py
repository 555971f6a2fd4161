"""Adding up groups in Arrow: exact, NULL only where all was NULL, in a stable order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from factories_questions import WEEK, asked, make_row, one
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.kernel.measures import (
    COVERAGE,
    FAILED,
    plus,
    regroup,
    sort,
    with_known_costs,
)

MONEY = pa.decimal128(38, 9)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    kinds = [("team", pa.string()), ("calls", pa.int64()), ("cost", MONEY)]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def row(team: str | None, calls: int, cost: str | None) -> dict[str, Any]:
    return {"team": team, "calls": calls, "cost": None if cost is None else Decimal(cost)}


def test_groups_are_added_up_exactly() -> None:
    given_rows = [row("a", 1, "0.1"), row("b", 5, "1"), row("a", 2, "0.200000001")]
    assert regroup(table(given_rows), ("team",)).to_pylist() == [
        row("a", 3, "0.300000001"),
        row("b", 5, "1"),
    ]


def test_unknown_adds_nothing_and_only_unknown_stays_unknown() -> None:
    given_rows = [row("a", 1, None), row("a", 1, "2"), row("b", 1, None), row(None, 1, "3")]
    assert regroup(table(given_rows), ("team",)).to_pylist() == [
        row("a", 2, "2"),
        row("b", 1, None),
        row(None, 1, "3"),
    ]


def test_other_aggregates_than_sums() -> None:
    given_rows = [row("a", 1, "1"), row("a", 9, "2")]
    found = one(regroup(table(given_rows), ("team",), {"calls": "max"}))
    assert (found["calls"], found["cost"]) == (9, Decimal(3))


def test_columns_keep_their_order_and_types() -> None:
    found = regroup(table([row("a", 1, "1")]), ("team",))
    assert found.column_names == ["team", "calls", "cost"]
    assert found.schema.field("cost").type == MONEY
    assert regroup(table([]), ("team",)).num_rows == 0


amounts = st.one_of(st.none(), st.decimals(Decimal(0), Decimal(10**9), places=9))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), amounts), max_size=40))
def test_regrouping_twice_is_regrouping_once(
    pairs: list[tuple[str | None, Decimal | None]],
) -> None:
    rows = [{"team": team, "calls": 1, "cost": cost} for team, cost in pairs]
    once = regroup(table(rows), ("team",))
    assert regroup(once, ("team",)).equals(once)
    known = [cost for _, cost in pairs if cost is not None]
    summed = [each for each in once["cost"].to_pylist() if each is not None]
    assert sum(summed, Decimal(0)) == sum(known, Decimal(0))
    assert sum(once["calls"].to_pylist()) == len(pairs)


def measured(
    priced: int, unpriced: int, endpoint: int, listed: int, cost: str | None
) -> dict[str, Any]:
    given_cost = None if cost is None else Decimal(cost)
    counts = {"priced_calls": priced, "unpriced_calls": unpriced, "endpoint_calls": endpoint}
    return {**counts, "listed_calls": listed, "cost": given_cost, "list_cost": given_cost}


@pytest.mark.parametrize(
    ("given_row", "cost", "list_cost"),
    [
        (measured(0, 0, 0, 0, None), "0", "0"),
        (measured(0, 0, 0, 0, "0"), "0", "0"),
        (measured(0, 1, 0, 0, None), None, None),
        (measured(0, 1, 0, 0, "0"), None, None),  # failures are free, the rest is unknown
        (measured(0, 0, 2, 0, None), None, None),
        (measured(1, 0, 0, 1, "5"), "5", "5"),
        (measured(1, 9, 9, 1, "5"), "5", "5"),
        (measured(1, 0, 0, 0, "5"), "5", None),  # the provider stated it, no list price
    ],
)
def test_a_cost_is_known_zero_or_unknown(
    given_row: dict[str, Any], cost: str | None, list_cost: str | None
) -> None:
    kinds = [(name, pa.int64()) for name in given_row if name.endswith("calls")]
    schema = pa.schema([*kinds, ("cost", MONEY), ("list_cost", MONEY)])
    found = one(with_known_costs(pa.Table.from_pylist([given_row], schema=schema)))
    expected = [None if each is None else Decimal(each) for each in (cost, list_cost)]
    assert [found["cost"], found["list_cost"]] == expected
    assert "listed_calls" not in found


def test_columns_are_added() -> None:
    found = pa.table({"a": [1, 2], "b": [10, 20], "c": [100, 200]})
    assert plus(found, "a", "b", "c").to_pylist() == [111, 222]
    assert plus(found, "b").to_pylist() == [10, 20]


def test_sorting_is_stable_and_puts_unknown_last() -> None:
    rows = [row("b", 1, None), row("c", 2, "1"), row("a", 3, "1"), row(None, 4, "2")]
    falling = sort(table(rows), ("cost", "descending"))
    assert falling["calls"].to_pylist() == [4, 2, 3, 1]
    rising = sort(table(rows), ("cost", "ascending"), ("team", "ascending"))
    assert rising["calls"].to_pylist() == [3, 2, 4, 1]
    assert sort(table(rows)).equals(table(rows))
    assert sort(table([]), ("cost", "descending")).num_rows == 0


@pytest.mark.parametrize("outcome", ["ok", "error", "interrupted", "cancelled", "lost", "refused"])
def test_failed_outcomes_are_those_the_sum_counts(outcome: str) -> None:
    errors = one(asked([make_row(outcome=outcome)])("totals", WEEK))["errors"]
    assert errors == (outcome in FAILED)


def test_the_four_parts_are_columns_of_every_breakdown() -> None:
    columns = asked([make_row()])("spend", WEEK, by=["team"]).column_names
    assert [name for name in COVERAGE if name in columns] == list(COVERAGE)
