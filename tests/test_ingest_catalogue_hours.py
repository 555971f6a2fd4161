"""Billed minutes × replicas × rate, as arithmetic: replicas, gaps, rates by date, long days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Any

import pytest
from factories_calls import insert_rows, make_row
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.endpoint_hours import summed
from hf_ledger.analytics.questions import answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.catalogue.endpoints import State, keep_states
from hf_ledger.ingest.catalogue.lists import Hardware
from hf_ledger.ingest.catalogue.refreshing import keep_hardware
from hf_ledger.ingest.ledger.ledger import Ledger

TEN = datetime(2026, 11, 2, 10, tzinfo=UTC)
HOST = "abc.us-east-1.aws.endpoints.huggingface.cloud"
RATE = Decimal("0.8")
NANO = Decimal("1e-9")


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory(reference=True) as opened:
        yield opened


def state(minute: float, name: str, ready: int | None = 1, **given_: Any) -> State:
    usual = {"endpoint": "e", "usd_per_hour": RATE, "host": HOST}
    moment = TEN + timedelta(minutes=minute)
    return State(**{"seen_at": moment, "state": name, "ready_replicas": ready, **usual, **given_})


def table(ledger: Ledger) -> list[dict[str, Any]]:
    found = ledger.cursor().execute("from endpoint_hours order by endpoint, hour")
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def column(ledger: Ledger, name: str) -> list[Any]:
    return [row[name] for row in table(ledger)]


def asked(ledger: Ledger, since: datetime, days: float, zone: str = "UTC") -> list[dict[str, Any]]:
    scope = Scope(since, since + timedelta(days=days), zone)
    rows: list[dict[str, Any]] = answer(ledger.cursor(), "endpoint_hours", scope).to_pylist()
    return rows


def test_two_replicas_for_a_part_of_an_hour(ledger: Ledger) -> None:
    """One replica 20 minutes, two for 25, none for 15."""
    states = [state(0, "running"), state(20, "running", 2), state(45, "scaledToZero", 0)]
    keep_states(ledger, [*states, state(60, "running")], "test", None)
    (row,) = table(ledger)
    assert (row["billed_minutes"], row["replica_minutes"]) == (20 + 25, 20 + 2 * 25)
    assert row["cost"] == ((20 + 2 * 25) * RATE / 60).quantize(NANO, ROUND_HALF_EVEN)


def test_initializing_is_billed_for_the_replicas_that_are_wanted(ledger: Ledger) -> None:
    states = [state(0, "initializing", 0, target_replicas=2), state(10, "running", 2)]
    keep_states(ledger, [*states, state(30, "paused", 0)], "test", None)
    assert column(ledger, "replica_minutes") == [2 * 10 + 2 * 20]
    assert column(ledger, "cost") == [(2 * 30 * RATE / 60)]


def test_each_time_it_wakes_up_the_warm_up_is_billed_again(ledger: Ledger) -> None:
    """Three naps in three hours: 5 minutes warm-up and 10 running in each."""
    states = []
    for hour in range(3):
        states.append(state(60 * hour, "initializing", 0, target_replicas=1))
        states.append(state(60 * hour + 5, "running"))
        states.append(state(60 * hour + 15, "scaledToZero", 0))
    keep_states(ledger, [*states, state(180, "scaledToZero", 0)], "test", None)
    assert column(ledger, "billed_minutes") == [15, 15, 15]
    assert column(ledger, "cost") == [15 * RATE / 60] * 3


def test_a_zero_hour_costs_nothing_where_the_rate_is_unknown(ledger: Ledger) -> None:
    """Nothing runs, so no rate is needed; 0 is known here, and unpriced minutes are none."""
    keep_states(
        ledger,
        [state(0, "scaledToZero", 0, usd_per_hour=None), state(60, "paused", 0)],
        "test",
        None,
    )
    (row,) = table(ledger)
    assert (row["cost"], row["unpriced_minutes"]) == (0, 0)


def test_an_unknown_machine_costs_null_whatever_else_is_known(ledger: Ledger) -> None:
    unknown = {"usd_per_hour": None, "vendor": "aws", "instance_type": "z9", "instance_size": "x1"}
    keep_states(ledger, [state(0, "running", 2, **unknown), state(60, "paused", 0)], "test", None)
    (row,) = table(ledger)
    assert (row["cost"], row["unpriced_minutes"], row["replica_minutes"]) == (None, 120, 120)
    whole = summed(asked(ledger, TEN, 1))
    assert (whole.cost, whole.unpriced_minutes, whole.idle_cost) == (None, 120, None)
    assert "No rate is known for 2.0 hours; not in it." in whole.words()


def test_an_hour_partly_unpriced_keeps_the_cost_of_the_rest(ledger: Ledger) -> None:
    states = [state(0, "running", usd_per_hour=None), state(15, "running"), state(60, "paused", 0)]
    keep_states(ledger, states, "test", None)
    (row,) = table(ledger)
    assert (row["cost"], row["unpriced_minutes"]) == (45 * RATE / 60, 15)


def test_gaps_are_neither_billed_nor_free(ledger: Ledger) -> None:
    """Looks at 0, 5 and 180 minutes, each trusted for 15."""
    looks = [state(0, "running"), state(5, "running"), state(180, "running")]
    keep_states(ledger, looks, "poll", 15)
    assert column(ledger, "billed_minutes") == [20, 0, 0]
    assert column(ledger, "gap_minutes") == [40, 60, 60]
    assert column(ledger, "cost") == [(20 * RATE / 60).quantize(NANO), None, None]


def test_half_of_the_last_place_goes_to_the_even(ledger: Ledger) -> None:
    """30 minutes of 1, 3, 5 and 7 nano-dollars an hour: 0.5, 1.5, 2.5 and 3.5 of them."""
    for nano in (1, 3, 5, 7):
        given_: dict[str, Any] = {"endpoint": f"e{nano}", "usd_per_hour": nano * NANO}
        keep_states(
            ledger,
            [state(0, "running", **given_), state(30, "paused", 0, **given_)],
            "test",
            None,
        )
    assert column(ledger, "cost") == [0 * NANO, 2 * NANO, 2 * NANO, 4 * NANO]


def test_the_rate_is_the_one_of_the_hour(ledger: Ledger) -> None:
    """The table's price rises at 12:00: two hours before at $1, two hours after at $1.30."""
    on: dict[str, Any] = {
        "usd_per_hour": None,
        "vendor": "aws",
        "instance_type": "q1",
        "instance_size": "x1",
    }

    def machine(usd: str, hour: int) -> None:
        found = [Hardware("aws", "gpu", "q1", "x1", Decimal(usd))]
        keep_hardware(ledger, found, "api.test", "", TEN.replace(hour=hour))

    machine("1", 9)
    machine("1.30", 12)
    keep_states(ledger, [state(0, "running", **on), state(240, "paused", 0, **on)], "test", None)
    assert column(ledger, "cost") == [1, 1, Decimal("1.3"), Decimal("1.3")]


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2026, 10, 25), 25), (datetime(2026, 3, 29), 23), (datetime(2026, 11, 2), 24)],  # noqa: DTZ001
)
def test_a_day_of_berlin_has_the_hours_it_has(ledger: Ledger, day: datetime, hours: int) -> None:
    """Always on for three days: the day in the middle is billed as long as it was."""
    noon = day.replace(hour=12, tzinfo=UTC)
    states = [
        state(0, "running", seen_at=noon - timedelta(days=1)),
        state(0, "paused", 0, seen_at=noon + timedelta(days=1)),
    ]
    keep_states(ledger, states, "test", None)
    rows = asked(ledger, noon - timedelta(days=2), 4, "Europe/Berlin")
    (row,) = [each for each in rows if each["day"] == day.date()]
    assert (row["billed_minutes"], row["cost"]) == (60 * hours, hours * RATE)


