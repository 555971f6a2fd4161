"""Observations: true figures in words, ranked, each opening the calls it speaks of."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from factories_questions import (
    WEEK,
    Row,
    asked,
    at,
    free,
    make_row,
    one,
    priced,
    scope,
    unpriced,
)
from test_analytics_savings import MILLION, call, world

from hf_ledger.analytics.questions import Ask
from hf_ledger.ingest.errors import Usage


def found(ask: Ask, kind: str | None = None) -> list[Row]:
    rows: list[Row] = ask("recommendations", WEEK, n=100).to_pylist()
    return [row for row in rows if kind in {None, row["kind"]}]


def opened(ask: Ask, row: Row) -> int:
    where = {name: tuple(values) for name, values in json.loads(row["link_where"]).items()}
    calls: int = one(ask("totals", scope(**where)))["calls"]
    return calls


def test_nothing_happened_nothing_is_said() -> None:
    assert asked()("recommendations", WEEK).num_rows == 0


def test_a_smaller_model_in_words() -> None:
    ask = world([call(1_000_00, 2_000_00, uncached_input_tokens=100, output_tokens=200)])
    (row,) = found(ask, "downgrade")
    before = Decimal(300_000) * Decimal("0.9") / MILLION
    after = (100 * Decimal("0.02") + 200 * Decimal("0.05")) / MILLION
    assert row["amount"] == before - after
    assert row["sentence"] == (
        "1 call on big/70B at together would suit a medium model by task and length. The same "
        "tokens on tiny/8B (medium) at novita list for $0.000012 instead of $0.27: $0.27 less, "
        "untested."
    )


def test_a_cheaper_provider_in_words() -> None:
    rows = [call(100_000, 200_000) for _ in range(2)]
    (row,) = found(world(rows), "cheaper_provider")
    # 2 × (0.1 × 0.1 + 0.2 × 0.4) = 0.18 instead of 2 × 0.3 × 0.9 = 0.54
    assert row["amount"] == Decimal("0.54") - Decimal("0.18")
    assert row["sentence"] == (
        "The same tokens of 2 calls on big/70B list for $0.18 at novita instead of $0.54 at "
        "together: $0.36 less; same model, speed and limits untested."
    )


def test_overkill_in_words() -> None:
    rows = [priced("2", model="a/b", size_class="xl", uncached_input_tokens=1200, output_tokens=4)]
    ask = asked(rows * 1)
    (row,) = found(ask, "overkill")
    assert row["sentence"] == (
        "1 call for chat-completion went to a/b (xl) with 1,200 tokens in and 4 out on average; "
        "the smallest suitable class by rule is small. They cost $2.00."
    )
    assert row["amount"] is None
    assert opened(ask, row) == row["calls"] == 1


def test_calls_without_a_price_in_words() -> None:
    rows = [*(unpriced(model="x/y", provider="groq") for _ in range(3)), unpriced(), priced("1")]
    ask = asked(rows)
    (row,) = found(ask, "unpriced")
    assert row["sentence"] == (
        "4 calls (80 %) have no known price and are in no total; most of them, 3, went to x/y at "
        "groq."
    )
    assert opened(ask, row) == row["calls"] == 4


def test_a_route_that_fails_often_in_words() -> None:
    rows = [*(free() for _ in range(3)), *(priced("1") for _ in range(17))]
    ask = asked(rows)
    (row,) = found(ask, "errors")
    assert row["sentence"] == (
        "3 of 20 calls to meta-llama/Llama-3.3-70B-Instruct at together failed (15.0 %)."
    )
    assert opened(ask, row) == row["calls"] == 3


def test_refusals_neither_hide_a_route_that_fails_nor_make_one() -> None:
    refusals = [free(outcome="refused", status=402) for _ in range(100)]
    rows = [*(free() for _ in range(3)), *(priced("1") for _ in range(17)), *refusals]
    (row,) = found(asked(rows), "errors")
    assert row["sentence"].startswith("3 of 20 calls to ")
    assert found(asked([free(), priced("1"), *refusals]), "errors") == []


@pytest.mark.parametrize(("failed", "calls"), [(1, 19), (1, 21), (19, 19), (0, 100)])
def test_few_calls_or_few_errors_are_no_observation(failed: int, calls: int) -> None:
    rows = [*(free() for _ in range(failed)), *(priced("1") for _ in range(calls - failed))]
    assert found(asked(rows), "errors") == []


def test_unknown_routes_are_said_to_be_unknown() -> None:
    (row,) = found(asked([unpriced(model=None, provider=None)]), "unpriced")
    assert row["sentence"].endswith(
        "most of them, 1, went to an unknown model at an unknown provider."
    )


def test_the_busiest_hour_in_words() -> None:
    rows = [make_row(ts=at(f"2026-08-12T{hour}:00:00")) for hour in ("09", "14", "14")]
    (row,) = found(asked(rows), "peak")
    assert row["sentence"] == (
        "The busiest hour of the day begins at 14:00, with 2 calls (66.7 % of all)."
    )


def test_differences_come_first_greatest_first_and_ranks_count() -> None:
    rows = [call(), call(300, 3), unpriced(), *(free() for _ in range(30))]
    kinds = [row["kind"] for row in found(world(rows))]
    amounts = [row["amount"] for row in found(world(rows)) if row["amount"] is not None]
    assert amounts == sorted(amounts, reverse=True)
    assert kinds[: len(amounts)] == [k for k in kinds if k in {"downgrade", "cheaper_provider"}]
    assert kinds[-3:] == ["unpriced", "errors", "peak"]
    assert [row["rank"] for row in found(world(rows))] == list(range(1, len(kinds) + 1))


def test_at_most_as_many_as_asked_for() -> None:
    ask = world([call(), unpriced()])
    assert ask("recommendations", WEEK, n=1).num_rows == 1
    for wrong in (0, -1, "5", True):
        with pytest.raises(Usage, match="n must be a whole number"):
            ask("recommendations", WEEK, n=wrong)


def test_no_sentence_promises_a_saving() -> None:
    rows = [call(), call(300, 3), unpriced(), *(free() for _ in range(30))]
    sentences = " ".join(row["sentence"].lower() for row in found(world(rows)))
    assert "untested" in sentences
    for word in ("save", "saving", "should", "guarantee", "proven"):
        assert word not in sentences
