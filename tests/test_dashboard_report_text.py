"""The report's sentences, from values made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from factories_questions import asked, free, on_endpoint, priced, unpriced

from hf_ledger.analytics.report import Hour, Part, WeeklyReport, weekly
from hf_ledger.dashboard.report import text

MONDAY = datetime(2026, 8, 17, 9, tzinfo=UTC)


def report(*rows: dict[str, object], origins: tuple[str, ...] = ("live", "import")) -> WeeklyReport:
    return weekly(asked(rows), "2026-W33", now=MONDAY, origins=origins)


def part(name: str | None, others: int = 0) -> Part:
    return Part(name, 1, 0, 1, 1, Decimal(1), Decimal(1), None, others)


def test_names_of_parts() -> None:
    assert text.name(part("search")) == "search"
    assert text.name(part("")) == ""
    assert text.name(part(None)) == "not set"
    assert text.name(part(None), "unknown size") == "unknown size"
    assert text.name(part(None, others=7), "unknown size") == "7 others"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.123, "+12.3 %"), (-0.5, "−50.0 %"), (0.0, "+0.0 %"), (12.0, "+1,200.0 %")],
)
def test_signed_shares(share: float, said: str) -> None:
    assert text.signed(share) == said


def test_growth_needs_something_to_grow_from() -> None:
    assert text.growth(Decimal(3), Decimal(2)) == 0.5
    assert text.growth(Decimal(3), Decimal(0)) is None
    assert text.growth(None, Decimal(3)) is None
    assert text.growth(Decimal(3), None) is None


def test_the_lead_names_the_largest_team_and_model() -> None:
    rows = [priced("3", team="search", model="a/b"), priced("1", team="legal", model="c/d")]
    assert text.lead(report(*rows)) == (
        "Inference cost $4.00 for 2 calls. Of this, the largest team is search with 75 %, the "
        "largest model is a/b with 75 %."
    )


def test_the_lead_names_nobody_where_nobody_is_known() -> None:
    assert (
        text.lead(report(priced("3", team=None, model=None))) == "Inference cost $3.00 for 1 call."
    )
    assert text.lead(report(free())).endswith("$0.00 for 1 call.")
    assert text.lead(report(unpriced())) == "Inference cost price unknown for 1 call."


def test_a_total_says_when_it_is_a_lower_bound() -> None:
    assert text.total(report(priced("3")).totals) == "$3.00"
    assert text.total(report(priced("3"), unpriced()).totals) == "at least $3.00"
    assert text.total(report(unpriced()).totals) == "price unknown"
    assert text.total(report(priced("3"), on_endpoint()).totals) == "$3.00"


def test_coverage_counts_what_is_billed_per_call() -> None:
    assert text.coverage_line(report(on_endpoint())) == "No calls that are billed per call."
    assert text.coverage_line(report()) == "No calls that are billed per call."
    silent = {"uncached_input_tokens": None, "output_tokens": None}
    assert text.coverage_line(report(priced("1", **silent))) == "Priced: 100 % of calls."


def test_endpoints_are_mentioned_where_there_were_calls_to_them() -> None:
    assert text.endpoint_line(report(priced("1"))) == "Dedicated endpoint hours not included."
    assert text.endpoint_line(report(on_endpoint())) == (
        "Dedicated endpoint hours not included. 1 call went to dedicated endpoints."
    )


def list_of(days: int) -> str:
    captured = MONDAY.replace(day=MONDAY.day - days)
    return text.list_line(replace(report(), price_list_at=captured))


def test_a_price_list_older_than_a_week_may_have_changed() -> None:
    assert list_of(1) == "Prices are those of the list of 16 Aug 2026 (1 day old)."
    assert list_of(7) == "Prices are those of the list of 10 Aug 2026 (7 days old)."
    assert list_of(8).endswith("(8 days old); they may have changed since.")
    assert text.list_line(report()) == "There is no price list in this ledger."


def test_peaks_in_words() -> None:
    hours = (Hour(14, 5, Decimal(1), 0.5), Hour(9, 3, None, 0.3))
    assert text.peak_line(replace(report(), busiest=hours)) == (
        "Calls an hour, UTC. Busiest hours of the day begin at 14:00 (50.0 %), 09:00 (30.0 %)."
    )
    assert text.peak_line(report()) == "No calls in this week."


def test_moments_name_their_zone() -> None:
    assert text.moment(MONDAY, "Europe/Berlin") == "17 Aug 2026, 11:00 Europe/Berlin"


def test_the_terms_say_what_a_reader_must_know() -> None:
    terms = " ".join(text.terms(report(priced("1"), unpriced(), on_endpoint())))
    for phrase in (
        "Estimated cost, USD, before credits and tax",
        "Unknown prices are never counted as zero.",
        "Dedicated endpoint hours not included.",
        "Not yet compared with Hugging Face's invoice.",
        "Weeks run from Monday to Sunday in UTC.",
    ):
        assert phrase in terms
    assert "nobody's costs" not in terms


def test_refusals_are_in_the_terms_where_there_are_any() -> None:
    refused = free(outcome="refused", status=402)
    made = report(priced("1"), free(), refused)
    assert (made.totals.errors, made.totals.refused) == (1, 1)
    said = "1 call was refused by your gateway, reached no model and cost nothing."
    assert said in " ".join(text.terms(made))
    assert "refused" not in " ".join(text.terms(report(priced("1"), free())))


def test_the_terms_of_a_sample_begin_with_what_it_is() -> None:
    terms = text.terms(report(priced("1", origin="sample"), origins=("sample",)))
    assert terms[0] == "Sample data: these are nobody's costs."


def test_every_kind_of_move_has_a_word() -> None:
    assert set(text.KINDS) == {"downgrade", "cheaper_provider"}


def test_prices_of_another_list_are_said_beside_its_age() -> None:
    noted = replace(report(), price_notes=("2 calls priced by the provider's own list.",))
    assert any("2 calls priced by the provider's own list." in line for line in text.terms(noted))
    found = report(priced("1", cost_basis="collected_price"))
    assert any("1 call priced by the provider's own list" in line for line in text.terms(found))
