"""The sliding window: it forgets exactly, merging is observing together, quantiles are near."""

from __future__ import annotations

import math
from threading import Thread
from typing import Any, get_args

import pytest
from factories_policies import NOON, Clock, call_to, target
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import ErrorKind
from hf_ledger.ingest.doors.router.key import Key, key_of, key_of_call
from hf_ledger.ingest.doors.router.metrics import MOST_KEYS, SLICE_S, WINDOW_S, Metrics
from hf_ledger.ingest.doors.router.ranked import Health
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.window import (
    ITS_OWN,
    LAST_BIN,
    Counts,
    bin_of,
    counts_of,
    merged,
    quantile,
)

A = target("a")
SLICES = WINDOW_S // SLICE_S

events = st.lists(
    st.tuples(
        st.floats(0, 3 * WINDOW_S, allow_nan=False),  # when, after noon
        st.booleans(),
        st.floats(0.1, 60_000, allow_nan=False),
    ),
    max_size=40,
)


def observed(metrics: Metrics, ended: float, ok: bool = True, **changes: Any) -> None:
    if not ok:
        changes = {"outcome": "error", "error_kind": "server_error", "status": 500, **changes}
    metrics.observe(call_to(A, ended, **changes))


@settings(deadline=None)
@given(events, st.floats(0, 4 * WINDOW_S, allow_nan=False))
def test_the_window_forgets_exactly(happened: list[tuple[float, bool, float]], at: float) -> None:
    clock = Clock()
    metrics = Metrics(clock)
    happened = sorted(each for each in happened if each[0] <= at)
    for after, ok, ms in happened:
        clock.now = NOON + after
        observed(metrics, clock.now, ok, latency_ms=ms)
    clock.now = NOON + at
    now = int(clock.now // SLICE_S)
    calls = [call_to(A, NOON + after, latency_ms=ms) for after, _, ms in happened]
    inside = [metrics.piece_of(call) > now - SLICES for call in calls]
    health = metrics.health(A)
    assert health.calls == sum(inside)
    good = sum(kept and ok for kept, (_, ok, _) in zip(inside, happened, strict=True))
    assert health.success == (good / sum(inside) if any(inside) else None)


def test_what_came_late_counts_where_it_ended() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    observed(metrics, NOON - WINDOW_S + SLICE_S)
    observed(metrics, NOON - WINDOW_S)
    assert metrics.health(A).calls == 1
    clock.now += SLICE_S
    assert metrics.health(A) == Health()


def test_a_clock_that_is_set_forgets_and_keeps_nothing_longer() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    observed(metrics, NOON)
    clock.now = NOON - 3600
    assert metrics.health(A).calls == 0
    observed(metrics, clock.now)
    clock.now = NOON + 3600
    assert metrics.health(A).calls == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6), st.none() | st.floats(0, 1e6))))
def test_merging_is_observing_together(seen: list[tuple[bool, float, float | None]]) -> None:
    calls = [
        call_to(A, latency_ms=ms, ttft_ms=first, outcome="ok" if ok else "interrupted")
        for ok, ms, first in seen
    ]
    parts = [counts for call in calls if (counts := counts_of(call))]
    middle = len(parts) // 2
    halves = merged(*parts[:middle]), merged(*parts[middle:])
    assert merged(*halves) == merged(*parts)
    total = merged(*parts)
    total.add(halves[1], -1)
    assert total == halves[0]


@settings(deadline=None)
@given(
    st.lists(st.floats(1, 1e9, allow_nan=False), min_size=1),
    st.floats(0.01, 1, allow_nan=False),
)
def test_a_quantile_is_within_a_bin_of_the_exact_one(values: list[float], share: float) -> None:
    bins: dict[int, int] = {}
    for each in values:
        found = bin_of(each)
        assert found is not None
        bins[found] = bins.get(found, 0) + 1
    exact = sorted(values)[max(1, math.ceil(len(values) * share)) - 1]
    said = quantile(bins, share)
    assert said is not None
    assert exact / 1.05 < said < exact * 1.05


def test_bins_are_the_ledgers() -> None:
    assert [bin_of(ms) for ms in (0, 0.5, 1, 1.04, 1.06, 640)] == [0, 0, 0, 0, 1, 132]
    assert bin_of(640) == math.floor(math.log(640) / math.log(1.05))
    assert bin_of(None) is None and bin_of(-1) is None and bin_of(math.nan) is None
    assert bin_of(1e300) == LAST_BIN


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_only_what_is_the_targets_to_answer_counts_against_it(kind: ErrorKind) -> None:
    counts = counts_of(call_to(A, outcome="error", error_kind=kind))
    assert counts == (Counts(failed=1) if kind in ITS_OWN else None)


