"""The breaker's laws, over any order of events and over threads."""

from __future__ import annotations

from threading import Barrier, Thread

from factories_policies import target
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hf_ledger.ingest.doors.router.breakers import Breakers, Limits
from hf_ledger.ingest.doors.router.key import key_of

A, B = target("a"), target("b")
LIMITS = Limits(in_a_row=3, calls=6, share=0.5, pause_s=10, longest_s=40, probe_s=30)


def breakers(draw: float = 0.0) -> Breakers:
    return Breakers(lambda: draw, LIMITS)


def opened(at: float = 0.0, draw: float = 0.0) -> Breakers:
    made = breakers(draw)
    for _ in range(LIMITS.in_a_row):
        made.failed(A, at)
    return made


def test_so_many_failures_in_a_row_open_it() -> None:
    made = breakers()
    for _ in range(LIMITS.in_a_row - 1):
        made.failed(A, 0)
        assert made.admits(A, 0)
    made.failed(A, 0)
    assert made.state(A, 0) == "open" and not made.admits(A, 9.9)
    assert made.admits(B, 0) and made.shut(0) == {key_of(A): 10.0}


def test_a_success_between_them_starts_the_row_anew() -> None:
    made = breakers()
    made.failed(A, 0)
    made.failed(A, 0)
    made.succeeded(A, 0)
    made.failed(A, 0)
    made.failed(A, 0)
    assert made.state(A, 0) == "closed"


def test_too_large_a_share_of_enough_calls_opens_it() -> None:
    made = breakers()
    for _ in range(2):
        made.failed(A, 0)
        made.succeeded(A, 0)
    made.failed(A, 0)
    assert made.state(A, 0) == "closed"  # 3 of 5
    made.succeeded(A, 0)
    made.failed(A, 0)  # 3 of the last 6
    assert made.state(A, 0) == "open"


def test_after_the_pause_one_request_is_let_through() -> None:
    made = opened()
    assert made.state(A, 10) == "half_open"
    assert made.admits(A, 10) and not made.admits(A, 10)
    assert made.shut(10) == {key_of(A): 40.0}
    made.succeeded(A, 11)
    assert made.state(A, 11) == "closed" and made.admits(A, 11) and made.admits(A, 11)


def test_each_probe_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    made, now, pauses = opened(), 0.0, []
    for _ in range(4):
        until = made.shut(now)[key_of(A)]
        pauses.append(until - now)
        now = until
        assert made.admits(A, now)
        made.failed(A, now)
    assert pauses == [10, 20, 40, 40]


def test_once_it_was_closed_the_pause_is_short_again() -> None:
    made = opened()
    assert made.admits(A, 10)
    made.failed(A, 10)
    assert made.admits(A, 30)
    made.succeeded(A, 30)
    for _ in range(LIMITS.in_a_row):
        made.failed(A, 30)
    assert made.shut(30) == {key_of(A): 40.0}


def test_pauses_differ_by_chance() -> None:
    assert opened(draw=0.5).shut(0) == {key_of(A): 10 * (1 + 0.2 * 0.5)}


def test_it_opens_for_as_long_as_the_server_asked() -> None:
    made = breakers()
    made.failed(A, 0, retry_after_s=7)
    assert not made.admits(A, 6.9) and made.admits(A, 7)
    made.failed(A, 7, retry_after_s=1e9)
    assert made.shut(7) == {key_of(A): 7 + 3600}


def test_what_comes_late_neither_closes_nor_lengthens_it() -> None:
    made = opened()
    made.succeeded(A, 5)
    made.failed(A, 5)
    assert made.shut(5) == {key_of(A): 10.0}


def test_a_probe_that_is_taken_back_lets_the_next_one_through() -> None:
    made = opened()
    assert made.admits(A, 10) and not made.admits(A, 10)
    made.let_go(A)
    assert made.admits(A, 10)


def test_a_probe_of_which_nothing_is_heard_is_lost_after_a_while() -> None:
    made = opened()
    assert made.admits(A, 10) and not made.admits(A, 39.9)
    assert made.admits(A, 40)


def test_of_many_threads_one_gets_the_probe() -> None:
    for _ in range(20):
        made, start, yes = opened(), Barrier(8), []

        def ask(made: Breakers = made, start: Barrier = start, yes: list[bool] = yes) -> None:
            start.wait(10)
            yes.append(made.admits(A, 10))

        threads = [Thread(target=ask) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sum(yes) == 1


def test_targets_that_do_well_take_no_memory() -> None:
    made = breakers()
    for number in range(100):
        one = target(f"t{number}")
        made.failed(one, 0)
        for _ in range(LIMITS.calls):
            made.succeeded(one, 0)
    assert not made._breakers


class Laws(RuleBasedStateMachine):
    """Any order of asking, answering and waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.made = breakers()
        self.now = 0.0
        self.under_way = 0
        self.failures = 0  # in a row, as told

    @rule(seconds=st.floats(0.1, 60))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        before = self.made.state(A, self.now)
        yes = self.made.admits(A, self.now)
        assert not (yes and before == "open")
        assert yes or before != "closed"
        if yes and before == "half_open":
            assert not self.made.admits(A, self.now), "a second probe"
        self.under_way += yes

    @precondition(lambda self: self.under_way)
    @rule()
    def succeed(self) -> None:
        before = self.made.state(A, self.now)
        self.made.succeeded(A, self.now)
        self.under_way -= 1
        self.failures = 0
        assert self.made.state(A, self.now) == ("open" if before == "open" else "closed")

    @precondition(lambda self: self.under_way)
    @rule(asked=st.none() | st.floats(0.1, 100))
    def fail(self, asked: float | None) -> None:
        before = self.made.state(A, self.now)
        self.made.failed(A, self.now, asked)
        self.under_way -= 1
        self.failures += 1
        if asked is not None:
            assert not self.made.admits(A, self.now + asked * 0.99)
        if before == "half_open" or self.failures >= LIMITS.in_a_row:
            assert self.made.state(A, self.now) == "open"

    @precondition(lambda self: self.under_way)
    @rule()
    def take_back(self) -> None:
        self.made.let_go(A)
        self.under_way -= 1

    @invariant()
    def it_is_open_for_no_longer_than_allowed(self) -> None:
        until = self.made.shut(self.now).get(key_of(A), self.now)
        longest = max(LIMITS.longest_s * (1 + LIMITS.jitter), 100, LIMITS.probe_s)
        assert until <= self.now + longest

    @invariant()
    def others_are_left_alone(self) -> None:
        assert self.made.state(B, self.now) == "closed"


TestLaws = Laws.TestCase
TestLaws.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
