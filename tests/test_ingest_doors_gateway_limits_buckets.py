"""Token buckets: over any window never more than the capacity and what was gained meanwhile."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from fractions import Fraction

import pytest
from factories_limits import SECOND, Clock, purses
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.doors.gateway.limits.buckets import TOKEN, Tank, limit_headers
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.places import Places


class Bucket:
    """A tank beside a clock, as its owner uses it: filled up to now, then taken from."""

    def __init__(self, capacity: int, per_second: float, clock: Clock) -> None:
        self.clock = clock
        self.tank = Tank(capacity, per_second, clock(), capacity * TOKEN)

    def take(self, n: int = 1) -> float:
        self.tank.fill(self.clock())
        return self.tank.take(n) / SECOND


steps = st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 4)), min_size=1, max_size=60)


def admits_too_many(moments: Sequence[tuple[int, int]], capacity: int, rate: Fraction) -> bool:
    """Whether some window of (ns, tokens) breaks the law, by looking at every one."""
    for first, (since, _) in enumerate(moments):
        taken = 0
        for until, n in moments[first:]:
            taken += n
            if taken > capacity + rate * Fraction(until - since, SECOND):
                return True
    return False


@given(st.integers(1, 20), st.sampled_from([0.000001, 0.1, 1 / 3, 1.0, 2.5, 10.0, 1000.0]), steps)
def test_no_window_has_more_than_the_law_allows(
    capacity: int, per_second: float, waits: list[tuple[int, int]]
) -> None:
    clock, taken = Clock(), []
    bucket = Bucket(capacity, per_second, clock)
    for wait, n in waits:
        clock.ns += wait
        if bucket.take(n) == 0:
            taken.append((clock.ns, n))
    rate = Fraction(round(per_second * 10**6), 10**6)
    assert not admits_too_many(taken, capacity, rate)


@given(st.integers(1, 20), st.sampled_from([0.1, 1 / 3, 2.5, 10.0]), st.integers(1, 20))
def test_the_wait_it_names_is_exact_to_a_nanosecond(
    capacity: int, per_second: float, n: int
) -> None:
    clock = Clock()
    bucket = Bucket(capacity, per_second, clock)
    for _ in range(capacity):
        assert bucket.take() == 0
    wait = bucket.take(n)
    if n > capacity:
        assert wait == math.inf
        return
    clock.ns += round(wait * SECOND) - 1
    assert bucket.take(n) > 0
    clock.ns += 1
    assert bucket.take(n) == 0


def test_a_bucket_is_full_again_and_no_fuller() -> None:
    clock = Clock()
    bucket = Bucket(3, 1.0, clock)
    assert [bucket.take(3), bucket.take()] == [0, 1.0]
    clock.pass_(3600)
    assert [bucket.take(3), bucket.take()] == [0, 1.0]


def test_many_small_steps_gain_as_much_as_one_large() -> None:
    small, large = Tank(10, 1 / 3, 0, 0), Tank(10, 1 / 3, 0, 0)
    for now in range(0, 7 * SECOND, 9_999_991):
        small.fill(now)
    small.fill(7 * SECOND)
    large.fill(7 * SECOND)
    assert small.units == large.units == 7 * SECOND * 333_333  # 2.333331 tokens
    assert small.units // TOKEN == 2


def test_a_clock_that_stands_still_or_steps_back_brings_nothing() -> None:
    tank = Tank(5, 1000.0, 100, 0)
    tank.fill(100)
    tank.fill(50)
    assert tank.units == 0


def test_a_rate_of_zero_never_refills() -> None:
    bucket = Bucket(1, 0.0, Clock())
    assert [bucket.take(), bucket.take()] == [0, math.inf]


def test_threads_and_tasks_together_take_no_more_than_there_is(places: Places) -> None:
    """Four threads, each with a loop and a purse of its own, five tasks each, at one bank."""
    taken: list[int] = []
    begun = time.monotonic_ns()

    async def task(purse: Purse) -> None:
        while time.monotonic_ns() - begun < SECOND // 2:
            with suppress(Refused):
                wait = purse.draw("user:ann", "model", 50, 200.0)
                if wait is not None:
                    await wait
                taken.append(time.monotonic_ns())
            await asyncio.sleep(0)

    async def tasks(bank: Bank) -> None:
        async with purses(bank) as [purse]:
            await asyncio.gather(*(task(purse) for _ in range(5)))

    with closing(Bank(places)) as bank:
        threads = [threading.Thread(target=lambda: asyncio.run(tasks(bank))) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    passed = Fraction(time.monotonic_ns() - begun, SECOND)
    assert 25 < len(taken) <= 50 + 200 * passed


@pytest.mark.parametrize(("left", "reset"), [(100, 0), (99, 1), (90, 1), (89, 2), (0, 10)])
def test_headers_are_in_hugging_faces_form(left: int, reset: int) -> None:
    assert limit_headers(100, 10.0, left) == {
        "ratelimit": f'"api";r={left};t={reset}',
        "ratelimit-policy": '"fixed window";"api";q=100;w=10',
    }
