"""The table of calls and the drawer of one: hostile names, nothing known, and sums that hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.words import PRICE_UNKNOWN
from hf_ledger.dashboard import calldrawer, calltable

AT = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
NAMES = ("team", "model", "requested_model", "provider", "task", "input_tokens", "output_tokens")
MORE = ("cost", "cost_basis", "latency_ms", "status", "error_kind")
NOTHING: dict[str, Any] = dict.fromkeys(NAMES + MORE)


def line(**more: Any) -> Any:
    return calltable.frame([{"ts": AT, "outcome": "ok", **NOTHING, **more}], "UTC").iloc[0]


def test_a_call_of_which_nothing_is_known_has_no_zero_in_it() -> None:
    row = line()
    assert row["Cost"] == PRICE_UNKNOWN
    assert row["Task"] == "unknown"
    assert row["Model"] == "not set"
    assert row[["In", "Out", "Latency"]].isna().all()
    assert not {0, "0", "$0.00"} & set(row.dropna())


def test_columns_and_their_widths_are_of_the_same_names() -> None:
    assert list(calltable.frame([], "UTC").columns) == list(calltable.columns())


@pytest.mark.parametrize("name", ["=cmd()", "a\nb", "$x$", "<b>", "x" * 5_000, "✓"])
def test_names_stand_in_the_table_as_they_are(name: str) -> None:
    assert line(team=name)["Team"] == name


def test_the_model_asked_for_stands_in_where_none_answered() -> None:
    assert line(requested_model="org/wanted")["Model"] == "wanted"
    assert line(requested_model="org/wanted", model="org/had")["Model"] == "had"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/Berlin", "25 Oct 02:30:00"),
        ("America/New_York", "24 Oct 20:30:00"),
        ("Asia/Kolkata", "25 Oct 06:00:00"),
    ],
)
def test_times_are_those_of_the_reporting_zone(zone: str, text: str) -> None:
    frame = calltable.frame([{"ts": AT, "outcome": "ok", **NOTHING}], zone)
    assert frame["Time"][0] == text


@given(st.decimals(Decimal("0.000000001"), 1000, places=9))
def test_a_priced_call_never_costs_zero(usd: Decimal) -> None:
    text = calltable.cost({"cost": usd, "cost_basis": "list_price_tokens"})
    assert Decimal(text[1:].replace(",", "")) > 0


def test_a_call_to_an_endpoint_with_a_cost_shows_it() -> None:
    assert calltable.cost({"cost": Decimal(2), "cost_basis": "endpoint_hours"}) == "$2.00"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"outcome": "ok", "status": 200}, "ok"),
        ({"outcome": "lost"}, "lost"),
        ({"outcome": "error", "status": 500}, "error 500"),
        ({"outcome": "interrupted", "error_kind": "closed"}, "interrupted closed"),
    ],
)
def test_outcomes_say_what_is_known(more: dict[str, Any], text: str) -> None:
    assert line(**more)["Outcome"] == text


@given(st.integers(1, calltable.REACH))
def test_the_last_page_holds_the_last_call_and_is_not_empty(calls: int) -> None:
    pages = calltable.pages(calls)
    assert (pages - 1) * calltable.PAGE < calls <= pages * calltable.PAGE


# -- the drawer ----------------------------------------------------------------------------------


def price(kind: str, usd: str, **more: Any) -> dict[str, Any]:
    return {
        "price_id": "p1",
        "kind": kind,
        "usd": usd,
        "per_units": 1_000_000,
        "valid_from": "2026-07-27 00:00:00",
        "source": "list@abc",
        **more,
    }


def told(prices: list[dict[str, Any]], cost: Decimal | None, **tokens: int) -> list[str]:
    return calldrawer.priced(
        {
            "cost_basis": "list_price_tokens",
            "price_id": "p1",
            "prices_used": json.dumps(prices),
            "list_cost": cost,
            **tokens,
        }
    )


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.decimals(Decimal("0.000001"), 100, places=6),
)
def test_the_terms_add_up_to_the_sum(fresh: int, cached: int, out: int, usd: Decimal) -> None:
    prices = [price(kind, str(usd)) for kind in calldrawer.TOKEN_COLUMNS]
    lines = told(prices, None, uncached_input_tokens=fresh, cache_read_tokens=cached,
                 output_tokens=out)  # fmt: skip
    terms = [Decimal(each.rpartition("= $")[2]) for each in lines if " × $" in each]
    assert len(terms) == sum(bool(each) for each in (fresh, cached, out))
    assert sum(terms) == (fresh + cached + out) * usd / 1_000_000


def test_terms_are_written_out_with_the_price_of_a_million() -> None:
    lines = told(
        [price("input_tokens", "1.040000000"), price("cache_read_tokens", "0.100000000")],
        Decimal("0.00218"),
        uncached_input_tokens=2_000,
        cache_read_tokens=1_000,
    )
    assert lines[1].startswith("2,000 uncached input tokens × $1.04 / 1,000,000 = $0.00208")
    assert lines[2].startswith("1,000 cache read tokens × $0.1 / 1,000,000 = $0.0001")
    assert lines[3] == "= **$0.002180000**, rounded once, half to even, at nine places."


def test_prices_of_another_list_are_not_in_the_sum() -> None:
    lines = told([price("output_tokens", "1", price_id="p2")], Decimal(1), output_tokens=5)
    assert not any("×" in each and "output" in each for each in lines)


def test_a_price_for_something_else_than_tokens_is_no_term() -> None:
    assert calldrawer.term_of({"output_tokens": 5}, price("images", "1")) is None
    assert calldrawer.term_of({"output_tokens": None}, price("output_tokens", "1")) is None


def test_one_list_is_named_once_and_as_plain_text() -> None:
    prices = [price(kind, "1", source="[x](y)") for kind in ("input_tokens", "output_tokens")]
    assert calldrawer.sources(prices) == [
        "Price of \\[x\\](y), valid from 2026-07-27.",
    ]


@pytest.mark.parametrize("basis", sorted(set(calldrawer.BASES) - calldrawer.BY_PRICE_ROWS))
def test_only_a_price_of_a_list_has_a_sum(basis: str) -> None:
    assert calldrawer.priced({"cost_basis": basis}) == [calldrawer.BASES[basis]]


def test_cached_tokens_without_a_price_are_said_to_stand_at_the_price_of_input() -> None:
    lines = told([price("input_tokens", "2")], Decimal("0.002"), cache_read_tokens=1_000)
    assert "1,000 cache read tokens × $2 / 1,000,000 = $0.002, as other input" in lines[1]


def test_a_completed_price_shows_both_lists() -> None:
    both = [
        price("input_tokens", "2"),
        price("cache_read_tokens", "1", price_id="p2", source="further"),
        price("input_tokens", "9", price_id="p2", source="further"),
    ]
    row = {
        "cost_basis": "list_price_tokens", "price_id": "p1 + p2", "prices_used": json.dumps(both),
        "list_cost": Decimal(0), "uncached_input_tokens": 10**6, "cache_read_tokens": 10**6,
    }  # fmt: skip
    lines = calldrawer.priced(row)
    assert lines[1].endswith("= $2") and lines[2].endswith("× $1 / 1,000,000 = $1")
    assert len(lines) == 6 and sum("further" in line for line in lines) == 1


def test_an_absent_price_is_not_called_free() -> None:
    assert "not the same as free" in calldrawer.BASES["unknown"]
    assert "by the hour" in calldrawer.BASES["endpoint_hours"]


def test_a_call_without_any_value_is_all_dashes() -> None:
    names = sorted(calldrawer.shown_names())
    values = {row["Value"] for row in calldrawer.pairs({}, names)}
    assert values == {calldrawer.NONE}


def test_zero_and_false_are_values_and_not_dashes() -> None:
    found = calldrawer.pairs({"a": 0, "b": False, "c": 0.0, "d": Decimal(0)}, "abcd")
    assert [row["Value"] for row in found] == ["0", "False", "0", "\\$0.000000000"]


def test_tags_of_any_text_stay_text() -> None:
    row = calldrawer.pairs({"tags": [("a", "![](http://x)"), ("b\n#", "$1$")]}, ["tags"])[0]
    assert row["Value"] == "a=!\\[\\](http\\://x), b \\#=\\$1\\$"


def test_no_column_stands_in_two_groups() -> None:
    listed = [name for names in calldrawer.GROUPS.values() for name in names]
    assert len(listed) == len(set(listed))


@given(st.text(max_size=40))
def test_an_id_is_32_hexadecimal_digits_or_nothing_is_asked(text: str) -> None:
    good = calldrawer.is_id(text)
    assert good is (len(text.replace("-", "")) == 32 and set(text.lower()) <= set("0123456789abcdef-"))  # noqa: E501  # fmt: skip
