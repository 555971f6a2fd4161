"""The report as one HTML file: self-contained, small, escaped, honest about what it covers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from factories_questions import (
    Row,
    asked,
    at,
    free,
    insert,
    make_row,
    memory,
    on_endpoint,
    priced,
    unpriced,
)
from test_analytics_savings import call, world

from hf_ledger.analytics.questions import Ask, asking
from hf_ledger.analytics.report import WeeklyReport, weekly
from hf_ledger.dashboard.report import html, text

MONDAY = datetime(2026, 8, 17, 9, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script> & \"quotes\""

#: Elements that have no end.
VOID = {"meta", "br"}


def report(ask: Ask, **options: object) -> WeeklyReport:
    return weekly(ask, "2026-W33", **{"now": MONDAY, **options})  # type: ignore[arg-type]


def page(*rows: Row, **options: object) -> str:
    return html.render(report(asked(rows), **options))


class Reader(HTMLParser):
    """Collects text and tables, and checks that elements are closed in order."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_document_is_well_formed_and_complete() -> None:
    found = Reader(page(priced("1.5"), unpriced(), free()))
    assert found.open == []
    for part in ("Cost per day", "Teams", "Models", "Model sizes", "When the calls come"):
        assert part in found.text
    assert "What these figures are" in found.text
    assert "Estimated cost, USD, before credits and tax" in found.text


def test_it_fetches_and_runs_nothing() -> None:
    document = page(priced("1"), make_row(team=HOSTILE))
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(Reader(document).seen)
    assert not re.search(r"""(src|href)\s*=|url\(|@import|https?://|\son\w+=""", document)


def test_user_text_is_escaped_everywhere() -> None:
    row = priced("1", team=HOSTILE, model=HOSTILE, provider=HOSTILE, size_class=HOSTILE)
    document = page(row, unpriced(team=HOSTILE, model=HOSTILE, provider=HOSTILE))
    assert "<script" not in document
    assert HOSTILE in Reader(document).text


def test_it_is_small_even_with_everything() -> None:
    rows = [
        priced(
            n, team=f"team {n}", model=f"org/model-{n}", ts=at("2026-08-10") + timedelta(hours=n)
        )
        for n in range(160)
    ]
    assert len(page(*rows).encode()) < 150_000


def money_of(cell: str) -> Decimal:
    return Decimal(cell.strip("$").replace(",", ""))


def test_every_table_adds_up_to_its_total_as_it_is_read() -> None:
    rows = [
        priced(Decimal("1000.335") + n * Decimal("0.337"), team=f"t{n}", model=f"m{n % 3}")
        for n in range(15)
    ]
    for table in Reader(page(*rows)).tables[:3]:
        *parts, total = (money_of(row[2]) for row in table[1:])
        assert sum(parts) == total
    whole = sum((row["cost"] for row in rows), Decimal(0))
    assert total == whole.quantize(Decimal("0.01"))


def test_a_total_with_calls_missing_from_it_says_so() -> None:
    words = Reader(page(priced("12.5"), *(unpriced() for _ in range(3)))).text
    assert "Inference cost at least $12.50 for 4 calls" in words
    assert "Cost, at least" in words
    assert "Priced: 25 % of calls" in words
    assert "3 calls have no known price and are not in this total." in words


def test_one_call_without_a_price_is_said_in_the_singular() -> None:
    words = Reader(page(priced("1"), unpriced())).text
    assert "1 call has no known price and is not in this total." in words


def test_a_complete_total_says_no_more_than_it_must() -> None:
    words = Reader(page(priced("12.5"), free())).text
    assert "at least" not in words
    assert "Priced: 100 % of calls, 100 % of tokens." in words
    assert "Dedicated endpoint hours not included." in words
    assert "Not yet compared with Hugging Face's invoice." in words


def test_an_unknown_price_is_never_zero_dollars() -> None:
    document = page(unpriced(), unpriced())
    found = Reader(document)
    assert "Inference cost price unknown for 2 calls" in found.text
    cells = [cell for table in found.tables for row in table[1:] for cell in row]
    assert "$0.00" not in [row[2] for table in found.tables for row in table[1:]]
    assert "unknown" in cells


