"""The rows behind any figure, and one call with the prices it was priced with."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from factories_questions import (
    NOON,
    WEEK,
    asked,
    insert,
    make_row,
    memory,
    one,
    price_rows,
    priced,
    scope,
    unpriced,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.calls import COLUMNS
from hf_ledger.analytics.questions import asking
from hf_ledger.ingest.errors import Usage

IDS = [f"01900000-0000-7000-8000-{number:012d}" for number in range(12)]


def test_rows_have_the_columns_of_the_drill_table() -> None:
    table = asked([priced("0.5", call_id=IDS[0])])("calls", WEEK)
    assert tuple(table.column_names) == (*COLUMNS, "allocated_cost")
    row = one(table)
    assert row["call_id"] == IDS[0]
    assert row["ts"] == NOON
    assert row["cost"] == Decimal("0.5")
    assert row["suitable_class"] == "medium"  # 100 tokens in, 20 out
    assert table.schema.field("call_id").type == pa.string()


def test_the_newest_come_first_unless_asked_otherwise() -> None:
    rows = [make_row(call_id=IDS[n], ts=NOON + timedelta(minutes=n)) for n in (1, 3, 2)]
    ask = asked(rows)
    assert ask("calls", WEEK)["call_id"].to_pylist() == [IDS[3], IDS[2], IDS[1]]
    oldest = ask("calls", WEEK, descending=False)
    assert oldest["call_id"].to_pylist() == [IDS[1], IDS[2], IDS[3]]


def test_unknown_values_come_last_in_either_order() -> None:
    rows = [priced("1", call_id=IDS[0]), unpriced(call_id=IDS[1]), priced("3", call_id=IDS[2])]
    ask = asked(rows)
    assert ask("calls", WEEK, order="cost")["cost"].to_pylist() == [3, 1, None]
    assert ask("calls", WEEK, order="cost", descending=False)["cost"].to_pylist() == [1, 3, None]


@pytest.mark.parametrize("order", COLUMNS)
def test_every_column_orders(order: str) -> None:
    assert asked([make_row(), make_row()])("calls", WEEK, order=order).num_rows == 2


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.sampled_from(["ts", "cost", "team", "latency_ms"]), st.booleans())
def test_pages_lie_side_by_side(size: int, order: str, descending: bool) -> None:
    rows = [priced(n % 3, call_id=IDS[n], team="ab"[n % 2]) for n in range(len(IDS))]
    ask = asked(rows)
    how = {"order": order, "descending": descending}
    pages = [ask("calls", WEEK, limit=size, offset=o, **how) for o in range(0, len(IDS), size)]
    paged = [call for page in pages for call in page["call_id"].to_pylist()]
    assert paged == ask("calls", WEEK, **how)["call_id"].to_pylist()
    assert sorted(paged) == IDS


def test_filters_narrow_the_rows() -> None:
    rows = [make_row(team="a", call_id=IDS[0]), make_row(team="b"), make_row(origin="sample")]
    assert asked(rows)("calls", scope(team="a"))["call_id"].to_pylist() == [IDS[0]]


@pytest.mark.parametrize("order", ["", "ts desc", "1", "input_hash", "(select 1)", "cost; --"])
def test_an_order_must_be_a_column(order: str) -> None:
    with pytest.raises(Usage, match="calls have no column"):
        asked()("calls", WEEK, order=order)


@pytest.mark.parametrize("wrong", [-1, 100_001, "5", 2.0, None, True])
def test_a_page_must_be_a_sensible_number(wrong: object) -> None:
    for name in ("limit", "offset"):
        with pytest.raises(Usage, match=f"{name} must be a whole number"):
            asked()("calls", WEEK, **{name: wrong})


def test_one_call_shows_every_column_and_its_prices() -> None:
    model = "meta-llama/Llama-3.3-70B-Instruct"
    ledger = memory([priced("1", call_id=IDS[0], price_id="together/x")])
    cursor = ledger.cursor()
    rows = [
        *price_rows("together", model, "0.88", "0.88"),
        *price_rows("together", model, "9", "9", since="2026-09-01"),
        *price_rows("novita", model, "0.1", "0.4"),
    ]
    insert(cursor, "prices", rows)
    row = one(asking(cursor)("call", call_id=IDS[0]))
    assert (row["call_id"], row["ts"], row["fallback_of"]) == (IDS[0], NOON, None)
    assert row["input_tokens"] == 100
    used = json.loads(row["prices_used"])
    assert [(each["kind"], each["usd"]) for each in used] == [
        ("input_tokens", "0.880000000"),
        ("output_tokens", "0.880000000"),
    ]


def test_the_price_named_by_the_cost_is_shown_though_it_has_ended() -> None:
    ledger = memory([priced("1", call_id=IDS[0], price_id="together/m@2026-01-01", model="m")])
    insert(ledger.cursor(), "prices", price_rows("together", "m", "1", "1", until="2026-02-01"))
    row = one(asking(ledger.cursor())("call", call_id=IDS[0]))
    assert len(json.loads(row["prices_used"])) == 2


def test_an_unpriced_call_used_no_prices() -> None:
    row = one(asked([unpriced(call_id=IDS[0])])("call", call_id=IDS[0]))
    assert row["prices_used"] == "[]"


def test_a_call_that_is_not_there_has_no_row() -> None:
    assert asked()("call", call_id=IDS[0]).num_rows == 0


@pytest.mark.parametrize("wrong", ["", "abc", "01900000", "'; drop table calls; --", 7])
def test_something_else_than_an_id_is_refused(wrong: object) -> None:
    with pytest.raises(Usage, match="is no call id; it looks like"):
        asked()("call", call_id=wrong)


def test_times_of_rows_are_aware() -> None:
    table = asked([make_row()])("calls", WEEK)
    assert table.schema.field("ts").type == pa.timestamp("us", tz="UTC")
    assert one(table)["ts"].utcoffset() == NOON.astimezone(UTC).utcoffset()