def test_endpoints_are_billed_apart_and_summed_together(ledger: Ledger) -> None:
    for name, ready in (("a", 1), ("b", 3)):
        looks = [state(0, "running", ready, endpoint=name), state(60, "paused", 0, endpoint=name)]
        keep_states(ledger, looks, "test", None)
    rows = asked(ledger, TEN, 1)
    assert [(row["endpoint"], row["cost"]) for row in rows] == [("a", RATE), ("b", 3 * RATE)]
    whole = summed(rows)
    assert (whole.endpoints, whole.cost) == (2, 4 * RATE)


def test_busy_and_idle_are_the_whole_hour(ledger: Ledger) -> None:
    """A call across the hour's end touches 2 minutes of the first hour and 2 of the second."""
    keep_states(ledger, [state(0, "running"), state(120, "paused", 0)], "test", None)
    call = {"host_kind": "endpoint", "endpoint": HOST, "cost_basis": "endpoint_hours"}
    insert_rows(ledger, [make_row(ts=TEN + timedelta(minutes=58), latency_ms=200_000.0, **call)])
    (row,) = asked(ledger, TEN, 1)
    assert (row["billed_minutes"], row["idle_minutes"]) == (120, 58 + 58)
    each = (RATE * 58 / 60).quantize(NANO, ROUND_HALF_EVEN)
    assert (row["cost"], row["idle_cost"]) == (2 * RATE, 2 * each)