def test_the_callers_mistakes_are_not_the_targets() -> None:
    assert ITS_OWN.isdisjoint({"bad_request", "auth", "quota", "not_found", "other"})
    for outcome in ("cancelled", "refused", "lost"):
        assert counts_of(call_to(A, outcome=outcome)) is None


def test_an_answer_from_a_cache_says_nothing_of_speed() -> None:
    assert counts_of(call_to(A, cached_reply=True)) == Counts(ok=1)


def test_health_has_the_figures() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    for ms in (100, 200, 300, 400, 10_000):
        observed(metrics, NOON, latency_ms=ms, ttft_ms=ms / 10)
    observed(metrics, NOON, ok=False)
    health = metrics.health(A)
    assert (health.calls, health.success) == (6, 5 / 6)
    assert health.latency_ms == pytest.approx(300, rel=0.05)
    assert health.latency_p95_ms == pytest.approx(10_000, rel=0.05)
    assert health.ttft_ms == pytest.approx(30, rel=0.05)


# -- keys ------------------------------------------------------------------------------------------

OWN = Target(name="vllm", kind="self_hosted", url="http://Box:8000/v1", model="Maker/Model")


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (A, Key("router", "a", "maker/model", "")),
        (OWN, Key("self_hosted", "", "maker/model", "box:8000")),
        (target("x", provider=None), Key("router", ":auto", "maker/model", "")),
        (
            target("x", provider=None, routing="cheapest"),
            Key("router", ":cheapest", "maker/model", ""),
        ),
    ],
)
def test_a_target_and_its_calls_have_one_key(place: Target, key: Key) -> None:
    assert key_of(place) == key
    call = call_to(place, endpoint="Box:8000" if place is OWN else None)
    if place.provider is None and place is not OWN:
        call.routing = place.routing if place.routing != "explicit" else "auto"
        call.provider = "together"  # who it was is known from the answer
    assert key_of_call(call) == key


def test_places_do_not_share_what_is_observed() -> None:
    metrics = Metrics(Clock())
    observed(metrics, NOON)
    assert metrics.health(A).calls == 1
    assert metrics.health(target("b")).calls == 0
    assert metrics.health(target("a", model="maker/other")).calls == 0


# -- limits of memory, and threads -----------------------------------------------------------------


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_KEYS == 10_000
    monkeypatch.setattr("hf_ledger.ingest.doors.router.metrics.MOST_KEYS", 5)
    metrics = Metrics(Clock())
    for number in range(50):
        metrics.observe(call_to(target(f"t{number}")))
    assert len(metrics._windows) == 5
    assert metrics.health(target("t49")).calls == 1


def test_what_is_empty_takes_no_memory() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    observed(metrics, NOON)
    clock.now += WINDOW_S + SLICE_S
    metrics.health(A)
    assert not metrics._windows


def test_threads_lose_nothing() -> None:
    metrics = Metrics(Clock())
    threads = [
        Thread(target=lambda: [observed(metrics, NOON) for _ in range(200)]) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert metrics.health(A).calls == 800


# -- under way -------------------------------------------------------------------------------------


def test_what_is_under_way_is_seen_at_once() -> None:
    metrics = Metrics(Clock())
    one = target("a", most_at_once=2)
    metrics.sent(one, 0)
    assert metrics.health(one).under_way == 1 and metrics.full(one, 0) is None
    metrics.sent(one, 0)
    assert metrics.full(one, 0) == "2 under way, and 2 at once allowed"
    metrics.done(one)
    assert metrics.full(one, 0) is None
    metrics.done(one)
    metrics.done(one)  # once too often changes nothing
    assert metrics.health(one).under_way == 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 300, allow_nan=False), max_size=30).map(sorted), st.integers(1, 5))
def test_no_minute_has_more_requests_than_are_allowed(times: list[float], most: int) -> None:
    metrics = Metrics(Clock())
    limited = target("a", requests_per_minute=most)
    sent = []
    for now in times:
        if metrics.full(limited, now) is None:
            metrics.sent(limited, now)
            metrics.done(limited)
            sent.append(now)
        else:
            assert sum(now - 60 < each for each in sent) >= most
    for first in sent:
        assert sum(first <= each < first + 60 for each in sent) <= most
