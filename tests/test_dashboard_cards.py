"""Files of exactly what is shown, the call's drawer, the table of calls, and connecting words."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from factories_calls import NOON, ledger_with, make_call, make_row
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.questions import answer
from hf_ledger.dashboard import calldrawer, calltable, cards, connecting
from hf_ledger.ingest.places import Places


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


# -- CSV -----------------------------------------------------------------------------------------


def test_money_is_written_in_full_and_unknown_is_empty() -> None:
    rows = [
        {"team": "search", "cost": Decimal("0.000000123"), "calls": 3},
        {"team": None, "cost": None, "calls": 0},
    ]
    assert read(cards.csv_text(rows)) == [
        ["team", "cost", "calls"],
        ["search", "0.000000123", "3"],
        ["", "", "0"],
    ]


def test_a_file_of_made_up_calls_says_so_in_every_row() -> None:
    text = cards.csv_text([{"calls": 1}, {"calls": 2}], "Sample data: made up.")
    assert read(text) == [
        ["calls", "note"],
        ["1", "Sample data: made up."],
        ["2", "Sample data: made up."],
    ]


def test_times_are_iso() -> None:
    rows = [{"day": date(2026, 11, 9), "ts": datetime(2026, 11, 9, 1, 2, tzinfo=UTC)}]
    assert read(cards.csv_text(rows))[1] == ["2026-11-09", "2026-11-09T01:02:00+00:00"]


def test_nothing_shown_is_an_empty_file() -> None:
    assert read(cards.csv_text([])) == [[]]


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx", "\rx", "\n=x"])
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert cards.harmless(text) == f"'{text}"


def test_negative_numbers_stay_numbers() -> None:
    assert cards.harmless(-2) == "-2"
    assert cards.harmless(Decimal("-0.5")) == "-0.5"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), min_size=1))
def test_text_survives_the_file(names: list[str]) -> None:
    back = read(cards.csv_text([{"team": name} for name in names]))[1:]
    shown = [row[0] if row else "" for row in back]
    assert shown == [cards.harmless(name) for name in names]


@pytest.mark.parametrize("name", ["=cmd()", "@x,y", '+"a"', "-1;2", "=HYPERLINK(1)"])
def test_a_hostile_name_is_one_harmless_cell_beside_its_money(name: str) -> None:
    shown = [{"team": name, "cost": Decimal("-0.5"), "calls": None}]
    assert read(cards.csv_text(shown)) == [["team", "cost", "calls"], [f"'{name}", "-0.5", ""]]


@given(st.lists(st.tuples(st.none() | st.integers(), st.booleans())))
def test_a_file_has_exactly_the_rows_shown(given_rows: list[tuple[int | None, bool]]) -> None:
    rows = [{"n": number, "m": flag} for number, flag in given_rows]
    back = read(cards.csv_text(rows, "Sample data"))
    assert len(back) == len(rows) + 1
    for line, row in zip(back[1:], rows, strict=True):
        assert line == ["" if row["n"] is None else str(row["n"]), str(row["m"]), "Sample data"]


def test_a_tiny_amount_is_not_written_with_an_exponent() -> None:
    assert cards.harmless(Decimal("1E-9")) == "0.000000001"


@given(st.decimals(places=9, min_value="-999999", max_value="999999"))
def test_money_survives_the_file(usd: Decimal) -> None:
    assert Decimal(read(cards.csv_text([{"cost": usd}]))[1][0]) == usd


@pytest.mark.parametrize(
    ("days", "drawn"),
    [
        ([1.0, None, 3.0], [1.0, 1.0, 3.0]),
        ([None, 2.0], [0.0, 2.0]),
        ([1.23456789, 2.0], [1.235, 2.0]),
        ([5.0], None),
        ([], None),
    ],
)
def test_small_lines_hold_the_last_known_value(days: Any, drawn: Any) -> None:
    assert cards.sparkline(days) == drawn


# -- the drawer ----------------------------------------------------------------------------------


def stored(places: Places, **more: Any) -> dict[str, Any]:
    """A call through spool, collector and pricing, as the question `call` gives it."""
    call = make_call(**more)
    with ledger_with(places, [call]) as ledger:
        found = answer(ledger.cursor(), "call", None, {"call_id": call.call_id}).to_pylist()
    row: dict[str, Any] = found[0]
    return row


def test_the_sum_is_told_line_by_line(places: Places) -> None:
    row = stored(places, uncached_input_tokens=1_000, output_tokens=500)
    assert row["cost_basis"] == "list_price_tokens"
    prices = {
        p["kind"]: Decimal(p["usd"])
        for p in json.loads(row["prices_used"])
        if p["price_id"] == row["price_id"]
    }
    lines = calldrawer.priced(row)
    input_usd = 1_000 * prices["input_tokens"] / 1_000_000
    output_usd = 500 * prices["output_tokens"] / 1_000_000
    assert any(
        line.startswith("1,000 uncached input tokens ×") and line.endswith(f"= ${input_usd:f}")
        for line in lines
    )
    assert any(
        line.startswith("500 output tokens ×") and line.endswith(f"= ${output_usd:f}")
        for line in lines
    )
    assert row["list_cost"] == input_usd + output_usd
    assert any(f"${row['list_cost']:.9f}" in line for line in lines)
    assert any("valid from" in line for line in lines)


def test_an_unknown_price_is_said_and_not_summed(places: Places) -> None:
    row = stored(places, requested_model="acme/unlisted", provider_model="acme/unlisted")
    assert calldrawer.priced(row) == [
        "No price is known for this provider, model and day; that is not the same as free."
    ]


def test_every_basis_has_words(places: Places) -> None:
    bases = {
        "billed_session", "provider_reported", "list_price_tokens", "list_price_units",
        "compute_time_estimate", "assumed", "free", "unknown", "endpoint_hours",
        "contract", "provider_list_price", "collected_price",
    }  # fmt: skip
    assert set(calldrawer.BASES) == bases


def test_every_column_of_a_call_is_in_the_drawer(places: Places) -> None:
    row = stored(places)
    grouped = calldrawer.shown_names()
    assert grouped - {"call_id", "prices_used"} <= set(row)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("", "–"),
        ([], "–"),
        (Decimal("1.5"), "$1.500000000"),
        (1_234_567, "1,234,567"),
        (True, "True"),
        (0.5, "0.5"),
        ([("a", "1"), ("b", "2")], "a=1, b=2"),
        ("plain", "plain"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    assert calldrawer.text_of(value) == text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("01890a5d-ac96-774b-bcce-b302099a8057", True),
        ("01890A5DAC96774BBCCEB302099A8057", True),
        ("01890a5d", False),
        ("z1890a5d-ac96-774b-bcce-b302099a8057", False),
        ("", False),
    ],
)
def test_only_ids_are_asked_for(text: str, good: bool) -> None:
    assert calldrawer.is_id(text) is good


# -- the table -----------------------------------------------------------------------------------


def shown(**more: Any) -> Any:
    return calltable.frame(
        [{"ttft_ms": None, "task": None, **make_row(**{"ts": NOON, **more}), **extra(more)}], "UTC"
    ).iloc[0]


def extra(more: dict[str, Any]) -> dict[str, Any]:
    return {
        "ts": NOON,
        "cost": more.get("cost"),
        "cost_basis": more.get("cost_basis", "unknown"),
        "error_kind": more.get("error_kind"),
        "input_tokens": more.get("uncached_input_tokens", 100),
    }


def test_a_row_of_the_table() -> None:
    row = shown(cost=Decimal("0.0021"), cost_basis="list_price_tokens")
    assert row["Time"] == "12 Aug 12:00:00"
    assert row["Model"] == "Llama-3.3-70B-Instruct"
    assert row["Cost"] == "$0.0021"
    assert row["Latency"] == 0.8
    assert row["Outcome"] == "ok"


def test_unknown_cost_and_hours_are_told_apart() -> None:
    assert shown()["Cost"] == "price unknown"
    assert shown(cost_basis="endpoint_hours")["Cost"] == "by the hour"
    assert shown(cost=Decimal(0), cost_basis="free")["Cost"] == "$0.00"


def test_failures_say_status_and_kind() -> None:
    row = shown(outcome="error", status=429, error_kind="rate_limited")
    assert row["Outcome"] == "error 429 rate_limited"


def test_times_are_local() -> None:
    frame = calltable.frame([{**make_row(), **extra({}), "ttft_ms": None}], "Asia/Tokyo")
    assert frame["Time"][0] == "12 Aug 21:00:00"


@pytest.mark.parametrize(
    ("calls", "pages"), [(0, 1), (1, 1), (25, 1), (26, 2), (100_000, 4_000), (10**8, 4_000)]
)
def test_pages(calls: int, pages: int) -> None:
    assert calltable.pages(calls) == pages


def test_every_order_is_a_column_of_the_question() -> None:
    from hf_ledger.analytics.calls import COLUMNS

    assert set(calltable.ORDERS) <= set(COLUMNS)


# -- connecting ----------------------------------------------------------------------------------


def test_the_three_lines_for_a_checkout() -> None:
    install, nothing, record = connecting.lines("/home/me/hf ledger")
    assert install == 'pip install -e "/home/me/hf ledger"'
    assert nothing.startswith("# nothing to set")
    assert record == 'import hf_ledger; hf_ledger.record(app="search", team="search")'


def test_installed_from_a_wheel_it_is_installed_by_name() -> None:
    assert connecting.install(None) == "pip install hf-ledger"


@pytest.mark.parametrize("name", ["huggingface_hub", "openai"])
def test_snippets_are_python_that_records_first(name: str) -> None:
    text, language = connecting.SNIPPETS[name]
    assert language == "python"
    compile(text, name, "exec")
    assert text.startswith(connecting.RECORD)


def test_the_wrapper_takes_the_program_after_two_dashes() -> None:
    text, language = connecting.SNIPPETS["A program you can't change"]
    assert language == "bash"
    assert " -- python " in text
