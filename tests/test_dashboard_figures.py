"""Figures as text, days, headlines and words: pure functions and their laws."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.words import list_age
from hf_ledger.dashboard import daily, words
from hf_ledger.dashboard import format as text_of
from hf_ledger.dashboard.headlines import error_rate, headlines, per_thousand

MONDAY = date(2026, 11, 9)
DAYS = [MONDAY + timedelta(days=step) for step in range(7)]


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def row(day: date, model: str | None, cost: str | None, calls: int = 1) -> dict[str, Any]:
    return {
        "period": at(day),
        "model": model,
        "calls": calls,
        "cost": None if cost is None else Decimal(cost),
        "errors": 0,
        "refused": 0,
        "priced_calls": 0 if cost is None else calls,
        "input_tokens": 10 * calls,
        "output_tokens": None,
    }


def totals(**more: Any) -> dict[str, Any]:
    """A row of `totals`: eight calls, six priced for 12 dollars."""
    given: dict[str, Any] = {
        "calls": 8,
        "ok": 7,
        "errors": 1,
        "refused": 0,
        "priced_calls": 6,
        "unpriced_calls": 1,
        "endpoint_calls": 0,
        "free_calls": 1,
        "cost": Decimal("12.00"),
        "input_tokens": 1_000,
        "cache_read_tokens": 100,
        "output_tokens": 500,
        "tokens": 1_500,
        "priced_tokens": 1_200,
        "unpriced_tokens": 300,
        "price_list_at": datetime(2026, 7, 27, tzinfo=UTC),
    }
    return {**given, **more}


# -- format --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "unknown"),
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (177_000, "177k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (12_345_678, "12.3M"),
        (2_500_000_000, "2.5G"),
        (3_000_000_000_000, "3.0T"),
    ],
)
def test_counts_keep_three_digits(number: int | None, text: str) -> None:
    assert text_of.count(number) == text


@given(st.integers(min_value=0, max_value=10**14))
def test_a_count_is_always_short(number: int) -> None:
    assert len(text_of.count(number)) <= 7


@given(st.integers(min_value=10_000, max_value=10**14))
def test_a_shortened_count_is_close(number: int) -> None:
    text = text_of.count(number)
    sizes = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
    shown = float(text[:-1]) * sizes[text[-1]]
    assert shown == pytest.approx(number, rel=0.06)


def test_the_lower_bound_is_said_only_where_calls_are_missing() -> None:
    assert text_of.at_least(Decimal("3479.12"), 12_340) == "at least $3,479.12"
    assert text_of.at_least(Decimal("3479.12"), 0) == "$3,479.12"
    assert text_of.at_least(None, 5) == "price unknown"


def test_all_nine_places() -> None:
    assert text_of.exact(Decimal("0.000123456")) == "$0.000123456"
    assert text_of.exact(Decimal("1")) == "$1.000000000"
    assert text_of.exact(None) == "price unknown"


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (Decimal(110), Decimal(100), "+10.0 %"),
        (Decimal(90), Decimal(100), "-10.0 %"),
        (5, 5, "+0.0 %"),
        (5, 0, None),
        (5, None, None),
        (None, 5, None),
    ],
)
def test_change(now: Any, before: Any, text: str | None) -> None:
    assert text_of.change(now, before) == text


def test_points_are_a_difference_of_shares() -> None:
    assert text_of.points(0.02, 0.015) == "+0.50 pp"
    assert text_of.points(0.01, 0.015) == "-0.50 pp"
    assert text_of.points(None, 0.5) is None


@pytest.mark.parametrize(
    ("ms", "text"), [(None, "unknown"), (0.4, "0 ms"), (999.4, "999 ms"), (1500.0, "1.50 s")]
)
def test_milliseconds(ms: float | None, text: str) -> None:
    assert text_of.milliseconds(ms) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, "0 s ago"),
        (2.4, "2 s ago"),
        (60.0, "1 minute ago"),
        (7_200.0, "2 hours ago"),
        (86_400.0, "1 day ago"),
    ],
)
def test_ago(seconds: float, text: str) -> None:
    assert text_of.ago(seconds) == text


def test_a_moment_names_its_zone() -> None:
    noon = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert text_of.moment(noon, "Europe/Berlin") == "21 Nov 2026, 13:00 Europe/Berlin"
    assert text_of.moment(None, "UTC") == "never"


def test_names_for_legends() -> None:
    assert text_of.short_model("meta-llama/Llama-3.3-70B-Instruct") == "Llama-3.3-70B-Instruct"
    assert text_of.short_model(None) == "not set"


@pytest.mark.parametrize("mark", ["$", "*", "`", "[", "#", ":", "|", "<"])
def test_no_markup_survives_in_plain_text(mark: str) -> None:
    assert text_of.plain(f"a{mark}b") == f"a\\{mark}b"


def test_shares_need_a_whole() -> None:
    assert text_of.share(1, 4) == 0.25
    assert text_of.share(1, 0) is None
    assert text_of.share(None, 4) is None


# -- days ----------------------------------------------------------------------------------------


def test_a_day_without_calls_is_zero_and_one_without_prices_unknown() -> None:
    rows = [row(DAYS[0], "a", "1.50"), row(DAYS[0], "b", None), row(DAYS[2], "a", None)]
    shown = daily.by_day(rows, DAYS[:3], "cost")
    assert shown == [Decimal("1.50"), 0, None]


def test_four_models_and_the_rest() -> None:
    rows = [row(DAYS[0], f"org/m{place}", str(place)) for place in range(1, 8)]
    series = daily.top_series(rows, DAYS, "model", "cost")
    assert [name for name, _ in series] == ["m7", "m6", "m5", "m4", "Other"]
    assert series[-1][1][0] == Decimal(1 + 2 + 3)


def test_a_fifth_model_is_shown_rather_than_called_other() -> None:
    rows = [row(DAYS[0], f"org/m{place}", str(place)) for place in range(1, 6)]
    series = daily.top_series(rows, DAYS, "model", "cost")
    assert [name for name, _ in series] == ["m5", "m4", "m3", "m2", "m1"]


def test_two_models_of_one_name_stay_apart() -> None:
    rows = [row(DAYS[0], "a/same", "2"), row(DAYS[0], "b/same", "1")]
    series = daily.top_series(rows, DAYS, "model", "cost")
    assert [name for name, _ in series] == ["same", "same (2)"]


calls_of_days = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([None, "a/x", "b/y", "c/z", "d/w", "e/v", "f/u", "g/t"]),
        st.one_of(st.none(), st.decimals("0", "1000", places=9)),
    ),
    max_size=40,
)


@given(calls_of_days)
def test_the_series_add_up_to_the_whole(
    found: list[tuple[int, str | None, Decimal | None]],
) -> None:
    rows = [row(DAYS[day], model, None if usd is None else str(usd)) for day, model, usd in found]
    series = daily.top_series(rows, DAYS, "model", "cost")
    parts = sum((value or 0 for _, values in series for value in values), Decimal(0))
    assert parts == sum((usd for _, _, usd in found if usd is not None), Decimal(0))
    assert len(series) <= 5


@given(calls_of_days)
def test_every_call_is_in_exactly_one_series(
    found: list[tuple[int, str | None, Decimal | None]],
) -> None:
    rows = [row(DAYS[day], model, None if usd is None else str(usd)) for day, model, usd in found]
    series = daily.top_series(rows, DAYS, "model", "calls")
    assert sum(int(value or 0) for _, values in series for value in values) == len(found)


def test_ratios_of_days() -> None:
    assert daily.ratio_days([1, None, 0], [4, 4, 0]) == [0.25, None, None]
    assert daily.ratio_days([Decimal("0.5")], [2], 1000) == [250.0]


def test_averages_of_the_heat_map_count_the_hours_that_were() -> None:
    rows = [
        {"weekday": 1, "hour": 9, "calls": 12, "hours": 4.0},
        {"weekday": 7, "hour": 2, "calls": 0, "hours": 0.0},
    ]
    cells = daily.heat_cells(rows, "calls")
    assert cells[0][9] == 3.0
    assert cells[6][2] is None


def test_a_file_of_days_has_the_day_first() -> None:
    table = daily.day_table([row(DAYS[0], "a/x", "1")])
    assert list(table[0])[:3] == ["day", "model", "calls"]
    assert table[0]["day"] == DAYS[0]
    assert daily.day_table([]) == []


# -- headlines -----------------------------------------------------------------------------------


def test_a_thousand_calls_cost_what_a_thousand_priced_ones_do() -> None:
    assert per_thousand(totals()) == Decimal(12) * 1000 / 6
    assert per_thousand(totals(cost=None)) is None
    assert per_thousand(totals(priced_calls=0, cost=Decimal(0))) is None


def test_error_rate_counts_all_calls_that_were_sent_on() -> None:
    assert error_rate(totals()) == 1 / 8
    assert error_rate(totals(calls=20, refused=12)) == 1 / 8
    assert error_rate(totals(calls=12, errors=0, refused=12)) is None
    assert error_rate(totals(calls=0, errors=0)) is None


def test_headlines_in_their_order_and_only_errors_may_be_red() -> None:
    rows = [row(DAYS[0], "a", "1.00")]
    shown = headlines(totals(), totals(cost=Decimal("6.00")), rows, DAYS, "At the list.")
    assert [each.label for each in shown] == [
        "Estimated cost",
        "Calls",
        "Cost per 1k calls",
        "Tokens",
        "Error rate",
    ]
    assert [each.label for each in shown if each.bad_when_up] == ["Error rate"]
    assert shown[0].value == "at least $12.00"
    assert shown[0].change == "+100.0 %"
    assert [len(each.days) for each in shown] == [7] * 5


def test_a_day_of_refusals_does_not_hide_that_its_calls_fail() -> None:
    day = {**row(DAYS[0], "a", "1.00", calls=10), "errors": 1, "refused": 8}
    shown = headlines(totals(), totals(), [day], DAYS, "At the list.")
    assert shown[-1].days == [1 / 2, *[None] * 6]


# -- words ---------------------------------------------------------------------------------------


def test_coverage_is_of_calls_billed_by_the_call() -> None:
    # One of eight has no price; tokens: 1,200 of 1,500.
    assert words.covered(totals()) == (
        "Priced: 88 % of calls, 80 % of tokens; 1 call has no known price and is not in this total."
    )


def test_full_coverage_needs_no_more_words() -> None:
    told = words.covered(totals(unpriced_calls=0, unpriced_tokens=0))
    assert told == "Priced: 100 % of calls, 100 % of tokens."


def test_coverage_never_rounds_up_to_all() -> None:
    told = words.covered(totals(calls=100_000, unpriced_calls=1, free_calls=0, unpriced_tokens=1))
    assert told.startswith("Priced: >99 % of calls, >99 % of tokens; 1 call has")


def test_nothing_to_price_says_nothing() -> None:
    none = dict.fromkeys(("calls", "priced_calls", "unpriced_calls", "free_calls"), 0)
    assert words.covered(totals(**none)) == ""


@pytest.mark.parametrize(("days", "old"), [(0, False), (7, False), (8, True), (119, True)])
def test_a_list_is_old_after_a_week(days: int, old: bool) -> None:
    made = datetime(2026, 7, 27, tzinfo=UTC)
    said, warned = list_age(made, made + timedelta(days=days, hours=3))
    unit = "day" if days == 1 else "days"
    assert said == f"At the list of 27 Jul 2026 ({days} {unit} old)."
    assert warned is old


def test_without_a_list_it_says_so() -> None:
    assert list_age(None, datetime.now(UTC)) == ("No price list covers these calls.", False)


def test_endpoint_calls_are_told_beside_the_total() -> None:
    assert words.endpoint_hours(totals()) == "Dedicated endpoint hours not included."
    told = words.endpoint_hours(totals(endpoint_calls=3))
    assert told.endswith("3 calls went to dedicated endpoints, billed by the hour.")


def test_each_how_puts_the_numbers_into_the_formula() -> None:
    assert "6 priced calls add up to $12.00" in words.how_spend(totals(), "List.").figures
    assert words.how_per_thousand(totals()).figures == "$12.00 ÷ 6 × 1,000."
    assert words.how_errors(totals()).figures == "1 ÷ 8."
    assert words.how_errors(totals(calls=10, refused=2)).figures == "1 ÷ 8."
    assert words.how_calls(totals()).figures == "7 ok + 1 others = 8."
    assert words.how_calls(totals(calls=10, refused=2)).figures == (
        "7 ok + 3 others = 10. "
        "2 calls were refused by your gateway, reached no model and cost nothing."
    )
    assert words.how_tokens(totals()).figures.startswith("1,000 in, of which 100 read")
    assert words.how_priced(totals()).figures == "7 ÷ 8."


def test_moves_in_words() -> None:
    move = {
        "kind": "downgrade",
        "from_model": "a/Big",
        "to_model": "b/Small",
        "from_provider": "together",
        "to_provider": "novita",
    }
    assert words.move(move) == "Big at together → Small at novita"
    assert words.move({**move, "kind": "cheaper_provider"}) == "Big: together → novita"