def test_two_calls_at_once_take_no_idle_minute_twice(ledger: Ledger) -> None:
    keep_states(ledger, [state(0, "running"), state(60, "paused", 0)], "test", None)
    call = {"host_kind": "endpoint", "endpoint": HOST, "cost_basis": "endpoint_hours"}
    insert_rows(ledger, [make_row(ts=TEN, latency_ms=100.0, **call) for _ in range(5)])
    (row,) = asked(ledger, TEN, 1)
    assert (row["calls"], row["idle_minutes"]) == (5, 59)


ALL = st.sampled_from(["running", "initializing", "paused", "updating", "scaledToZero", "failed"])
looks = st.lists(
    st.tuples(st.integers(0, 300), ALL, st.integers(0, 3)), min_size=2, max_size=8,
    unique_by=lambda each: each[0],
)  # fmt: skip


def replicas(name: str, ready: int) -> int | None:
    if name == "updating":
        return None
    return {"running": ready, "initializing": max(1, ready)}.get(name, 0)


def by_minute(found: list[tuple[int, str, int]]) -> dict[int, list[int | None]]:
    """The plain reckoning: minute after minute, what ran in it; by hour."""
    counted: dict[int, list[int | None]] = {}
    for (start, name, ready), (end, *_) in pairwise(found):
        for minute in range(start, end):
            counted.setdefault(minute // 60, []).append(replicas(name, ready))
    return counted


@settings(max_examples=15, deadline=None, phases=[Phase.generate])
@given(looks, st.integers(1, 10**10))
def test_as_if_counted_minute_by_minute(found: list[tuple[int, str, int]], nano: int) -> None:
    rate = nano * NANO
    ordered = sorted(found)
    with Ledger.memory() as ledger:
        states = [state(*each, usd_per_hour=rate) for each in ordered]
        keep_states(ledger, states, "test", None)
        rows = table(ledger)
    expected = by_minute(ordered)
    assert len(rows) == len(expected)
    for row, minutes in zip(rows, (expected[hour] for hour in sorted(expected)), strict=True):
        ran = [count for count in minutes if count is not None]
        assert row["gap_minutes"] == len(minutes) - len(ran)
        assert row["billed_minutes"] == sum(count > 0 for count in ran)
        assert row["replica_minutes"] == sum(ran)
        cost = (sum(ran) * rate / 60).quantize(NANO, ROUND_HALF_EVEN) if ran else None
        assert row["cost"] == cost
