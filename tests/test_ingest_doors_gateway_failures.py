"""Failed attempts of an address: ten at once, then one every six seconds, in bounded memory."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.failures import (
    AT_ONCE,
    EVERY_SECONDS,
    MOST_ADDRESSES,
    Failures,
    counted_as,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ten_at_once_then_one_every_six_seconds() -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    assert [failures.count("192.0.2.1") for _ in range(AT_ONCE)] == [0.0] * 10
    assert failures.count("192.0.2.1") == pytest.approx(EVERY_SECONDS)
    clock.now += 5.9
    assert failures.count("192.0.2.1") == pytest.approx(0.1)
    clock.now += 0.2
    assert failures.count("192.0.2.1") == 0
    assert failures.count("192.0.2.1") > 0


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    for _ in range(AT_ONCE):
        failures.count("192.0.2.1")
    for _ in range(5):
        wait = failures.count("192.0.2.1")
        assert wait == pytest.approx(EVERY_SECONDS)
        clock.now += wait
        assert failures.count("192.0.2.1") == 0


@given(pauses=st.lists(st.integers(0, 30), max_size=60))
def test_it_is_a_bucket_of_tokens(pauses: list[int]) -> None:
    """The same as counting tokens in whole seconds, at whatever times the failures come."""
    clock = Clock()
    failures = Failures(clock=clock)
    tokens = float(AT_ONCE)
    for pause in pauses:
        clock.now += pause
        tokens = min(AT_ONCE, tokens + pause / EVERY_SECONDS)
        let_pass = failures.count("a") == 0
        assert let_pass == (tokens >= 1 - 1e-9)
        tokens -= 1 if let_pass else 0


@given(
    times=st.lists(st.floats(0, 3), max_size=200),
    addresses=st.lists(st.integers(0, 3), min_size=200, max_size=200),
)
def test_no_address_has_more_than_its_bucket(times: list[float], addresses: list[int]) -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    passed = dict.fromkeys(range(4), 0)
    for pause, address in zip(times, addresses, strict=False):
        clock.now += pause
        passed[address] += failures.count(f"192.0.2.{address}") == 0
    most = AT_ONCE + (clock.now - 1000.0) / EVERY_SECONDS
    assert all(count <= most + 1e-6 for count in passed.values())


def test_addresses_do_not_count_for_each_other() -> None:
    failures = Failures(clock=Clock())
    for _ in range(AT_ONCE + 1):
        failures.count("192.0.2.1")
    assert failures.count("192.0.2.2") == 0


def test_memory_is_bounded_and_forgets_who_failed_longest_ago() -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    for _ in range(AT_ONCE + 1):
        failures.count("192.0.2.1")
    for number in range(3 * MOST_ADDRESSES):
        failures.count(f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}")
        if number % 1000 == 0:  # it goes on trying
            assert failures.count("192.0.2.1") > 0
        assert len(failures) <= MOST_ADDRESSES


@given(
    network=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**64 - 1),
    other=st.integers(0, 2**64 - 1),
)
def test_addresses_of_one_64_are_one(network: int, first: int, other: int) -> None:
    one, two = (str(IPv6Address((network << 64) + host)) for host in (first, other))
    if IPv6Address(one).ipv4_mapped is None and IPv6Address(two).ipv4_mapped is None:
        assert counted_as(one) == counted_as(two)
    assert counted_as(one) != counted_as(str(IPv6Address(((network ^ 1) << 64) + first)))


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
        ("2001:DB8::1", "2001:db8:0:0:ffff::"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_one_address_has_many_spellings(address: str, same: str) -> None:
    assert counted_as(address) == counted_as(same)
