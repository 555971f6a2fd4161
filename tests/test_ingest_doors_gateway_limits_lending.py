"""Lent tokens: the law of one bucket holds over every gateway together, whatever is lost."""

from __future__ import annotations

from fractions import Fraction

from factories_limits import SECOND
from hypothesis import given
from hypothesis import strategies as st
from test_ingest_doors_gateway_limits_buckets import admits_too_many

from hf_ledger.ingest.doors.gateway.limits.buckets import TOKEN, Tank
from hf_ledger.ingest.doors.gateway.limits.exchanging import Drawn, Lent
from hf_ledger.ingest.doors.gateway.limits.holdings import Tokens
from hf_ledger.ingest.doors.gateway.limits.lending import MOST_BUCKETS, Lender, LendingBucket

EXPIRY = 10 * SECOND
CAPACITY, PER_SECOND = 8, 3.0
GATEWAYS = ("one", "two", "three")

acts = st.lists(
    st.tuples(
        st.integers(0, SECOND),
        st.sampled_from(GATEWAYS),
        st.sampled_from(["take", "take", "exchange", "exchange", "answer lost"]),
        st.integers(0, 4),
    ),
    max_size=80,
)


def new_lender(*earlier: str, fresh: bool = True) -> Lender:
    return Lender(0, earlier, fresh=fresh, expiry_ns=EXPIRY)


def drawn(**changes: int) -> Drawn:
    return Drawn("user:ann", "m", CAPACITY, PER_SECOND, **changes)


def lent(lender: Lender, gateway: str, now: int, **changes: int) -> Lent:
    (found,) = lender.lend(gateway, [drawn(**changes)], now, 1)
    return found


@given(acts)
def test_all_gateways_together_keep_the_law(steps: list[tuple[int, str, str, int]]) -> None:
    lender, now, taken = new_lender(), 0, []
    tokens = {name: Tokens("user:ann", "m", CAPACITY, PER_SECOND) for name in GATEWAYS}
    for wait, gateway, act, number in steps:
        now += wait
        own = tokens[gateway]
        if act == "take":
            taken += [(now, 1)] * sum(own.take() for _ in range(number))
            continue
        own.waiting = number
        said = own.say()
        (answer,) = lender.lend(gateway, [said], now, len(GATEWAYS))
        if act == "exchange":
            own.hear(said, answer, now)
        bucket = lender._buckets["user:ann", "m"]
        assert bucket.tank.units + bucket.lent * TOKEN <= CAPACITY * TOKEN
    assert not admits_too_many(taken, CAPACITY, Fraction(PER_SECOND))


def test_a_use_that_is_told_late_holds_its_place_until_then() -> None:
    bucket = LendingBucket(Tank(100, 10.0, 0, 50 * TOKEN))
    loan = bucket.hear("one", 0, 0, 0)
    bucket.lend(loan, 50, 1)
    # Idle for five seconds, then all fifty are used at once: the bucket may not be full by now.
    bucket.tank.units = 50 * TOKEN
    bucket.hear("one", 50, 0, 5 * SECOND)
    assert bucket.whole == 50


def test_an_answer_that_is_lost_lends_nothing_twice() -> None:
    lender = new_lender()
    assert lent(lender, "one", 0, wanted=6).granted == 6
    assert lent(lender, "one", 0, wanted=6).granted == 6  # it had not heard of the first
    assert lent(lender, "one", 0, granted=6, used=6, wanted=2).granted == 8


def test_what_is_returned_is_there_for_another() -> None:
    lender = new_lender()
    assert lent(lender, "one", 0, wanted=8).granted == 8
    empty = lent(lender, "two", 0, wanted=1)
    assert (empty.granted, empty.wait_ns) == (0, -(-SECOND // 3))
    lent(lender, "one", 0, granted=8, used=3, returned=5)
    assert lent(lender, "two", 0, wanted=5).granted == 5


def test_tokens_of_a_silent_gateway_do_not_hold_their_place_for_ever() -> None:
    lender = new_lender()
    lent(lender, "one", 0, wanted=8)
    assert lent(lender, "two", 60 * SECOND, wanted=1).granted == 0
    lender.forget("one")
    assert lent(lender, "two", 61 * SECOND, granted=0, wanted=3).granted == 3


def test_a_new_owner_lends_nothing_until_every_earlier_gateway_came() -> None:
    lender = new_lender("one", "two", fresh=False)
    assert lent(lender, "one", SECOND, wanted=1).granted == 0
    assert lent(lender, "two", 2 * SECOND, wanted=1).granted == 0  # came: fills from here
    assert lent(lender, "two", 3 * SECOND, wanted=8).granted == 3


def test_a_new_owner_lends_nothing_until_what_was_lent_before_has_expired() -> None:
    lender = new_lender("one", "gone", fresh=False)
    assert lent(lender, "one", EXPIRY - 1, wanted=1).granted == 0
    assert lent(lender, "one", EXPIRY + SECOND, wanted=8).granted == 3


def test_other_limits_hold_at_once() -> None:
    lender = new_lender()
    lent(lender, "one", 0, wanted=0)
    (smaller,) = lender.lend("one", [Drawn("user:ann", "m", 2, 1.0, wanted=8)], 0, 1)
    assert smaller.granted == 2
    assert lent(lender, "one", 0, granted=2, used=2, wanted=1).wait_ns == -(-SECOND // 3)


def test_full_buckets_are_dropped_where_there_are_very_many() -> None:
    lender = new_lender()
    for number in range(MOST_BUCKETS + 1):
        lender.lend("one", [Drawn("user:ann", str(number), 5, 1.0, wanted=number == 0)], 0, 1)
    lender.tidy(0)
    assert list(lender._buckets) == [("user:ann", "0")]
