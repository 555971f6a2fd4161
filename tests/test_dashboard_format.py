"""Figures as text: laws over any amount, count, share, time and name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.analytics.words import PRICE_UNKNOWN, dollars
from hf_ledger.dashboard import format as text_of

# The smallest amount that a ledger can hold is one place in the ninth.
amounts = st.decimals(Decimal("0.000000001"), Decimal("999999999"), places=9)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(amounts, st.integers(0, 10**6))
def test_a_positive_amount_is_never_shown_as_zero(usd: Decimal, unpriced: int) -> None:
    for text in (text_of.at_least(usd, unpriced), text_of.exact(usd)):
        digits = text.rpartition("$")[2].replace(",", "")
        assert Decimal(digits) > 0


@given(st.integers(0, 10**6))
def test_an_unknown_amount_has_no_dollar_sign(unpriced: int) -> None:
    assert text_of.at_least(None, unpriced) == text_of.exact(None) == PRICE_UNKNOWN
    assert "$" not in PRICE_UNKNOWN


@given(amounts)
def test_exact_is_what_is_stored(usd: Decimal) -> None:
    assert Decimal(text_of.exact(usd)[1:]) == usd
    assert len(text_of.exact(usd).partition(".")[2]) == 9


@given(amounts, st.integers(1, 10**6))
def test_a_lower_bound_is_the_amount_of_all_other_pages(usd: Decimal, unpriced: int) -> None:
    assert text_of.at_least(usd, unpriced) == f"at least {dollars(usd)}"
    assert text_of.at_least(usd, 0) == dollars(usd)


@given(st.integers(-(10**14), 10**14))
def test_full_keeps_every_digit(number: int) -> None:
    assert int(text_of.full(number).replace(",", "")) == number


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_a_larger_count_never_reads_smaller(one: int, other: int) -> None:
    sizes = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

    def read(number: int) -> float:
        digits, unit = re.fullmatch(r"([\d.,]+)([kMGT]?)", text_of.count(number)).groups()  # type: ignore[union-attr]
        return float(digits.replace(",", "")) * sizes[unit]

    small, large = sorted((one, other))
    assert read(small) <= read(large)


def test_unknown_counts_and_times_are_words() -> None:
    assert text_of.count(None) == text_of.full(None) == text_of.milliseconds(None) == "unknown"


@given(st.floats(0, 1), st.floats(0, 1))
def test_points_change_sign_with_their_order(now: float, before: float) -> None:
    forth, back = text_of.points(now, before), text_of.points(before, now)
    assert forth is not None and back is not None
    assert forth[1:] == back[1:]
    if forth[1:] != "0.00 pp":
        assert {forth[0], back[0]} == {"+", "-"}


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_change_is_growth_in_percent(now: int, before: int) -> None:
    text = text_of.change(now, before)
    assert text is not None
    assert float(text.removesuffix(" %")) == pytest.approx(100 * (now - before) / before, abs=0.051)


def test_losing_everything_is_minus_a_hundred_percent() -> None:
    assert text_of.change(Decimal(0), Decimal(5)) == "-100.0 %"
    assert text_of.change(Decimal(0), Decimal(0)) is None


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_part_and_the_rest_make_the_whole(part: int, more: int) -> None:
    whole = part + more
    one, other = text_of.share(part, whole), text_of.share(more, whole)
    assert one is not None and other is not None
    assert one + other == pytest.approx(1)


@pytest.mark.parametrize(
    ("ms", "text"), [(999.4, "999 ms"), (999.6, "1.00 s"), (1_000, "1.00 s"), (61_250, "61.25 s")]
)
def test_a_thousand_milliseconds_are_a_second(ms: float, text: str) -> None:
    assert text_of.milliseconds(ms) == text


@given(st.floats(-1e6, 1e9, allow_nan=False))
def test_nothing_is_said_to_lie_in_the_future(seconds: float) -> None:
    text = text_of.ago(seconds)
    number, unit = text.split()[:2]
    assert int(number) >= 0
    if unit != "s":
        assert unit.endswith("s") is (number != "1")


@pytest.mark.parametrize(
    ("at", "text"),
    [
        # Both are 02:30 by the clock on the day that has 25 hours.
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 2026, 02:30 Europe/Berlin"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 2026, 02:30 Europe/Berlin"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 Mar 2026, 03:00 Europe/Berlin"),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "1 Jan 2027, 00:00 Europe/Berlin"),
    ],
)
def test_moments_follow_the_clock_of_the_zone(at: datetime, text: str) -> None:
    assert text_of.moment(at, "Europe/Berlin") == text


@given(names)
def test_plain_text_reads_as_it_was_typed(name: str) -> None:
    shown = re.sub(r"\\([\\`*_{}\[\]<>#$~|:&])", r"\1", text_of.plain(name))
    assert shown == " ".join(name.splitlines())


@given(names)
def test_no_mark_stands_bare_in_plain_text(name: str) -> None:
    rest = re.sub(r"\\[\\`*_{}\[\]<>#$~|:&]", "", text_of.plain(name))
    assert not set(rest) & set("\\`*_{}[]<>#$~|:&\n\r")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("![](http://x)", "!\\[\\](http\\://x)"),
        ("<b>x</b>", "\\<b\\>x\\</b\\>"),
        ("$x^2$", "\\$x^2\\$"),
        ("a\n\n# b", "a  \\# b"),
        ("&lt;", "\\&lt;"),
        (":material/home:", "\\:material/home\\:"),
    ],
)
def test_hostile_names_stay_text(name: str, text: str) -> None:
    assert text_of.plain(name) == text


@given(st.text("ab/", min_size=1, max_size=10))
def test_a_model_always_has_a_name(model: str) -> None:
    short = text_of.short_model(model)
    assert short
    assert short in model


def test_an_empty_model_is_not_set() -> None:
    assert text_of.short_model("") == text_of.short_model(None) == "not set"
