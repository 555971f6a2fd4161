"""What a page is about: views and their links, seeds from the URL, and which book is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_dashboard import (
    LAST_WEEK,
    NOW,
    asking,
    book_of,
    lay,
    ledger_of,
    metrics,
    page,
    priced,
    said,
    sampled,
    unpriced,
    week,
)
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.periods import between, named
from hf_ledger.analytics.scope import DERIVED, DIMENSIONS
from hf_ledger.dashboard import filters
from hf_ledger.dashboard.books import BANNERS, LABELS, Book, Shelf, book_origins, shelf, shelve
from hf_ledger.dashboard.filters import NOT_SET, PERIODS, View


def view(name: str = "last-week", **where: tuple[str, ...]) -> View:
    book = book_of("yours", ledger_of())
    return View(book, named(name, NOW, "UTC"), where)


# -- views ---------------------------------------------------------------------------------------


def test_a_view_asks_about_its_period_and_the_one_before() -> None:
    shown = view(team=("search",))
    assert shown.scope.since == datetime(2026, 11, 9, tzinfo=UTC)
    assert shown.scope.until == datetime(2026, 11, 16, tzinfo=UTC)
    assert shown.prior.since == datetime(2026, 11, 2, tzinfo=UTC)
    assert shown.scope.where == shown.prior.where == {"team": ("search",)}
    assert shown.scope.origins == ("live", "import")


def test_a_link_opens_the_same_calls() -> None:
    assert view(team=("search", "")).link == {
        "book": "Yours",
        "period": "Last week",
        "team": ["search", NOT_SET],
    }


def test_a_link_can_be_narrowed() -> None:
    link = view(team=("search",)).link_to(model="acme/x", team="")
    assert link["model"] == ["acme/x"]
    assert link["team"] == [NOT_SET]


def test_a_link_to_several_values() -> None:
    link = view().link_to(outcome=["error", "lost"])
    assert link["outcome"] == ["error", "lost"]


def test_days_are_in_the_link_of_a_custom_period() -> None:
    custom = View(view().book, between(date(2026, 11, 2), date(2026, 11, 4), NOW), {})
    assert custom.link == {
        "book": "Yours",
        "period": "Custom",
        "days": ["2026-11-02", "2026-11-04"],
    }


@pytest.mark.parametrize("name", [name for name in PERIODS if name != "custom"])
def test_every_period_of_the_control_has_a_meaning(name: str) -> None:
    period = named(name, NOW, "UTC")
    assert period.since < period.until
    assert View(view().book, period, {}).link["period"] == PERIODS[name]


def test_a_file_is_named_for_book_and_period_only() -> None:
    shown = view(team=("../../etc",))
    assert shown.file_stem == "hf-ledger-yours-2026-11-09-2026-11-15"


def test_the_caption_tells_what_is_shown() -> None:
    told = filters.caption(view(team=("search", ""), model=("a$b",)))
    assert told.startswith("9 – 15 Nov 2026 UTC, compared with 2 – 8 Nov 2026")
    assert "Team: search, (not set)" in told
    assert "a\\$b" in told


def test_a_filter_value_brings_no_markup_into_the_caption() -> None:
    told = filters.caption(view(team=("![x](http://y)\n# z", "<b>")))
    assert told.endswith("Team: !\\[x\\](http\\://y) \\# z, \\<b\\>")


@pytest.mark.parametrize("name", ["today", "7d", "28d", "mtd", "last-month", "2026-W46", "2026-11"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_period_comes_back_from_its_link(name: str, zone: str) -> None:
    period = named(name, NOW, zone)
    link = replace(view(), period=period).link
    names = {said: each for each, said in PERIODS.items()}
    if link["period"] == "Custom":
        first, last = (date.fromisoformat(day) for day in link["days"])
        back = between(first, last, NOW, zone)
    else:
        back = named(names[str(link["period"])], NOW, zone)
    assert (back.since, back.until) == (period.since, period.until)


values = st.lists(st.text(min_size=0, max_size=9).filter(lambda each: each != NOT_SET), min_size=1)


@given(st.dictionaries(st.sampled_from(sorted(filters.FILTERS)), values.map(tuple)))
def test_filters_come_back_from_their_link(where: dict[str, tuple[str, ...]]) -> None:
    link = LINKED.link_to(**where)
    back = {
        name: tuple("" if value == NOT_SET else value for value in link[name])
        for name in filters.FILTERS
        if name in link
    }
    assert back == where


LINKED = View(Book("yours", ("live",), lambda *_: None, lambda: (0,)), named("7d", NOW, "UTC"), {})  # type: ignore[arg-type, return-value]


def test_every_filter_is_a_dimension_of_the_ledger() -> None:
    assert set(filters.FILTERS) <= set(DIMENSIONS) | set(DERIVED)


def test_filters_cover_what_observations_link_to(places: Any) -> None:
    import json

    ledger = ledger_of([*week(), *(unpriced() for _ in range(3))])
    period = named("last-week", NOW, "UTC")
    for question in ("recommendations", "savings"):
        for row in asking(ledger)(question, period.scope()).to_pylist():
            assert set(json.loads(row["link_where"])) <= set(filters.FILTERS)


# -- days ----------------------------------------------------------------------------------------

days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(days, days)
def test_a_range_is_told_from_its_ends_in_any_order(one: date, other: date) -> None:
    first, last = filters.ends((one, other), date(2026, 1, 1))
    assert first <= last
    assert {first, last} == {one, other}


@given(days)
def test_a_half_chosen_range_is_one_day(day: date) -> None:
    assert filters.ends((day,), date(2026, 1, 1)) == (day, day)


@pytest.mark.parametrize("picked", [(), None, "nonsense"])
def test_no_range_is_today(picked: object) -> None:
    assert filters.ends(picked, date(2026, 1, 1)) == (date(2026, 1, 1), date(2026, 1, 1))


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_quarter_begins_at_most_fifteen_minutes_ago(now: datetime) -> None:
    began = filters.quarter(now)
    assert timedelta(0) <= now - began < timedelta(minutes=15)
    assert began.minute % 15 == 0
    assert filters.quarter(began) == began


def test_latest_days_end_with_the_last_call_in_the_zone() -> None:
    late = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    assert filters.latest_days(late, "UTC") == (date(2026, 3, 4), date(2026, 3, 31))
    assert filters.latest_days(late, "Asia/Tokyo") == (date(2026, 3, 5), date(2026, 4, 1))


# -- books ---------------------------------------------------------------------------------------


def test_no_book_mixes_origins() -> None:
    assert book_origins("yours") == ("live", "import")
    assert book_origins("practice") == ("practice",)
    assert book_origins("sample") == ("sample",)
    every = [origin for name in LABELS for origin in book_origins(name)]  # type: ignore[arg-type]
    assert len(every) == len(set(every))


def test_made_up_books_say_so() -> None:
    assert set(BANNERS) == {"practice", "sample"}
    assert BANNERS["sample"].startswith("Sample data")
    assert BANNERS["practice"].startswith("Practice server, no model ran")


def test_the_shelf_is_replaced_as_a_whole() -> None:
    shelve(Shelf(zone="Asia/Tokyo"))
    shelve(Shelf(zone="Europe/Berlin"))
    assert shelf().zone == "Europe/Berlin"


# -- the open book -------------------------------------------------------------------------------


def three() -> dict[Any, Any]:
    both = ledger_of([priced("7.00"), priced("1.00", origin="practice")])
    return {"yours": both, "practice": both, "sample": ledger_of(sampled(week()))}


@pytest.mark.parametrize(
    ("asked", "cost"),
    [
        ("Yours", "$7.00"),
        ("yours", "$7.00"),
        ("Practice", "$1.00"),
        ("practice", "$1.00"),
        ("Sample", "at least $10.00"),
        ("sample", "at least $10.00"),
        ("nonsense", "$7.00"),
    ],
)
def test_the_url_says_which_book_is_open(asked: str, cost: str) -> None:
    lay(three())
    at = page(None, {"book": asked, "period": "Last week"})
    assert metrics(at)["Estimated cost"] == cost


def test_switching_the_book_keeps_period_and_filters() -> None:
    lay(three())
    at = page(None, {"book": "Yours", "period": "Last week", "team": "search"})
    at.session_state["book"] = "sample"
    at.run()
    assert metrics(at)["Estimated cost"] == "at least $3.75"
    assert "Team: search" in said(at)


def test_one_book_needs_no_switch() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week"})
    with pytest.raises(KeyError):
        at.get_by_key("book")


# -- answers are kept while nothing changes --------------------------------------------------------


class Counting:
    """An ask that counts how often the ledger was really asked."""

    def __init__(self, ledger: Any) -> None:
        self.asked = 0
        self.inner = asking(ledger)

    def __call__(self, question: str, scope: Any = None, /, **params: Any) -> Any:
        self.asked += 1
        return self.inner(question, scope, **params)


def counting_shelf(version: list[int], ledger: Any) -> Counting:
    ask = Counting(ledger)
    lay({})
    book = Book("yours", book_origins("yours"), ask, lambda: (version[0],))
    shelve(Shelf({"yours": book}, clock=lambda: NOW))
    return ask


def test_a_rerun_asks_nothing_twice() -> None:
    ask = counting_shelf([1], ledger_of(week()))
    at = page(None, {"period": "Last week"})
    first = ask.asked
    at.run()
    assert first > 5
    assert ask.asked == first


def test_a_new_version_asks_again_and_shows_the_new_call() -> None:
    from factories_calls import insert_rows

    version, ledger = [1], ledger_of(week())
    ask = counting_shelf(version, ledger)
    at = page(None, {"period": "Last week"})
    first = ask.asked
    insert_rows(ledger, [priced("90.00")])
    at.run()
    assert metrics(at)["Estimated cost"] == "at least $10.00"
    version[0] = 2
    at.run()
    assert ask.asked > first
    assert metrics(at)["Estimated cost"] == "at least $100.00"


def test_a_clock_that_runs_on_is_no_new_question() -> None:
    ask = counting_shelf([1], ledger_of(week()))
    at = page(None, {"period": "28d"})
    first = ask.asked
    shelve(replace(shelf(), clock=lambda: NOW + timedelta(minutes=14)))
    at.run()
    assert ask.asked == first


def test_sums_over_teams_are_the_total() -> None:
    ledger = ledger_of(week())
    scope = named("last-week", NOW, "UTC").scope()
    whole = asking(ledger)("totals", scope).to_pylist()[0]["cost"]
    teams = asking(ledger)("spend", scope, by=("team",)).to_pylist()
    assert sum((row["cost"] or Decimal(0) for row in teams), Decimal(0)) == whole == Decimal(10)


def test_the_week_before_is_compared_day_by_day() -> None:
    before = [priced("2.00", ts=LAST_WEEK - timedelta(days=7))]
    lay({"yours": ledger_of([priced("1.00"), *before])})
    at = page(None, {"period": "Last week"})
    cost = next(each for each in at.metric if each.label == "Estimated cost")
    assert cost.delta == "-50.0 %"
