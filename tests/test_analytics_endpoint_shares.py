"""A call's share of its endpoint's hours: shares and idle make the cost, to the nano-dollar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_calls import insert_rows, make_row
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.questions import answer
from hf_ledger.analytics.scope import Scope
from hf_ledger.cli import main
from hf_ledger.dashboard import calldrawer, calltable
from hf_ledger.ingest.catalogue.endpoints import State, keep_states
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

TEN = datetime(2026, 11, 2, 10, tzinfo=UTC)
HOST = "abc.us-east-1.aws.endpoints.huggingface.cloud"
DAY = Scope(TEN.replace(hour=0), TEN.replace(hour=0) + timedelta(days=1))


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory() as opened:
        yield opened


def run(ledger: Ledger, minutes: int = 60, rate: str = "0.8", **more: Any) -> None:
    """An endpoint that runs from ten o'clock on, and is paused then."""
    shared = {"endpoint": "e", "host": HOST, "usd_per_hour": Decimal(rate), **more}
    states = [("running", 1, 0), ("paused", 0, minutes)]
    keep_states(
        ledger,
        [
            State(state=s, ready_replicas=n, seen_at=TEN + m * MINUTE, **shared)
            for s, n, m in states
        ],
        f"test of {shared['endpoint']}",
        None,
    )


MINUTE = timedelta(minutes=1)


def call(minute: float, ms: float | None = 1_000.0, **more: Any) -> dict[str, Any]:
    usual = {
        "ts": TEN + minute * MINUTE, "latency_ms": ms, "host_kind": "endpoint", "endpoint": HOST,
        "cost_basis": "endpoint_hours",
    }  # fmt: skip
    return make_row(**{**usual, **more})


def asked(ledger: Ledger, question: str = "calls", scope: Scope = DAY, **params: Any) -> list[Any]:
    rows: list[Any] = answer(ledger.cursor(), question, scope, params).to_pylist()
    return rows


def shares(ledger: Ledger, **params: Any) -> list[Decimal | None]:
    rows = asked(ledger, **{"order": "ts", "descending": False, **params})
    return [row["allocated_cost"] for row in rows]


def test_the_busy_part_is_divided_by_the_time_under_way(ledger: Ledger) -> None:
    """One minute of sixty was busy: 0.8 / 60, a quarter of it and three quarters."""
    run(ledger, rate="0.6")
    insert_rows(ledger, [call(5, 1_000), call(5.1, 3_000)])
    (hours,) = asked(ledger, "endpoint_hours")
    assert hours["cost"] - hours["idle_cost"] == Decimal("0.01")
    first, second = shares(ledger)
    assert first is not None and second is not None
    # A call touches one µs beyond its latency, so that one of 0 ms has a share as well.
    assert round(first, 6) == Decimal("0.0025") and round(second, 6) == Decimal("0.0075")
    assert first + second == Decimal("0.01")


def test_a_call_over_the_hour_has_a_part_of_both(ledger: Ledger) -> None:
    run(ledger, minutes=120)
    insert_rows(ledger, [call(59.5, 60_000)])
    (hours,) = asked(ledger, "endpoint_hours")
    assert shares(ledger) == [hours["cost"] - hours["idle_cost"]]
    assert hours["idle_minutes"] == 118


def test_a_page_shows_the_same_shares_as_the_whole(ledger: Ledger) -> None:
    """Calls beside the page, and those that another filter hides, keep their part."""
    run(ledger)
    insert_rows(ledger, [call(5), call(5), call(7), call(20, 200, team="other")])
    every = shares(ledger)
    assert [shares(ledger, limit=1, offset=place)[0] for place in range(4)] == every
    narrow = Scope(DAY.since, DAY.until, where={"team": ("other",)})
    assert asked(ledger, scope=narrow)[0]["allocated_cost"] == every[3]


@pytest.mark.parametrize(
    ("states", "found"),
    [
        ({"host": None}, call(5)),
        ({"usd_per_hour": None}, call(5)),
        ({}, call(70)),
        ({}, call(59.9, 60_000)),
        ({}, call(5, host_kind="router")),
        ({}, call(5, origin="practice")),
    ],
    ids=["address unknown", "no rate", "nobody looked", "half unknown", "router", "practice"],
)
def test_where_the_hours_are_unknown_so_is_the_share(
    ledger: Ledger, states: dict[str, Any], found: dict[str, Any]
) -> None:
    run(ledger, **states)
    insert_rows(ledger, [found])
    scope = Scope(DAY.since, DAY.until, origins=("live", "practice"))
    assert [row["allocated_cost"] for row in asked(ledger, scope=scope)] == [None]


