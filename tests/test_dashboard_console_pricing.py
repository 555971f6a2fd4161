"""What a question may cost before it is sent: at the ledger's prices, and never an invented $0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_questions import NOON, asked, insert, memory, price_rows
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.questions import asking
from hf_ledger.dashboard.books import Book
from hf_ledger.dashboard.console import pricing
from hf_ledger.dashboard.console.column import PRACTICE, Column, Question
from hf_ledger.dashboard.console.pricing import Estimate, before, line, line_together, together
from hf_ledger.ingest.wire.estimate import tokens_of

MILLION = Decimal(10**6)
MODEL = "org/model"
LIST_AT = datetime(2026, 8, 11, 12, tzinfo=UTC)
TEXT = "How many letters has the word strawberry?"


def row(provider: str, entry: str | None, output: str | None, model: str = MODEL) -> dict[str, Any]:
    told = {"provider": provider, "model": model, "price_id": f"{provider}@1", "list_at": LIST_AT}
    usd = {"input": entry, "output": output, "cache_read": None, "cache_write": None}
    return {**told, "per_units": 10**6, **usd}


LISTED = [row("novita", "0.1", "0.4"), row("together", "0.9", "0.9"), row("x", "5", "5", "other")]


def column(provider: str = "novita", **changes: Any) -> Column:
    given_column = {"target": "Hugging Face", "model": MODEL, "provider": provider}
    return Column(**{**given_column, "parameters": {"max_tokens": 512}, **changes})


def question(said: str = TEXT, task: str = "chat-completion", **inputs: Any) -> Question:
    messages = {"messages": [{"role": "user", "content": said}]}
    return Question(task=task, inputs=inputs or messages)


def test_a_call_by_hand() -> None:
    told = before(column(), question(), LISTED)
    read = tokens_of([TEXT]) + 6  # a message's marks
    assert told.input_tokens == read == 16
    usd = (read * Decimal("0.1") + 512 * Decimal("0.4")) / MILLION
    assert told.low == told.high == usd == Decimal("0.0002064")
    assert (told.output_tokens, told.routes, told.list_at) == (512, 1, LIST_AT)
    # each of its bytes may be a token, and the template's marks are as many as they can be
    most = (256 + 16 + len(TEXT) + len("user")) * Decimal("0.1") + 512 * Decimal("0.4")
    assert told.most == most / MILLION


def test_a_provider_that_the_router_chooses_is_a_range_over_the_models() -> None:
    told = before(column("auto"), question(), LISTED)
    alone = [before(column(each), question(), LISTED) for each in ("novita", "together")]
    assert (told.low, told.high, told.most) == (alone[0].low, alone[1].high, alone[1].most)
    assert told.routes == 2
    assert "$0.00021 to $0.00048 by one of 2 providers" in line(told)


@pytest.mark.parametrize("provider", ["fastest", "cheapest", "preferred"])
def test_the_routers_policies_are_such_choices(provider: str) -> None:
    assert before(column(provider), question(), LISTED).routes == 2


def test_an_unknown_price_is_said_and_is_not_zero() -> None:
    told = before(column(model="no/such"), question(), LISTED)
    assert (told.low, told.high, told.most) == (None, None, None)
    assert line(told) == "Price unknown."
    assert before(column("nscale"), question(), LISTED).why == "price unknown"


def test_half_a_price_is_no_price() -> None:
    told = before(column(), question(), [row("novita", "0.1", None)])
    assert (told.low, told.most, told.why) == (None, None, "price unknown")


def test_of_two_providers_one_without_price_makes_the_most_unknown() -> None:
    told = before(column("auto"), question(), [*LISTED, row("z", "0.1", None)])
    assert told.most is None
    assert told.low is not None


@pytest.mark.parametrize(
    ("kind", "said"), [("self_hosted", "No bill per call"), ("endpoint", "billed by the hour")]
)
def test_servers_without_a_bill_per_call(kind: Any, said: str) -> None:
    told = before(column(), question(), LISTED, kind)
    assert told.low is None
    assert said in line(told)
    assert "$" not in line(told)


def test_a_policy_column_has_its_price_when_it_has_answered() -> None:
    told = before(column(policy="cheapest"), question(), LISTED)
    assert told.low is None
    assert line(told).startswith("The router chooses the target")
    assert pricing.pairs_of(column(policy="cheapest"), LISTED) == []


def test_without_a_limit_nobody_can_say_the_most() -> None:
    told = before(column(parameters={}), question(), LISTED)
    assert (told.low, told.most) == (None, None)
    assert line(told) == "No limit of tokens is set, so nobody can say the most."


def test_several_answers_count_each() -> None:
    assert (
        before(column(parameters={"max_tokens": 5, "n": 3}), question(), LISTED).output_tokens == 15
    )


def test_an_embedding_writes_nothing() -> None:
    told = before(column(parameters={}), question(task="feature-extraction", text=TEXT), LISTED)
    assert told.output_tokens == 0
    assert told.low == tokens_of([TEXT]) * Decimal("0.1") / MILLION


def test_other_tasks_are_not_billed_by_tokens() -> None:
    told = before(column(), question(task="text-to-image", prompt="a cat"), LISTED)
    assert told.low is None
    assert line(told).startswith("Price unknown before the call")


def test_a_picture_has_a_most_but_no_estimate() -> None:
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    asked_with = Question(
        task="chat-completion", inputs={"messages": [{"role": "user", "content": content}]}
    )
    told = before(column(), asked_with, LISTED)
    assert told.low is None
    assert told.most is not None
    assert told.most > 16_384 * Decimal("0.1") / MILLION
    assert "; at most $" in line(told)


def test_practice_says_that_nobody_charges_it() -> None:
    told = before(column(target=PRACTICE), question(), LISTED)
    assert told.low == Decimal("0.0002064")
    assert line(told).endswith("Practice: nobody charges it.")


def test_the_line() -> None:
    assert line(before(column(), question(), LISTED)) == (
        "About $0.00021 for 16 tokens in, at most 512 out; at most $0.00024."
    )


def test_the_age_of_the_list() -> None:
    said, old = pricing.age(LISTED, LIST_AT + timedelta(days=106))
    assert said == "At the list of 11 Aug 2026 (106 days old)."
    assert old
    assert pricing.age([], NOON)[0] == "No price list covers these calls."


# -- several calls ---------------------------------------------------------------------------------


def test_several_calls_add_up_and_say_what_is_missing() -> None:
    each = [before(column(name), question(), LISTED) for name in ("novita", "together", "nscale")]
    sums = together(each)
    assert (sums.calls, sums.unpriced) == (3, 1)
    assert each[0].low is not None
    assert each[1].low is not None
    assert sums.low == sums.high == each[0].low + each[1].low
    assert line_together(sums).endswith("at most $0.00098. 1 further call without a known price.")


def test_nothing_priced_is_price_unknown() -> None:
    sums = together([before(column("nscale"), question(), LISTED)] * 2)
    assert line_together(sums) == "Price unknown for 2 calls."


def test_a_most_that_is_unknown_is_not_added() -> None:
    sums = together(
        [
            Estimate(low=Decimal(1), high=Decimal(1)),
            Estimate(low=Decimal(1), high=Decimal(1), most=Decimal(2)),
        ]
    )
    assert sums.most is None


amounts = st.decimals(0, 10, places=9)


@given(st.lists(st.none() | st.tuples(amounts, amounts), max_size=8))
def test_parts_are_the_whole(parts: list[tuple[Decimal, Decimal] | None]) -> None:
    each = [
        Estimate() if part is None else Estimate(low=min(part), high=max(part), most=sum(part))
        for part in parts
    ]
    sums = together(each)
    assert sums.calls == len(parts)
    assert sums.low == sum(min(part) for part in parts if part)
    assert sums.high == sum(max(part) for part in parts if part)
    assert sums.low <= sums.high <= (sums.most or Decimal(0))


@given(st.text(max_size=300), st.integers(0, 5000))
def test_about_is_never_above_the_most(text: str, limit: int) -> None:
    told = before(column(parameters={"max_tokens": limit}), question(text), LISTED)
    assert told.low is not None
    assert told.most is not None
    assert told.low <= told.most


# -- from a ledger ---------------------------------------------------------------------------------


def test_prices_come_from_the_ledger_of_now() -> None:
    ledger = memory()
    old = price_rows("novita", MODEL, "9", "9", until="2026-08-01")
    insert(
        ledger.cursor(),
        "prices",
        [*old, *price_rows("novita", MODEL, "1", "2", since="2026-08-01")],
    )
    book = Book("yours", ("live",), asking(ledger.cursor()), lambda: (10**5,))
    (held,) = pricing.prices(book, NOON)
    assert (held["input"], held["output"]) == ("1", "2")
    told = before(column(), question(), [held])
    assert told.low == (16 * Decimal(1) + 512 * Decimal(2)) / MILLION
    assert pricing.pairs_of(column("auto"), [held]) == [(MODEL, "novita")]


def test_an_empty_ledger_has_no_prices() -> None:
    book = Book("yours", ("live",), asked(), lambda: (10**5, 1))
    assert pricing.prices(book, NOON) == []
