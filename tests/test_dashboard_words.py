"""Words beside figures and the five headlines: ledgers empty, unpriced, of endpoints only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_dashboard import (
    NOW,
    asking,
    failed,
    ledger_of,
    priced,
    unpriced,
    week,
)
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.coverage import coverage
from hf_ledger.analytics.periods import named
from hf_ledger.analytics.words import (
    FRESH_DAYS,
    NO_ENDPOINT_HOURS,
    PRICE_UNKNOWN,
    dollars,
    list_age,
    percent,
)
from hf_ledger.dashboard import daily, words
from hf_ledger.dashboard.headlines import Figure, error_rate, headlines, per_thousand

PERIOD = named("last-week", NOW, "UTC")
DAYS = daily.days_between(PERIOD.first, PERIOD.last)


def endpoint(**more: Any) -> dict[str, Any]:
    return unpriced(cost_basis="endpoint_hours", host_kind="endpoint", **more)


def totals_of(*rows: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = asking(ledger_of(rows))("totals", PERIOD.scope()).to_pylist()[0]
    return found


def figures_of(*rows: dict[str, Any]) -> dict[str, Figure]:
    ask = asking(ledger_of(rows))
    now, before = (
        ask("totals", scope).to_pylist()[0] for scope in (PERIOD.scope(), PERIOD.previous())
    )
    spent = ask("spend", PERIOD.scope(), by=(), grain="day").to_pylist()
    return {each.label: each for each in headlines(now, before, spent, DAYS, "At the list.")}


# -- what a ledger's headlines say ---------------------------------------------------------------


def test_the_headlines_of_the_week() -> None:
    shown = figures_of(*week())
    assert shown["Estimated cost"].value == "at least $10.00"
    assert shown["Calls"].value == "9"
    # 10.00 dollars over six priced calls (the failed one is free), for a thousand of them.
    totals = totals_of(*week())
    assert shown["Cost per 1k calls"].value == dollars(Decimal(10) * 1000 / totals["priced_calls"])
    assert shown["Error rate"].value == percent(1 / 9, 2)


def test_the_days_of_the_headlines_are_their_total() -> None:
    shown = figures_of(*week())
    assert sum(day or 0 for day in shown["Calls"].days) == 9
    assert sum(day or 0 for day in shown["Estimated cost"].days) == pytest.approx(10)
    assert all(len(each.days) == 7 for each in shown.values())


def test_one_call_is_told_plainly() -> None:
    shown = figures_of(priced("0.25"))
    assert [each.value for each in shown.values()][:3] == ["$0.25", "1", "$250.00"]
    assert all(each.change is None for each in shown.values())


def test_an_empty_ledger_has_no_rates() -> None:
    shown = figures_of()
    assert shown["Calls"].value == "0"
    assert shown["Error rate"].value == "unknown"
    assert shown["Cost per 1k calls"].value == PRICE_UNKNOWN


@pytest.mark.parametrize("rows", [[unpriced(), unpriced()], [endpoint()], [endpoint(), unpriced()]])
def test_without_a_price_no_headline_has_a_dollar(rows: list[dict[str, Any]]) -> None:
    shown = figures_of(*rows)
    for label in ("Estimated cost", "Cost per 1k calls"):
        assert shown[label].value == PRICE_UNKNOWN
        assert shown[label].change is None
        assert "$" not in shown[label].how.figures
    days = shown["Estimated cost"].days
    assert days[0] is None
    assert days[1:] == [0.0] * 6


def test_failures_alone_cost_nothing_and_that_is_known() -> None:
    shown = figures_of(failed())
    assert shown["Estimated cost"].value == "$0.00"
    assert shown["Error rate"].value == "100.00 %"


def test_growth_is_against_the_week_before() -> None:
    shown = figures_of(priced("3.00"), priced("2.00", ts=NOW - timedelta(days=12)))
    assert shown["Estimated cost"].change == "+50.0 %"
    assert shown["Calls"].change == "+0.0 %"


@given(st.decimals(0, 10**6, places=9), st.integers(1, 10**6))
def test_a_thousand_times_the_mean(cost: Decimal, calls: int) -> None:
    found = per_thousand({"cost": cost, "priced_calls": calls})
    assert found is not None
    assert found * calls / 1000 == pytest.approx(cost)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_the_error_rate_is_a_share(errors: int, others: int, refused: int) -> None:
    rate = error_rate({"errors": errors, "calls": errors + others + refused, "refused": refused})
    assert (rate is None) is (errors + others == 0)
    assert rate is None or 0 <= rate <= 1


# -- words under a total -------------------------------------------------------------------------


def test_coverage_of_an_empty_ledger_is_not_spoken_of() -> None:
    assert words.covered(totals_of()) == ""


def test_endpoints_only_have_nothing_to_cover_but_hours_to_tell() -> None:
    totals = totals_of(endpoint(), endpoint())
    assert words.covered(totals) == ""
    assert words.endpoint_hours(totals) == (
        f"{NO_ENDPOINT_HOURS} 2 calls went to dedicated endpoints, billed by the hour."
    )


def test_estimated_tokens_are_said_beside_the_coverage() -> None:
    said = words.covered({**totals_of(unpriced()), "estimated_calls": 1_234})
    assert said.endswith(" The tokens of 1,234 calls are estimated.")
    assert "estimated" not in words.covered(totals_of(unpriced()))


def test_unpriced_calls_cover_nothing_and_say_how_many() -> None:
    said = words.covered(totals_of(unpriced(), unpriced()))
    assert said.startswith("Priced: 0 % of calls")
    assert said.endswith("; 2 calls have no known price and are not in this total.")


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_coverage_says_all_only_of_all(known: int, missing: int, hours: int) -> None:
    totals = {
        "calls": known + missing + hours,
        "unpriced_calls": missing,
        "endpoint_calls": hours,
        "priced_tokens": known,
        "unpriced_tokens": missing,
    }
    said = words.covered(totals)
    assert (said == "") is (known + missing == 0)
    assert ("100 % of calls" in said and ">" not in said) is (known > 0 and not missing)
    assert ("not in this total" in said) is (missing > 0)
    if said:
        assert percent(coverage(totals).calls_share) in said


@given(st.integers(0, 4000))
def test_a_list_has_its_age_in_days(days: int) -> None:
    made = datetime(2026, 7, 27, tzinfo=UTC)
    said, old = list_age(made, made + timedelta(days=days, hours=5))
    assert f"({days:,} day{'' if days == 1 else 's'} old)" in said
    assert old is (days > FRESH_DAYS)


def test_a_list_date_without_a_zone_is_utc() -> None:
    aware = datetime(2026, 7, 27, tzinfo=UTC)
    assert list_age(aware.replace(tzinfo=None), NOW) == list_age(aware, NOW)


HOWS = [
    words.how_calls,
    words.how_per_thousand,
    words.how_tokens,
    words.how_errors,
    words.how_priced,
    lambda totals: words.how_spend(totals, "At the list."),
]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("rows", [[], [unpriced()], [endpoint()], week()])
def test_every_how_is_three_sentences_about_any_ledger(how: Any, rows: Any) -> None:
    told = how(totals_of(*rows))
    for text in (told.formula, told.figures, told.source):
        assert text.endswith(".")
        assert "None" not in text


def test_ok_and_others_are_all_calls() -> None:
    assert words.how_calls(totals_of(*week())).figures == "8 ok + 1 others = 9."


def test_a_figure_is_not_changed_after_it_was_made() -> None:
    shown = figures_of(priced("1.00"))["Calls"]
    with pytest.raises(AttributeError):
        shown.value = "2"  # type: ignore[misc]
    assert replace(shown, value="2").value == "2"


# -- moves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["downgrade", "cheaper_provider"])
def test_a_move_names_both_ends(kind: str) -> None:
    row = {
        "kind": kind,
        "from_model": "org/big",
        "to_model": "org/small",
        "from_provider": "here",
        "to_provider": "there",
    }
    said = words.move(row)
    before, after = said.split("→")
    assert "big" in before and "here" in before
    assert "there" in after
    assert ("small" in after) is (kind == "downgrade")


def test_days_of_a_period_are_whole_days() -> None:
    assert [date(2026, 11, 9) + timedelta(days=step) for step in range(7)] == DAYS