def test_a_failed_call_and_one_of_unknown_latency_have_a_share(ledger: Ledger) -> None:
    run(ledger)
    insert_rows(ledger, [call(5, None), call(5, 0.0, outcome="error", status=500)])
    assert all(share and share > 0 for share in shares(ledger))


def test_a_refused_call_made_no_endpoint_busy(ledger: Ledger) -> None:
    run(ledger)
    insert_rows(ledger, [call(5), call(30, 1.0, outcome="refused", cost_basis="free")])
    (hours,) = asked(ledger, "endpoint_hours")
    assert (hours["calls"], hours["idle_minutes"]) == (1, 59)
    assert shares(ledger) == [hours["cost"] - hours["idle_cost"], None]


def test_hours_that_come_late_give_their_calls_a_share(ledger: Ledger) -> None:
    insert_rows(ledger, [call(5)])
    assert shares(ledger) == [None]
    run(ledger)
    (hours,) = asked(ledger, "endpoint_hours")
    assert shares(ledger) == [hours["cost"] - hours["idle_cost"]]


def test_no_total_has_a_share_in_it(ledger: Ledger) -> None:
    run(ledger)
    insert_rows(ledger, [call(5), call(6)])
    (totals,) = asked(ledger, "totals")
    assert (totals["cost"], totals["endpoint_calls"]) == (None, 2)
    assert asked(ledger, "spend", by=["provider"])[0]["cost"] is None


calls = st.lists(
    st.tuples(
        st.floats(0, 180),
        st.one_of(st.none(), st.floats(0, 5_000_000)),
        st.sampled_from([HOST, "other.host"]),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(calls, st.decimals("0.000000001", "90", places=9), st.integers(1, 180))
def test_shares_and_idle_time_make_the_cost_of_the_hours(
    found: Sequence[tuple[float, float | None, str]], rate: Decimal, minutes: int
) -> None:
    """All calls lie within hours that are known; two endpoints keep theirs apart."""
    last = -(-minutes // 60) * 60
    with Ledger.memory() as ledger:
        run(ledger, last, str(rate))
        run(ledger, last, str(rate), endpoint="f", host="other.host")
        inside = [each for each in found if end(each) < last]
        insert_rows(ledger, [call(at, ms, endpoint=host) for at, ms, host in inside])
        given_ = shares(ledger)
        assert all(share is not None and share >= 0 for share in given_)
        hours = asked(ledger, "endpoint_hours")
        idle = sum(row["idle_cost"] for row in hours)
        assert sum(share or 0 for share in given_) + idle == sum(row["cost"] for row in hours)


def end(each: tuple[float, float | None, str]) -> float:
    """The last minute a call touches."""
    at, ms, _ = each
    return at + (1 if ms is None else min(ms, 3_600_000)) / 60_000 + 0.001


def test_the_table_and_the_drawer_say_that_it_is_allocated(ledger: Ledger) -> None:
    run(ledger, rate="0.6")
    insert_rows(ledger, [call(5)])
    (row,) = asked(ledger)
    assert calltable.cost(row) == "$0.01 allocated"
    (one,) = asked(ledger, "call", call_id=row["call_id"])
    assert one["allocated_cost"] == row["allocated_cost"]
    lines = calldrawer.priced(one)
    assert "Allocated: $0.010000000, its share" in lines[1] and "in no total" in lines[1]


def test_the_command_marks_it_too(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    with Ledger.open(places) as ledger:
        run(ledger, rate="0.6")
        insert_rows(ledger, [call(5)])
    period = ["--since", "2026-11-02", "--until", "2026-11-03"]
    assert main(["calls", *period, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["cost"], row["allocated_cost"]) == (None, "0.010000000")
    assert main(["calls", *period]) == 0
    said = capsys.readouterr().out
    assert "allocated cost" in said and "in no total of calls" in said
