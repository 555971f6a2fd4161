"""Questions held to a plain reading of the same rows: loops over dicts, no SQL, no Arrow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from factories_questions import (
    Row,
    asked,
    free,
    insert,
    make_row,
    memory,
    model_row,
    on_endpoint,
    one,
    price_rows,
    priced,
    scope,
    unpriced,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.kernel.suitable import CLASSES, FAMILIES
from hf_ledger.analytics.questions import asking

YEAR = ("2026-01-01", "2027-01-01")
TASKS = ["chat-completion", "text-classification", "summarization", "text-to-image", None]
SIZES: list[str | None] = [*CLASSES, None]
OUTCOMES = ["ok", "ok", "ok", "error", "interrupted", "cancelled", "lost", "refused"]

moments = st.integers(1_772_000_000, 1_798_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
lengths = st.one_of(st.none(), st.sampled_from([0, 10, 255, 256, 2047, 2048, 9000]))
amounts = st.decimals(Decimal(0), Decimal(10), places=9)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    columns: dict[str, Any] = {
        "ts": draw(moments),
        "team": draw(st.sampled_from(["a", "b", None])),
        "task": draw(st.sampled_from(TASKS)),
        "size_class": draw(st.sampled_from(SIZES)),
        "outcome": draw(st.sampled_from(OUTCOMES)),
        "uncached_input_tokens": draw(lengths),
        "cache_read_tokens": draw(st.sampled_from([None, 0, 1, 300])),
        "output_tokens": draw(st.sampled_from([None, 0, 1, 16, 17, 400])),
        "lat_bin": draw(st.sampled_from([None, 0, 3, 100, 150])),
    }
    kind = draw(st.sampled_from(["priced", "unpriced", "endpoint", "free"]))
    if kind == "priced":
        return priced(draw(amounts), **columns)
    make: Callable[..., Row] = {"unpriced": unpriced, "endpoint": on_endpoint, "free": free}[kind]
    return make(**columns)


ledgers = st.lists(rows(), max_size=25)


def input_of(row: Row) -> int | None:
    if row["uncached_input_tokens"] is None:
        return None
    total: int = row["uncached_input_tokens"] + (row["cache_read_tokens"] or 0)
    return total


def by_length(classes: tuple[str, str, str], tokens: int) -> str:
    return classes[0] if tokens < 256 else classes[1] if tokens < 2048 else classes[2]


def flat_class(row: Row) -> str | None:
    """The original rule in plain words."""
    tokens = input_of(row)
    found = [classes for tasks, classes in FAMILIES if row["task"] in tasks]
    return by_length(found[0], tokens) if found and tokens is not None else None


def suitable_class(row: Row) -> str | None:
    """The present rule: only answered calls, and a short answer of a chat is a label."""
    if row["outcome"] != "ok":
        return None
    tokens, output = input_of(row), row["output_tokens"]
    if row["task"] == "chat-completion" and output in range(1, 17) and tokens is not None:
        return by_length(FAMILIES[0][1], tokens)
    return flat_class(row)


def known_cost(found: list[Row]) -> Decimal | None:
    """The sum, unless nothing that could cost something has a price."""
    costly = [row for row in found if row["cost_basis"] != "free"]
    with_price = [row["cost"] for row in costly if row.get("cost") is not None]
    return sum(with_price, Decimal(0)) if with_price or not costly else None


def summed(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def grouped(found: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in found:
        groups[key(row)].append(row)
    return groups


@settings(max_examples=40, deadline=None)
@given(ledgers)
def test_spend_by_team_and_suitable_class(found: list[Row]) -> None:
    table = asked(found)("spend", scope(*YEAR), by=["team", "suitable_class"])
    answers = {(row["team"], row["suitable_class"]): row for row in table.to_pylist()}
    expected = grouped(found, lambda row: (row["team"], suitable_class(row)))
    assert set(answers) == set(expected)
    for key, group in expected.items():
        row = answers[key]
        assert row["calls"] == len(group)
        assert row["errors"] == sum(r["outcome"] in {"error", "interrupted", "lost"} for r in group)
        assert row["refused"] == sum(r["outcome"] == "refused" for r in group)
        assert row["cost"] == known_cost(group)
        assert row["input_tokens"] == summed([input_of(r) for r in group])
        assert row["output_tokens"] == summed([r["output_tokens"] for r in group])


@settings(max_examples=30, deadline=None)
@given(ledgers)
def test_latencies_are_those_of_calls_that_were_sent_on(found: list[Row]) -> None:
    sent = [row for row in found if row["outcome"] != "refused" and row["lat_bin"] is not None]
    bins = sorted(row["lat_bin"] for row in sent)
    (answer,) = asked(found)("totals", scope(*YEAR)).to_pylist()
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        # Nearest rank: the first of which so many are not above it.
        place = max(0, math.ceil(share * len(bins)) - 1)
        assert answer[name] == (1.05 ** (bins[place] + 0.5) if bins else None)


@settings(max_examples=30, deadline=None)
@given(ledgers, st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York"]))
def test_spend_by_month_in_a_zone(found: list[Row], zone: str) -> None:
    table = asked(found)("spend", scope(*YEAR, zone), by=["size_class"], grain="month")
    answers = {
        (r["period"].strftime("%Y-%m"), r["size_class"]): r["cost"] for r in table.to_pylist()
    }

    def key(row: Row) -> tuple[str, str | None]:
        local = row["ts"].replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        return local.strftime("%Y-%m"), row["size_class"]

    assert answers == {k: known_cost(group) for k, group in grouped(found, key).items()}


@settings(max_examples=30, deadline=None)
@given(ledgers)
def test_overkill(found: list[Row]) -> None:
    answers = asked(found)("overkill", scope(*YEAR)).to_pylist()
    expected: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in found:
        used, fit = row["size_class"], suitable_class(row)
        if used and fit and CLASSES.index(used) - CLASSES.index(fit) >= 2:
            expected[(row["task"], used, fit)] += 1
    assert {
        (r["task"], r["size_class"], r["suitable_class"]): r["calls"] for r in answers
    } == expected


FLAT = dict(zip(CLASSES, map(Decimal, ("0.001", "0.005", "0.01", "0.02")), strict=True))


@settings(max_examples=40, deadline=None)
@given(ledgers)
def test_the_original_analyzer(found: list[Row]) -> None:
    answers = asked(found)("flat", scope(*YEAR)).to_pylist()
    saved, affected, overkill = Decimal(0), 0, 0
    for row in found:
        used, fit = row["size_class"], flat_class(row)
        if used and fit and FLAT[fit] < FLAT[used]:
            saved, affected = saved + FLAT[used] - FLAT[fit], affected + 1
            overkill += CLASSES.index(used) - CLASSES.index(fit) >= 2
    (total,) = (row for row in answers if row["section"] == "saving")
    assert (total["amount"], total["calls"]) == (saved, affected)
    assert sum(row["calls"] for row in answers if row["section"] == "overkill") == overkill
    (spent,) = (row for row in answers if row["section"] == "spend")
    assert spent["amount"] == sum(
        (FLAT[r["size_class"]] for r in found if r["size_class"]), Decimal(0)
    )


@settings(max_examples=30, deadline=None)
@given(ledgers, st.integers(1, 5))
def test_the_busiest_hours(found: list[Row], n: int) -> None:
    answers = asked(found)("busiest", scope(*YEAR), n=n).to_pylist()
    hours = grouped(found, lambda row: row["ts"].hour)
    ranked = sorted(hours, key=lambda hour: (-len(hours[hour]), hour))[:n]
    assert [(row["hour"], row["calls"]) for row in answers] == [(h, len(hours[h])) for h in ranked]
    assert [row["cost"] for row in answers] == [known_cost(hours[hour]) for hour in ranked]


# Re-pricing call by call -----------------------------------------------------------------------

prices = st.decimals(Decimal("0.001"), Decimal(20), places=9)
counts = st.integers(0, 100_000)
CHANGE = datetime(2026, 7, 1, tzinfo=UTC)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(moments, counts, counts, counts), min_size=1, max_size=8),
    st.lists(st.tuples(prices, prices, prices), min_size=2, max_size=2),
)
def test_a_move_is_the_sum_of_its_calls_repriced_one_by_one(
    calls: list[tuple[datetime, int, int, int]], eras: list[tuple[Decimal, Decimal, Decimal]]
) -> None:
    ledger = memory(
        priced(
            "1000",
            ts=ts,
            provider="dear",
            model="a/b",
            uncached_input_tokens=entry,
            cache_read_tokens=read,
            output_tokens=output,
        )
        for ts, entry, read, output in calls
    )
    cursor = ledger.cursor()
    for span, (entry, read, output) in zip(
        ({"until": "2026-07-01"}, {"since": "2026-07-01"}), eras, strict=True
    ):
        each = price_rows(
            "fair", "a/b", str(entry), str(output), cache_read_tokens=str(read), **span
        )
        insert(cursor, "prices", each)
    insert(cursor, "models", [model_row("a/b", "large")])
    exact = Fraction(0)
    for ts, entry, read, output in calls:
        prices_then = eras[ts >= CHANGE]
        parts = zip((entry, read, output), map(Fraction, prices_then), strict=True)
        exact += sum((tokens * usd for tokens, usd in parts), Fraction(0)) / 10**6
    row = one(asking(cursor)("savings", scope(*YEAR)))
    assert row["cost_after"] == Decimal(round(exact * 10**9)).scaleb(-9)
    assert row["difference"] == 1000 * len(calls) - row["cost_after"]


@settings(max_examples=20, deadline=None)
@given(ledgers, st.sampled_from(["team", "task", "size_class", "outcome"]))
def test_values_and_calls_agree(found: list[Row], dimension: str) -> None:
    ask = asked(found)
    for row in ask("values", scope(*YEAR), dimension=dimension).to_pylist():
        opened = ask("calls", scope(*YEAR, **{dimension: row["value"] or ""}))
        assert opened.num_rows == row["calls"]


def test_the_oracle_reads_rows_as_the_factories_write_them() -> None:
    row = make_row(cache_read_tokens=50)
    assert (input_of(row), flat_class(row), suitable_class(row)) == (150, "medium", "medium")
    assert suitable_class({**row, "output_tokens": 3}) == "small"
