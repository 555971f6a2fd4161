"""The prices of now: agreed before listed, with the age of the list, and never invented."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

from factories_prices import FIRST_LIST, insert, listed_ledger, token_prices
from factories_questions import WEEK, memory, one, scope

from hf_ledger.analytics.current_prices import price_of
from hf_ledger.analytics.questions import asking
from hf_ledger.ingest.doors.gateway.limits.prices_now import prices_now
from hf_ledger.ingest.doors.gateway.limits.pricing import rates_of


def test_a_route_with_its_price_and_the_time_of_the_list() -> None:
    cursor = listed_ledger(*token_prices("0.25", "0.69"))
    row = one(asking(cursor)("current_prices", WEEK))
    assert (row["provider"], row["model"], row["per_units"]) == ("acme", "maker/model", 1_000_000)
    assert (row["input"], row["output"], row["cache_read"]) == ("0.25", "0.69", None)
    assert row["list_at"] == FIRST_LIST.replace(tzinfo=UTC)


def test_a_row_is_the_price_that_gateways_are_told() -> None:
    cursor = listed_ledger(*token_prices("0.25", "0.69"))
    row = one(asking(cursor)("current_prices", WEEK))
    (told,) = prices_now(cursor, WEEK.until.replace(tzinfo=None))
    assert price_of(row) == told
    assert rates_of(price_of(row)).output == 690_000_000


def test_the_end_of_the_period_is_now() -> None:
    old = token_prices("1", "1", valid_to=FIRST_LIST.replace(month=8, day=13))
    new = token_prices("2", "2", valid_from=FIRST_LIST.replace(month=8, day=13), price_id="p2")
    ask = asking(listed_ledger(*old, *new))
    told = [
        one(ask("current_prices", scope(until=day)))["input"]
        for day in ("2026-08-12", "2026-08-14")
    ]
    assert told == ["1", "2"]


def test_what_was_agreed_counts_first() -> None:
    cursor = listed_ledger(*token_prices("1", "1"))
    terms = {"contract_id": "c1", "provider": "*", "model": "*", "kind": "input_tokens"}
    dated = {"per_units": 1, "discount_percent": Decimal(25), "valid_from": FIRST_LIST}
    insert(cursor, "contracts", {**terms, **dated, "source": "test", "snapshot": ""})
    row = one(asking(cursor)("current_prices", WEEK))
    cursor.execute("delete from contracts")
    assert (row["input"], row["output"]) == ("0.75", "0.75")


def test_without_prices_there_are_no_rows() -> None:
    assert asking(memory().cursor())("current_prices", WEEK).num_rows == 0