def test_calls_to_endpoints_are_named_beside_the_total() -> None:
    words = Reader(page(priced("1"), on_endpoint(), on_endpoint())).text
    assert "Dedicated endpoint hours not included. 2 calls went to dedicated endpoints." in words


def test_an_empty_week_says_that_there_were_no_calls() -> None:
    found = Reader(page())
    assert "No calls were recorded in week 2026-W33." in found.text
    assert "No calls in this week." in found.text
    assert "nan" not in found.text.lower().replace("finance", "")


def test_growth_is_told_with_the_week_before() -> None:
    rows = [priced("3"), priced("2", ts=at("2026-08-05"))]
    words = Reader(page(*rows)).text
    assert "Inference cost $3.00 for 1 call, 50.0 % more than in the week before ($2.00)." in words
    fewer = Reader(page(priced("1"), priced("2", ts=at("2026-08-05")))).text
    assert "50.0 % less than in the week before" in fewer


def test_a_first_week_is_compared_with_nothing() -> None:
    words = Reader(page(priced("3"))).text
    assert "than in the week before" not in words
    assert "new on the week before" in words


def test_a_running_week_says_so() -> None:
    words = Reader(page(priced("1"), now=datetime(2026, 8, 12, 13, tzinfo=UTC))).text
    assert "The week is not over: figures up to 12 Aug 2026, 13:00 UTC." in words
    assert "The week is not over" not in Reader(page(priced("1"))).text


@pytest.mark.parametrize(
    ("origin", "label"), [("sample", "Sample data"), ("practice", "Practice server, no model ran")]
)
def test_other_peoples_figures_are_labelled_at_the_top(origin: str, label: str) -> None:
    document = page(priced("1", origin=origin), origins=(origin,))
    words = Reader(document).text
    assert words.index(label) < words.index("Hugging Face inference cost, week 33")
    assert f"{label}: these are nobody's costs." in words
    assert label not in page(priced("1"))


def test_moves_are_untested_and_kinds_are_not_added_up() -> None:
    words = Reader(html.render(report(world([call(), call(300, 3)])))).text
    assert "Price difference, untested" in words
    assert "they are not added up" in words
    assert "same model" in words
    assert "smaller model" in words


def test_an_old_price_list_is_a_warning() -> None:
    ledger = memory([priced("1")])
    captured = at("2026-07-27").replace(tzinfo=None)
    row = {"snapshot": "s", "source": "test", "captured_at": captured}
    insert(ledger.cursor(), "price_lists", [row])
    ask = asking(ledger.cursor())
    old = Reader(html.render(report(ask))).text
    assert "the list of 27 Jul 2026 (21 days old); they may have changed since." in old
    assert "There is no price list in this ledger." in Reader(page(priced("1"))).text


def test_teams_without_a_name_are_not_set() -> None:
    found = Reader(page(priced("1", team=None, model=None, size_class=None)))
    names = [table[1][0] for table in found.tables[:3]]
    assert names == ["no team set", "unknown model", "unknown size"]


def test_the_same_report_is_the_same_document() -> None:
    rows = [priced("1", team="a"), priced("2", team="b"), unpriced()]
    value = report(asked(rows))
    assert html.render(value) == html.render(value)


def test_light_dark_and_paper_have_their_colours() -> None:
    document = page(priced("1"))
    for rule in ("prefers-color-scheme: dark", "@media print", "@page", "color-scheme: light dark"):
        assert rule in document


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (Decimal(3), Decimal(2), "+50.0 %"),
        (Decimal(1), Decimal(2), "−50.0 %"),
        (Decimal(2), Decimal(2), "+0.0 %"),
        (Decimal(2), Decimal(0), "new"),
        (Decimal(0), Decimal(0), "–"),
        (None, Decimal(2), "–"),
        (Decimal(2), None, "–"),
        (Decimal(5000), Decimal(2), "+249,900.0 %"),
    ],
)
def test_change_in_words(now: Decimal | None, before: Decimal | None, said: str) -> None:
    assert text.change(now, before) == said
