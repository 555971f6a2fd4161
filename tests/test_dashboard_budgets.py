"""Budgets on the Overview: who is in the banner, in which colour and words, and the table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from factories_dashboard import lay, ledger_of, page, priced, said, sampled
from factories_limits import budget
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.budgets import (
    MOST_LINES,
    Standing,
    line,
    listed,
    near,
    over,
    standings,
    table,
    when,
)
from hf_ledger.ingest.doors.gateway.limits.budgets import perform
from hf_ledger.ingest.places import Places

LAST_WEEK = {"period": "Last week"}


def shown(settled: str, limit: str = "50", **more: Any) -> dict[str, Any]:
    """A row of `hf-ledger budget show`."""
    left = Decimal(limit) - Decimal(settled)
    return {
        "budget_id": "b1",
        "dimension": "team",
        "value": "core",
        "period": "2026-11",
        "hard": True,
        "limit_usd": limit,
        "settled_usd": settled,
        "unaccounted_usd": "0",
        "reserved_usd": "0",
        "left_usd": f"{left:f}",
        **more,
    }


def one(settled: str, limit: str = "50", **more: Any) -> Standing:
    (found,) = standings([shown(settled, limit, **more)])
    return found


def with_budgets(*rows: dict[str, Any], calls: bool = True) -> AppTest:
    lay({"yours": ledger_of([priced("1")] if calls else [])}, lambda: list(rows))
    return page(None, LAST_WEEK)


def test_a_line_in_words() -> None:
    assert line(one("42.10")) == "Team core: $42.10 of $50.00 this month (84 %), hard."
    soft = one("61", hard=False)
    assert line(soft) == "Team core: $61.00 of $50.00 this month (122 %), over budget, soft."
    company = one("45", dimension=None, value=None)
    assert line(company).startswith("The whole company: $45.00 of $50.00")


@pytest.mark.parametrize(
    ("period", "words"),
    [("2026-11", "this month"), ("2026-W48", "this week"), ("2026-11-25", "today")],
)
def test_periods_as_one_says_them(period: str, words: str) -> None:
    assert when(period) == words


@pytest.mark.parametrize(
    ("settled", "where"),
    [
        ("0", None),
        ("39.999999999", None),
        ("40", "near"),
        ("50", "near"),
        ("50.000000001", "over"),
        ("500", "over"),
    ],
)
@pytest.mark.parametrize("hard", [True, False])
def test_eighty_percent_is_near_and_more_than_all_is_over(
    settled: str, where: str | None, hard: bool
) -> None:
    found = [one(settled, hard=hard)]
    assert (bool(near(found)), bool(over(found))) == (where == "near", where == "over")


def test_a_budget_of_nothing_is_over_with_the_first_cent_and_has_no_share() -> None:
    assert near([one("0", "0")]) == over([one("0", "0")]) == []
    assert over([one("0.01", "0")]) == ["Team core: $0.01 of $0.00 this month, over budget, hard."]
    assert table([one("0", "0")])[0]["Used"] == "–"


amounts = st.decimals(0, 100, places=9)


@given(st.lists(st.tuples(amounts, amounts), max_size=20))
def test_each_budget_is_near_or_over_or_neither_and_the_fullest_comes_first(
    pairs: list[tuple[Decimal, Decimal]],
) -> None:
    found = standings([shown(f"{settled:f}", f"{limit:f}") for settled, limit in pairs])
    assert len(near(found)) == sum(0 < s <= x and 5 * s >= 4 * x for s, x in pairs)
    assert len(over(found)) == sum(s > x for s, x in pairs)
    shares = [each.settled / each.limit for each in found if each.limit]
    assert shares == sorted(shares, reverse=True)


def test_a_banner_says_how_many_more_there_are() -> None:
    lines = ["a"] * (MOST_LINES + 2)
    assert listed(lines).splitlines()[-1] == "And 2 more in the table of budgets."
    assert len(listed(lines).splitlines()) == MOST_LINES + 1
    assert len(listed(lines[:MOST_LINES]).splitlines()) == MOST_LINES
    assert listed([]) == ""


def test_a_name_is_text_and_no_markup() -> None:
    told = listed([line(one("45", value="**x**\n# [a](b)"))])
    assert "**" not in told.replace("\\*", "")
    assert "\n" not in told
    assert "\\$45.00" in told


def test_near_is_a_warning_and_over_is_red() -> None:
    at = with_budgets(shown("42.10"), shown("61", budget_id="b2", value="ops", hard=False))
    (warning,) = [each.value for each in at.warning if "of \\$50" in each.value]
    assert warning == "Team core\\: \\$42.10 of \\$50.00 this month (84 %), hard."
    (error,) = [each.value for each in at.error]
    assert error == "Team ops\\: \\$61.00 of \\$50.00 this month (122 %), over budget, soft."


def test_below_eighty_percent_there_is_only_the_table() -> None:
    at = with_budgets(shown("39.99"))
    assert not at.error
    assert not [each for each in at.warning if "core" in each.value]
    (frame,) = [each.value for each in at.dataframe if "Budget" in each.value]
    assert frame.to_dict("records") == [
        {
            "Budget": "Team core",
            "Period": "2026-11",
            "Limit": "$50.00",
            "Settled": "$39.99",
            "Used": "80 %",
            "Reserved": "$0.00",
            "Left": "$10.01",
            "Kind": "hard",
        }
    ]
    assert "hf-ledger budget set" in said(at)


def test_without_budgets_there_is_neither_banner_nor_table() -> None:
    at = with_budgets()
    assert "Budgets" not in [each.value for each in at.subheader]
    assert "budget" not in said(at)


def test_budgets_show_in_a_period_without_calls() -> None:
    at = with_budgets(shown("61"), calls=False)
    assert at.error
    assert "Budgets" in [each.value for each in at.subheader]


def test_the_sample_has_no_budgets_of_yours() -> None:
    own, sample = ledger_of([priced("1")]), ledger_of(sampled([priced("1")]))
    lay({"yours": own, "sample": sample}, lambda: [shown("61")])
    assert not page(None, {**LAST_WEEK, "book": "sample"}).error
    assert page(None, {**LAST_WEEK, "book": "yours"}).error


def test_the_page_shows_what_the_owner_says(places: Places) -> None:
    """Through the ledger's own commands, with no row made by hand."""
    import msgspec

    ledger = ledger_of([priced("1")])
    made = budget("b", usd="50", dimension="team", value="core")
    perform(ledger, places, "budget_set", msgspec.json.encode(made))
    lay({"yours": ledger}, lambda: perform(ledger, places, "budget_show", b"{}")["budgets"])
    at = page(None, LAST_WEEK)
    (frame,) = [each.value for each in at.dataframe if "Budget" in each.value]
    assert frame["Left"].tolist() == ["$50.00"]
