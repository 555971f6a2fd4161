"""A column at a team's own volume: the figure, what it is set against, and what it leaves out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from factories_questions import NOON, Row, free, insert, memory, price_rows, priced, unpriced

from hf_ledger.analytics.questions import asking
from hf_ledger.dashboard.books import Book
from hf_ledger.dashboard.console import pricing, volume
from hf_ledger.dashboard.console.column import Column, Question, Run

VERSIONS = count(10**6)
BIG, SMALL = "big/70B", "tiny/8B"
QUESTION = Question(task="chat-completion", inputs={"messages": []}, team="search")
PRICES = [
    *price_rows("together", BIG, "0.9", "0.9"),
    *price_rows("novita", SMALL, "0.02", "0.05"),
    *price_rows("nscale", SMALL, "0.06", "0.06"),
]


def call(**columns: Any) -> Row:
    tokens = {"uncached_input_tokens": 10**6, "output_tokens": 2 * 10**6}
    return priced("2.7", **{"model": BIG, "provider": "together", **tokens, **columns})


def column(provider: str = "novita", model: str = SMALL, **changes: Any) -> Column:
    return Column(target="Hugging Face", model=model, provider=provider, **changes)


def book(calls: list[Row]) -> Book:
    ledger = memory(calls)
    insert(ledger.cursor(), "prices", PRICES)
    version = (next(VERSIONS),)  # another ledger is another entry of the cache
    return Book("yours", ("live", "import"), asking(ledger.cursor()), lambda: version)


def told(
    calls: list[Row], column_: Column | None = None, question: Question = QUESTION, **more: Any
) -> str:
    at, own = column_ or column(), book(calls)
    now = NOON.replace(day=13)
    found = volume.rows(own, at, question, pricing.prices(own, now), now)
    return volume.line(at, question, found, **more)


def test_the_figure_beside_what_was_spent() -> None:
    said = told([call(), call(), call(uncached_input_tokens=None, cost=None)])
    # 2 × (1 × 0.02 + 2 × 0.05) against 2 × 3 × 0.9
    assert said == (
        "At search's volume: $0.24 for 28 days at the same tokens, against $5.40 spent "
        "(3 calls, 67 % with tokens)."
    )


def test_a_provider_that_is_chosen_later_is_a_range() -> None:
    assert "volume: $0.12 to $0.18 for 28 days" in told([call()], column("auto"))


def test_calls_without_a_cost_make_what_was_spent_at_least() -> None:
    calls = [call(), unpriced(uncached_input_tokens=1, output_tokens=1)]
    assert "against at least $2.70 spent (2 calls, 100 % with tokens)" in told(calls)
    assert "against price unknown (1 call" in told(calls[1:])


def test_other_teams_tasks_purposes_and_days_do_not_count() -> None:
    others = [
        call(team="other"),
        call(task="summarization"),
        call(purpose="evaluation"),
        call(ts=datetime(2026, 7, 15, tzinfo=UTC)),
        free(model=BIG),
    ]
    assert told(others) == (
        "search made no chat-completion calls in the last 28 days, so there is no volume to "
        "compare with."
    )
    assert "(1 call, 100 % with tokens)" in told([*others, call()])


def test_without_a_team_everybodys_calls_count() -> None:
    everybody = Question(task="chat-completion", inputs={})
    said = told([call(), call(team="other")], question=everybody)
    assert said.startswith("At your volume: $0.24")
    assert told([], question=everybody).startswith("Nobody made chat-completion calls")


def test_a_route_without_a_price_is_price_unknown_and_not_zero() -> None:
    said = told([call()], column("nowhere", "no/such"))
    assert said == "At search's volume: price unknown (1 call)."


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"policy": "cheapest"}, "router", "The router chooses the target"),
        ({}, "self_hosted", "No bill per call: a server of your own."),
        ({}, "endpoint", "No bill per call: a dedicated endpoint"),
    ],
)
def test_columns_without_a_price_per_call_say_why(changes: Row, kind: Any, said: str) -> None:
    assert told([call()], column(**changes), kind=kind).startswith(said)


def test_a_route_that_prices_fewer_calls_is_not_compared() -> None:
    row = {"calls": 2, "counted_calls": 2, "cost_after": Decimal(2)}
    less = {"calls": 2, "counted_calls": 1, "cost_after": Decimal(1)}
    assert volume.comparable([less, row]) == [row]


# -- what a model writes ---------------------------------------------------------------------------


def run(model: str, read: int | None, written: int | None, at: int = 0, **changes: Any) -> Run:
    asked = Question(task="chat-completion", inputs={"messages": [at]})
    given = {"state": "done", "input_tokens": read, "output_tokens": written, **changes}
    return Run(column=column(model=model), question=asked, **given)


def test_the_figure_is_adjusted_by_what_both_models_wrote_here() -> None:
    runs = [run(BIG, 10, 100), run(SMALL, 11, 150), run(BIG, 10, 100, 1), run(SMALL, 11, 90, 1)]
    said = told([call()], runs=runs)
    # 0.02 × 1.1 + 0.10 × 1.2
    assert said.endswith(
        " Adjusted by this session's runs (2 questions: 1.20 × the tokens of 70B out, "
        "1.10 × in): $0.14."
    )


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run(SMALL, 10, 100)],
        [run(SMALL, 10, 100), run(BIG, 10, 100, 1)],
        [run(SMALL, 10, None), run(BIG, 10, 100)],
        [run(SMALL, 10, 100), run(BIG, 10, 100, state="stopped")],
        [run(SMALL, 10, 100), run(BIG, 0, 0)],
    ],
)
def test_without_tokens_of_both_for_one_question_there_is_no_adjusted_figure(
    runs: list[Run],
) -> None:
    assert "Adjusted" not in told([call()], runs=runs)


def test_the_model_that_the_calls_used_needs_no_adjusting() -> None:
    runs = [run(BIG, 10, 100), run(BIG, 10, 300)]
    assert "Adjusted" not in told([call()], column("together", BIG), runs=runs)
