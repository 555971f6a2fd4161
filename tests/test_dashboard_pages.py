"""Every page on every kind of ledger, and what each page is for."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from factories_dashboard import (
    LAST_WEEK,
    NOW,
    asking,
    charts,
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

from hf_ledger.analytics.periods import named
from hf_ledger.analytics.report import weekly
from hf_ledger.analytics.words import dollars

PAGES = ("overview", "calls", "peaks", "models", "savings", "reports", "console", "connect")
FIGURES = ("overview", "calls", "peaks", "models", "savings")

LEDGERS = {
    "a week": week(),
    "empty": [],
    "nothing priced": [unpriced(), unpriced(team=None, model=None, requested_model=None)],
    "nothing known": [
        unpriced(model=None, requested_model=None, provider=None, task=None, size_class=None,
                 uncached_input_tokens=None, output_tokens=None, latency_ms=None, team=None),
    ],
    "only an endpoint": [unpriced(cost_basis="endpoint_hours", host_kind="endpoint")],
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("kind", LEDGERS)
def test_every_page_stands_on_every_ledger(name: str, kind: str) -> None:
    lay({"yours": ledger_of(LEDGERS[kind])})
    at = page(name, {"period": "Last week"})
    assert len(at.title) == 1


@pytest.mark.parametrize("name", PAGES)
def test_every_page_stands_on_the_sample(name: str) -> None:
    lay({"yours": ledger_of(), "sample": ledger_of(sampled(week()))})
    at = page(name, {"period": "Last week"})
    if name not in ("console", "connect"):
        assert any("Sample data" in each.value for each in at.info)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_stands_without_a_server(name: str) -> None:
    lay({})
    assert said(page(name))


@pytest.mark.parametrize("name", FIGURES)
def test_an_unknown_price_is_never_zero_dollars(name: str) -> None:
    lay({"yours": ledger_of(LEDGERS["nothing priced"])})
    at = page(name, {"period": "Last week"})
    assert "$0" not in said(at)
    assert "$0" not in " ".join(metrics(at).values())


@pytest.mark.parametrize("name", FIGURES)
def test_an_empty_period_offers_the_latest_data_on_every_page(name: str) -> None:
    lay({"yours": ledger_of([priced("1", ts=LAST_WEEK - timedelta(days=200))])})
    at = page(name, {"period": "7d"})
    assert "Go to latest data" in [each.label for each in at.button]


@pytest.mark.parametrize("name", FIGURES)
def test_every_page_works_from_its_url_alone(name: str) -> None:
    lay({"yours": ledger_of(week())})
    at = page(name, {"period": "Last week", "team": "legal"})
    assert "9 – 15 Nov 2026 UTC, compared with 2 – 8 Nov 2026 · Team: legal" in said(at)


@pytest.mark.parametrize("name", ("overview", "calls", "models", "savings"))
def test_money_is_never_shown_without_its_words(name: str) -> None:
    lay({"yours": ledger_of(week())})
    text = said(page(name, {"period": "Last week"}))
    assert "before credits and tax" in text
    assert "no known price" in text


# -- calls ---------------------------------------------------------------------------------------


def test_calls_are_listed_latest_first() -> None:
    lay({"yours": ledger_of(week())})
    table = page("calls", {"period": "Last week"}).dataframe[0].value
    assert len(table) == 9
    assert list(table["Time"][:2]) == ["13 Nov 10:00:00", "13 Nov 10:00:00"]
    assert table["Time"].iloc[-1] == "9 Nov 10:00:00"


def test_calls_can_be_ordered_by_cost_with_unknown_last() -> None:
    lay({"yours": ledger_of(week())})
    table = page("calls", {"period": "Last week", "order": "Cost"}).dataframe[0].value
    assert list(table["Cost"][:3]) == ["$4.00", "$2.50", "$1.25"]
    assert list(table["Cost"][-2:]) == ["price unknown", "price unknown"]


def test_calls_are_paged_by_the_ledger() -> None:
    rows = [priced("0.01", ts=LAST_WEEK + timedelta(minutes=each)) for each in range(60)]
    lay({"yours": ledger_of(rows)})
    first = page("calls", {"period": "Last week"}).dataframe[0].value
    third = page("calls", {"period": "Last week", "page": "3"}).dataframe[0].value
    assert (len(first), len(third)) == (25, 10)
    assert first["Time"][0] == "9 Nov 10:59:00"
    assert third["Time"].iloc[-1] == "9 Nov 10:00:00"


def test_a_filter_narrows_the_calls_and_their_total() -> None:
    lay({"yours": ledger_of(week())})
    at = page("calls", {"period": "Last week", "team": "support"})
    assert len(at.dataframe[0].value) == 2
    assert metrics(at)["Estimated cost"] == "$4.75"


def test_a_link_to_a_call_opens_its_drawer() -> None:
    rows = week()
    lay({"yours": ledger_of(rows)})
    at = page("calls", {"period": "Last week", "call": rows[0]["call_id"]})
    assert rows[0]["call_id"] in [each.value for each in at.code]
    assert "**How it was priced**" in said(at)


@pytest.mark.parametrize("wrong", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_a_link_to_no_call_says_so(wrong: str) -> None:
    lay({"yours": ledger_of(week())})
    at = page("calls", {"period": "Last week", "call": wrong})
    assert "The ledger has no such call." in said(at)


# -- peaks ---------------------------------------------------------------------------------------


def test_the_three_busiest_hours() -> None:
    hours = {9: 4, 14: 3, 16: 2, 3: 1}
    rows = [
        priced("0.10", ts=LAST_WEEK.replace(hour=hour, minute=each))
        for hour, count in hours.items()
        for each in range(count)
    ]
    lay({"yours": ledger_of(rows)})
    shown = metrics(page("peaks", {"period": "Last week"}))
    assert shown == {
        "Busiest hour": "09:00 – 10:00",
        "Second busiest hour": "14:00 – 15:00",
        "Third busiest hour": "16:00 – 17:00",
    }


def test_hours_are_those_of_the_reporting_zone() -> None:
    lay({"yours": ledger_of([priced("0.10", ts=LAST_WEEK.replace(hour=23))])}, zone="Asia/Tokyo")
    # 23:00 UTC is 08:00 of the next day in Tokyo.
    shown = metrics(page("peaks", {"period": "Last week"}))
    assert shown["Busiest hour"] == "08:00 – 09:00"


def test_all_24_hours_are_drawn() -> None:
    lay({"yours": ledger_of(week())})
    bars = json.loads(charts(page("peaks", {"period": "Last week"}))[0].proto.spec)["data"][0]
    assert bars["x"] == [f"{hour:02d}" for hour in range(24)]
    assert sum(bars["y"]) == 9


def test_the_heat_map_is_also_a_table() -> None:
    lay({"yours": ledger_of(week())})
    at = page("peaks", {"period": "Last week"})
    table = at.dataframe[0].value
    assert table.shape == (7, 25)
    # Monday 9 November at ten: one call for search, two without price.
    assert table["10"][0] == 3


def test_the_measure_of_the_heat_map_is_in_the_url() -> None:
    lay({"yours": ledger_of(week())})
    at = page("peaks", {"period": "Last week", "measure": "Estimated cost"})
    assert at.dataframe[0].value["10"][2] == pytest.approx(4.0)


# -- models --------------------------------------------------------------------------------------


def test_size_classes_in_their_order() -> None:
    lay({"yours": ledger_of(week())})
    bars = json.loads(charts(page("models", {"period": "Last week"}))[0].proto.spec)["data"][0]
    assert bars["x"] == ["large", "xl"]
    # large: 1.25 + 2.50 + 0.75 + 1.00; xl: 4.00 + 0.50
    assert bars["y"] == [5.5, 4.5]


def test_overkill_is_called_an_observation() -> None:
    lay({"yours": ledger_of(week())})
    at = page("models", {"period": "Last week"})
    assert "Observations, not advice" in said(at)
    found = at.dataframe[0].value
    # A chat of 100 tokens in suits a smaller class than xl by two or more.
    assert found["Model"].iloc[0] == "DeepSeek-V3.1"
    assert found["Is"].iloc[0] == "xl"


def test_all_models_with_their_unknown_prices() -> None:
    lay({"yours": ledger_of(week())})
    table = page("models", {"period": "Last week"}).dataframe[-1].value
    unlisted = table[table["Model"] == "acme/unlisted"].iloc[0]
    assert unlisted["Cost"] == "price unknown"
    assert unlisted["Price unknown"] == 2


# -- savings -------------------------------------------------------------------------------------


def test_only_the_untested_figure_has_a_number() -> None:
    lay({"yours": ledger_of(week())})
    shown = metrics(page("savings", {"period": "Last week"}))
    assert list(shown) == [
        "Price difference, untested",
        "Suggested by tests",
        "Proven by tests, 95 %",
        "Achieved, estimated",
    ]
    assert {shown[name] for name in list(shown)[1:]} == {"Not yet tested"}


def test_the_two_kinds_of_moves_are_never_added_up() -> None:
    rows = [priced("9.00", model="meta-llama/Llama-3.3-70B-Instruct", provider="together")]
    ledger = ledger_of(rows)
    lay({"yours": ledger})
    at = page("savings", {"period": "Last week"})
    period = named("last-week", NOW, "UTC")
    moves = asking(ledger)("savings", period.scope()).to_pylist()
    sums = {
        kind: sum((row["difference"] for row in moves if row["kind"] == kind), Decimal(0))
        for kind in ("downgrade", "cheaper_provider")
    }
    assert len([each for each in sums.values() if each]) == 2
    assert metrics(at)["Price difference, untested"] == f"up to {dollars(max(sums.values()))}"


def test_every_move_is_labelled_untested() -> None:
    lay({"yours": ledger_of([priced("9.00")])})
    tables = page("savings", {"period": "Last week"}).dataframe
    assert len(tables) == 2
    for table in tables:
        assert set(table.value["Label"]) == {"untested"}


def test_observations_are_sentences_with_a_link() -> None:
    lay({"yours": ledger_of(week())})
    at = page("savings", {"period": "Last week"})
    assert "None is proven." in said(at)
    assert "2 calls" in said(at)
    assert any("cost_basis=unknown" in each.proto.query_string for each in at.get("page_link"))


# -- reports -------------------------------------------------------------------------------------


def test_the_report_has_the_figures_of_the_overview_to_the_cent() -> None:
    ledger = ledger_of(week())
    lay({"yours": ledger})
    reported = metrics(page("reports", {"week": "2026-W46"}))["Estimated cost"]
    shown = metrics(page(None, {"period": "Last week"}))["Estimated cost"]
    built = weekly(asking(ledger), "2026-W46", now=NOW)
    assert reported == shown == "at least $10.00"
    assert built.totals.cost == Decimal("10.00")


def test_the_latest_whole_week_comes_first() -> None:
    lay({"yours": ledger_of(week())})
    at = page("reports")
    assert at.selectbox(key="week").value == "2026-W46"


def test_older_weeks_can_be_chosen_while_they_hold_calls() -> None:
    before = [priced("5.00", ts=LAST_WEEK - timedelta(days=14))]
    lay({"yours": ledger_of([*week(), *before])})
    at = page("reports")
    assert at.selectbox(key="week").options == ["2026-W46", "2026-W45", "2026-W44"]
    at.selectbox(key="week").select("2026-W44").run()
    assert metrics(at)["Estimated cost"] == "$5.00"


def test_downloads_are_offered_in_both_formats() -> None:
    lay({"yours": ledger_of(week())})
    at = page("reports")
    assert {"HTML", "XLSX"} <= {each.label for each in at.get("download_button")}


# -- connect -------------------------------------------------------------------------------------


def test_connect_shows_three_lines_and_waits() -> None:
    lay({"yours": ledger_of()})
    at = page("connect")
    code = [each.value for each in at.code]
    assert code[:3] == [
        "pip install -e /src/hf-ledger",
        "# nothing to set: recorder and dashboard meet in one folder of yours",
        'import hf_ledger; hf_ledger.record(app="search", team="search")',
    ]
    assert "Waiting for the first call" in said(at)
    assert "hf-ledger doctor" in code


def test_connect_says_when_the_first_call_came_and_from_whom() -> None:
    lay({"yours": ledger_of([priced("0.01", team="search", ts=NOW - timedelta(seconds=2))])})
    text = said(page("connect"))
    assert "First call received 2 s ago" in text
    assert "search asked Llama" in text


def test_connect_tells_of_the_latest_call_once_there_are_more() -> None:
    two = [priced("0.01", ts=NOW - timedelta(seconds=each)) for each in (90, 5)]
    lay({"yours": ledger_of(two)})
    assert "Latest call received 5 s ago" in said(page("connect"))


def test_connect_never_counts_the_sample() -> None:
    lay({"yours": ledger_of(), "sample": ledger_of(sampled(week()))})
    assert "Waiting for the first call" in said(page("connect"))


# -- the sidebar ---------------------------------------------------------------------------------


def test_data_through_names_the_last_call_in_the_zone() -> None:
    lay({"yours": ledger_of([priced("1", ts=LAST_WEEK)])}, zone="Europe/Berlin")
    assert "Data through 9 Nov 2026, 11:00 Europe/Berlin · 1 call" in said(page(None))


def test_yours_is_opened_once_it_holds_calls() -> None:
    both = {"yours": ledger_of([priced("1")]), "sample": ledger_of(sampled(week()))}
    lay(both)
    assert page(None).session_state["book"] == "yours"


def test_the_sample_is_opened_while_yours_is_empty() -> None:
    lay({"yours": ledger_of(), "sample": ledger_of(sampled(week()))})
    assert page(None).session_state["book"] == "sample"


def test_practice_is_offered_only_once_it_holds_calls() -> None:
    empty, full = ledger_of(), ledger_of([priced("1", origin="practice")])
    lay({"yours": empty, "practice": empty, "sample": ledger_of(sampled(week()))})
    assert page(None).get_by_key("book").options == ["Yours", "Sample"]
    lay({"yours": full, "practice": full, "sample": ledger_of(sampled(week()))})
    assert page(None).get_by_key("book").options == ["Yours", "Practice", "Sample"]
