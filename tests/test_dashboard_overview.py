"""The Overview: figures, words, links and emptiness, on ledgers small enough to add up by hand."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from factories_dashboard import (
    LAST_WEEK,
    charts,
    failed,
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

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.backlog import MOST_LINES
from hf_ledger.ingest.spool.collector import collect
from hf_ledger.ingest.spool.segments import Segments


def test_the_headline_is_a_lower_bound_when_calls_have_no_price() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week"})
    assert metrics(at)["Estimated cost"] == "at least $10.00"


def test_the_headline_is_plain_when_every_call_is_priced() -> None:
    lay({"yours": ledger_of([priced("1.25"), priced("2.50")])})
    at = page(None, {"period": "Last week"})
    assert metrics(at)["Estimated cost"] == "$3.75"
    assert "at least" not in said(at)


def test_coverage_is_told_in_calls_and_tokens() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week"})
    # 7 of 9 calls have a known cost: six priced and one free.
    assert "Priced: 78 % of calls" in said(at)
    assert "2 calls have no known price and are not in this total." in said(at)


def test_one_call_without_price_is_told_in_the_singular() -> None:
    lay({"yours": ledger_of([priced("1"), unpriced()])})
    at = page(None, {"period": "Last week"})
    assert "1 call has no known price and is not in this total." in said(at)


def test_words_that_must_stand_under_every_total() -> None:
    lay({"yours": ledger_of(week())})
    text = said(page(None, {"period": "Last week"}))
    assert "Estimated cost, USD, before credits and tax" in text
    assert "Dedicated endpoint hours not included." in text
    assert "Not yet compared with Hugging Face's invoice." in text


def test_an_old_price_list_is_warned_of_with_its_age() -> None:
    lay({"yours": ledger_of(week())})
    text = said(page(None, {"period": "Last week"}))
    assert "At the list of" in text
    assert "days old)" in text
    assert "Prices may have changed since." in text


def test_figures_of_the_week() -> None:
    lay({"yours": ledger_of(week())})
    shown = metrics(page(None, {"period": "Last week"}))
    assert shown["Calls"] == "9"
    # 10.00 dollars over 6 priced calls, times a thousand.
    assert shown["Cost per 1k calls"] == "$1,666.67"
    assert shown["Error rate"] == "11.11 %"
    # 100 in and 20 out each.
    assert shown["Tokens"] == f"{9 * 120:,}"


def test_a_prior_period_makes_a_change() -> None:
    before = [priced("5.00", ts=LAST_WEEK - timedelta(days=7))]
    lay({"yours": ledger_of([priced("10.00"), *before])})
    at = page(None, {"period": "Last week"})
    cost = next(each for each in at.metric if each.label == "Estimated cost")
    assert cost.delta == "+100.0 %"


def test_growth_is_never_red_but_more_errors_are() -> None:
    before = [priced("5.00", ts=LAST_WEEK - timedelta(days=7))]
    lay({"yours": ledger_of([priced("10.00"), failed(), *before])})
    at = page(None, {"period": "Last week"})
    colours = {each.label: each.proto.color for each in at.metric}
    grey = colours["Estimated cost"]
    assert {colours[name] for name in ("Calls", "Cost per 1k calls", "Tokens")} == {grey}
    assert colours["Error rate"] != grey


def test_calls_without_any_price_are_counted_and_never_zero_dollars() -> None:
    lay({"yours": ledger_of([unpriced(), unpriced()])})
    at = page(None, {"period": "Last week"})
    shown = metrics(at)
    assert shown["Estimated cost"] == "price unknown"
    assert shown["Cost per 1k calls"] == "price unknown"
    assert "$0" not in said(at)
    assert "Calls per day by model" in said(at)
    assert "No price is known for these calls, so they are counted." in said(at)


def test_a_period_without_calls_offers_the_latest_data() -> None:
    lay({"yours": ledger_of([priced("1", ts=LAST_WEEK - timedelta(days=200))])})
    at = page(None, {"period": "Last week"})
    assert "No calls in this period" in said(at)
    button = next(each for each in at.button if each.label == "Go to latest data")
    button.click().run()
    assert not at.exception
    assert metrics(at)["Estimated cost"] == "$1.00"


def test_an_empty_ledger_shows_the_way_to_connect() -> None:
    lay({"yours": ledger_of()})
    at = page(None)
    assert "This ledger is empty." in said(at)
    assert any("Connect" in each.label for each in at.get("page_link"))


def test_without_a_shelf_the_page_says_how_to_start() -> None:
    lay({})
    assert "Start the dashboard with hf-ledger serve." in said(page(None))


def test_sample_data_says_so() -> None:
    lay({"yours": ledger_of(), "sample": ledger_of(sampled(week()))})
    at = page(None, {"period": "Last week"})
    assert any("Sample data" in each.value for each in at.info)
    assert metrics(at)["Estimated cost"] == "at least $10.00"


def test_your_own_calls_are_never_mixed_with_the_sample() -> None:
    own = [priced("7.00")]
    lay({"yours": ledger_of(own), "sample": ledger_of(sampled(week()))})
    yours = page(None, {"period": "Last week", "book": "yours"})
    sample = page(None, {"period": "Last week", "book": "sample"})
    assert metrics(yours)["Estimated cost"] == "$7.00"
    assert metrics(sample)["Estimated cost"] == "at least $10.00"


def test_practice_calls_are_in_no_total_of_yours() -> None:
    ledger = ledger_of([priced("7.00"), priced("100.00", origin="practice")])
    lay({"yours": ledger, "practice": ledger})
    assert metrics(page(None, {"period": "Last week"}))["Estimated cost"] == "$7.00"
    practice = page(None, {"period": "Last week", "book": "practice"})
    assert metrics(practice)["Estimated cost"] == "$100.00"
    assert any("Practice server, no model ran" in each.value for each in practice.info)


def test_imported_calls_are_yours() -> None:
    lay({"yours": ledger_of([priced("7.00"), priced("1.00", origin="import")])})
    assert metrics(page(None, {"period": "Last week"}))["Estimated cost"] == "$8.00"


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ({"team": "search"}, "at least $3.75"),
        ({"team": "support"}, "$4.75"),
        ({"team": "(not set)"}, "$1.00"),
        ({"team": ["search", "support"]}, "at least $8.50"),
        ({"model": "deepseek-ai/DeepSeek-V3.1"}, "$4.50"),
        ({"size_class": "xl", "team": "legal"}, "$0.50"),
        ({"outcome": "error"}, "$0.00"),
    ],
)
def test_filters_live_in_the_url(query: dict[str, str | list[str]], cost: str) -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week", **query})
    assert metrics(at)["Estimated cost"] == cost


def test_a_filter_value_that_nothing_has_finds_nothing() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week", "team": "nobody"})
    assert "No calls in this period" in said(at)


def test_a_link_may_name_a_period_as_commands_do() -> None:
    lay({"yours": ledger_of(week())})
    for name in ("last-week", "Last week"):
        assert metrics(page(None, {"period": name}))["Estimated cost"] == "at least $10.00"


def test_custom_days_are_in_the_url() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Custom", "days": ["2026-11-10", "2026-11-11"]})
    # 2.50 + 0.75 on the tenth, 4.00 on the eleventh.
    assert metrics(at)["Estimated cost"] == "$7.25"


def test_days_by_model_are_stacked_and_the_period_before_is_dashed() -> None:
    before = [priced("5.00", ts=LAST_WEEK - timedelta(days=7))]
    lay({"yours": ledger_of([*week(), *before])})
    spec = json.loads(charts(page(None, {"period": "Last week"}))[0].proto.spec)
    names = [trace["name"] for trace in spec["data"]]
    assert names == ["Llama-3.3-70B-Instruct", "DeepSeek-V3.1", "unlisted", "Previous period"]
    dashed = spec["data"][-1]
    assert dashed["line"]["dash"] == "dash"
    assert dashed["y"][0] == 5


def test_parts_of_the_chart_make_the_whole() -> None:
    lay({"yours": ledger_of(week())})
    spec = json.loads(charts(page(None, {"period": "Last week"}))[0].proto.spec)
    bars = [trace for trace in spec["data"] if trace["type"] == "bar"]
    total = sum(Decimal(str(value or 0)) for bar in bars for value in bar["y"])
    assert total == Decimal("10.00")


def test_every_chart_is_small_and_named_for_screen_readers() -> None:
    lay({"yours": ledger_of(week())})
    drawn = charts(page(None, {"period": "Last week"}))
    assert len(drawn) >= 3
    for chart in drawn:
        assert chart.proto.alt
        assert len(chart.proto.spec) < 12_000


def test_every_figure_says_how_it_was_computed() -> None:
    lay({"yours": ledger_of(week())})
    text = said(page(None, {"period": "Last week"}))
    assert text.count("**How was this computed?**") >= 5
    assert "6 priced calls add up to \\$10.00" in text


def test_every_total_opens_its_calls() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week", "team": "search"})
    links = [each.proto for each in at.get("page_link") if each.proto.label == "Calls"]
    assert len(links) == 5
    for link in links:
        assert "team=search" in link.query_string
        assert "period=Last+week" in link.query_string.replace("%20", "+")


def test_headings_come_in_order() -> None:
    lay({"yours": ledger_of(week())})
    at = page(None, {"period": "Last week"})
    assert [each.value for each in at.title] == ["Overview"]
    assert [each.value for each in at.subheader] == [
        "Cost per day by model",
        "Cost by team",
        "Peak hours",
        "Price difference, untested",
    ]


def noticing(ledger: Ledger, **counts: int) -> Ledger:
    """The ledger with these counts told on the last Thursday."""
    at = (LAST_WEEK + timedelta(days=3)).replace(tzinfo=None)
    for reason, count in counts.items():
        ledger.cursor().execute("insert into noticed values ('s', ?, ?, ?)", [at, reason, count])
    return ledger


def test_calls_that_programs_had_to_drop_are_told() -> None:
    lay({"yours": noticing(ledger_of(week()), not_spooled=1_234, poll=7)})
    text = said(page(None, {"period": "Last week"}))
    assert "1,234 calls could not be written to disk, were dropped by the program" in text


def test_dropped_calls_are_told_even_where_no_call_was_kept() -> None:
    lay({"yours": noticing(ledger_of(), not_spooled=1)})
    text = said(page(None, {"period": "Last week"}))
    assert "1 call could not be written to disk, was dropped" in text
    assert "No calls in this period" in text


def test_a_ledger_that_lost_nothing_says_nothing_of_it() -> None:
    lay({"yours": noticing(ledger_of(week()), poll=7)})
    assert "could not be written" not in said(page(None, {"period": "Last week"}))


def test_what_a_program_had_to_drop_reaches_the_page(places: Places) -> None:
    """A file stands where the spool should be: 10,000 calls wait, five more push five out."""
    at = int(LAST_WEEK.timestamp()) * 10**9
    segments = Segments(places.spool, clock=lambda: at)
    places.make()
    places.spool.write_text("in the way")
    for number in range(MOST_LINES + 5):
        segments.write(Call(call_id=str(uuid.UUID(int=number)), ts=at // 1000 + number))
    places.spool.unlink()
    segments.close()
    with Ledger.open(places) as ledger:
        assert collect(ledger, places).new == MOST_LINES
        lay({"yours": ledger})
        shown = page(None, {"period": "Last week"})
    assert metrics(shown)["Calls"] == "10.0k"
    assert "5 calls could not be written to disk" in said(shown)
