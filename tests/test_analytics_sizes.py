"""Sizes and overkill: classes in their order, and what is two or more classes too big."""

from __future__ import annotations

from decimal import Decimal

import pytest
from factories_questions import WEEK, Row, asked, make_row, one, priced, scope, unpriced

from hf_ledger.analytics.kernel.suitable import CLASSES


def call(size_class: str | None, usd: str = "1", **columns: object) -> Row:
    return priced(usd, size_class=size_class, **columns)


def test_classes_come_from_small_to_xl_and_unknown_last() -> None:
    calls = [
        call(each, usd) for usd, each in enumerate(["xl", None, "small", "large", "medium"], 1)
    ]
    table = asked([{**row, "cost": Decimal(n)} for n, row in enumerate(calls, 1)])("sizes", WEEK)
    assert table["size_class"].to_pylist() == [*CLASSES, None]
    assert table["cost"].to_pylist() == [3, 5, 4, 1, 2]


def test_a_class_states_calls_tokens_cost_and_what_is_priced() -> None:
    rows = [call("xl"), call("xl", "2"), unpriced(size_class="xl")]
    assert one(asked(rows)("sizes", WEEK)) == {
        "size_class": "xl",
        "calls": 3,
        "input_tokens": 300,
        "output_tokens": 60,
        "cost": Decimal(3),
        "priced_calls": 2,
    }


def test_sizes_break_down_further() -> None:
    calls = [call("xl", team="a"), call("small", team="a"), call("xl", "5", team="b")]
    table = asked(calls)("sizes", WEEK, by=["team"])
    found = list(zip(*(table[n].to_pylist() for n in ("size_class", "team")), strict=True))
    assert found == [("small", "a"), ("xl", "b"), ("xl", "a")]


def test_an_empty_ledger_has_no_sizes() -> None:
    assert asked()("sizes", WEEK).num_rows == 0


SHORT = {"uncached_input_tokens": 100, "output_tokens": 200}


def test_two_classes_too_big_is_overkill() -> None:
    calls = [call("xl", **SHORT), call("xl", "3", **SHORT), call("large", **SHORT)]
    row = one(asked(calls)("overkill", WEEK))
    assert (row["task"], row["size_class"], row["suitable_class"]) == (
        "chat-completion",
        "xl",
        "medium",
    )
    assert (row["classes_over"], row["calls"], row["priced_calls"]) == (2, 2, 2)
    assert (row["mean_input_tokens"], row["mean_output_tokens"]) == (100.0, 200.0)
    assert row["cost"] == Decimal(4)


def test_one_class_too_big_is_not_unless_asked() -> None:
    ask = asked([call("large", **SHORT)])
    assert ask("overkill", WEEK).num_rows == 0
    assert one(ask("overkill", WEEK, least=1))["classes_over"] == 1


def test_an_xl_model_that_answers_a_word_is_overkill() -> None:
    row = one(asked([call("xl", uncached_input_tokens=1500, output_tokens=3)])("overkill", WEEK))
    assert (row["suitable_class"], row["classes_over"]) == ("small", 3)


@pytest.mark.parametrize(
    "columns",
    [
        {"size_class": None},
        {"task": None},
        {"task": "text-to-image"},
        {"outcome": "error"},
        {"uncached_input_tokens": None},
        {"uncached_input_tokens": 5000},
    ],
)
def test_what_is_unknown_or_needed_is_no_overkill(columns: dict[str, object]) -> None:
    row = {**call("xl", **SHORT), **columns}
    assert asked([row])("overkill", WEEK).num_rows == 0


def test_overkill_without_a_price_has_an_unknown_cost_and_comes_last() -> None:
    calls = [unpriced(size_class="xl", model="a/b", **SHORT) for _ in range(3)]
    table = asked([*calls, call("xl", "1", **SHORT)])("overkill", WEEK)
    assert table["cost"].to_pylist() == [Decimal(1), None]
    assert table["priced_calls"].to_pylist() == [1, 0]


def test_its_own_columns_open_its_calls() -> None:
    other = make_row(size_class="xl", uncached_input_tokens=9000)
    ask = asked([call("xl", **SHORT), call("xl", **SHORT), other, call("small", **SHORT)])
    row = one(ask("overkill", WEEK))
    keys = ("task", "model", "size_class", "suitable_class")
    assert ask("calls", scope(**{key: row[key] for key in keys})).num_rows == row["calls"] == 2
