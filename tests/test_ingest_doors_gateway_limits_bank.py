"""The owner's bank: settled + outstanding ≤ limit, whatever is repeated, lost, killed or late."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from factories_limits import NANO, NOON, Clock, budget, gone, message, state_with
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.limits.bank import AHEAD, EXPIRY_NS, SHORT_NS, Bank
from hf_ledger.ingest.doors.gateway.limits.books import Standing
from hf_ledger.ingest.doors.gateway.limits.exchanging import Drawn, Exchange, Granted, Said
from hf_ledger.ingest.doors.gateway.limits.journal import files
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.errors import Unusable, Usage
from hf_ledger.ingest.places import Places

STATE = state_with(budget(usd="1"))
MONTH = "2026-11"
CENT = NANO // 100
#: What a lone gateway is granted that wants a cent.
SLICE = AHEAD * CENT


def said(**changes: Any) -> Said:
    return Said("b", MONTH, **changes)


def opened(places: Places, clock: Clock | None = None, state: State = STATE) -> Bank:
    clock = clock or Clock()
    return Bank(places, state, clock=clock, wall=clock.wall)


def granted(bank: Bank, asked: Exchange) -> Granted:
    (found,) = bank.exchange(asked).accounts
    return found


def standing(bank: Bank) -> Standing:
    (found,) = bank.standings()
    return found


def test_a_slice_is_some_times_what_is_wanted_and_at_most_half(places: Places) -> None:
    with closing(opened(places)) as bank:
        assert granted(bank, message("one", said(wanted=CENT))).granted == SLICE
        half = (NANO - SLICE) // 2
        more = said(granted=SLICE, wanted=10 * CENT)
        assert granted(bank, message("one", more)).granted == SLICE + half
        most = said(granted=SLICE + half, wanted=40 * CENT)
        assert granted(bank, message("one", most)).granted == SLICE + half + 40 * CENT


def test_slices_shrink_towards_the_limit_and_never_pass_it(places: Places) -> None:
    with closing(opened(places)) as bank:
        shares = dict.fromkeys(("one", "two", "three"), 0)
        for _ in range(60):
            for name, own in shares.items():
                asked = said(granted=own, wanted=CENT, least=CENT)
                shares[name] = granted(bank, message(name, asked)).granted
        assert 0.99 * NANO < sum(shares.values()) <= NANO
        rest = said(granted=shares["one"], wanted=CENT, least=CENT)
        refused = granted(bank, message("one", rest))
        assert refused.left == NANO  # nothing is settled: all of it could come back
        assert refused.recall


def test_the_same_message_twice_changes_nothing(places: Places) -> None:
    with closing(opened(places)) as bank:
        asked = message("one", said(wanted=CENT))
        first = granted(bank, asked)
        assert granted(bank, asked) == first
        spent = message("one", said(granted=first.granted, spent=CENT, returned=2 * CENT))
        assert granted(bank, spent) == granted(bank, spent)
        assert standing(bank).settled == CENT
        assert standing(bank).reserved == first.granted - 3 * CENT


def test_an_older_message_takes_nothing_back(places: Places) -> None:
    with closing(opened(places)) as bank:
        bank.exchange(message("one", said(wanted=CENT)))
        bank.exchange(message("one", said(granted=SLICE, spent=3 * CENT)))
        bank.exchange(message("one", said(granted=SLICE, spent=CENT)))
        assert standing(bank).settled == 3 * CENT


def test_what_one_returns_another_gets(places: Places) -> None:
    clock = Clock()
    with closing(opened(places, clock)) as bank:
        all_ = message("one", said(wanted=NANO))
        assert granted(bank, all_).granted == NANO
        short = granted(bank, message("two", said(wanted=CENT, least=CENT)))
        assert (short.granted, short.left, short.recall) == (0, NANO, True)
        recalled = granted(bank, message("one", said(granted=NANO, spent=10 * CENT)))
        assert recalled.recall
        bank.exchange(message("one", said(granted=NANO, spent=10 * CENT, returned=90 * CENT)))
        # While somebody was short just now, nobody gets more than what it wants.
        assert granted(bank, message("two", said(wanted=CENT, least=CENT))).granted == CENT
        clock.ns += SHORT_NS
        after = granted(bank, message("two", said(granted=CENT, wanted=CENT, least=CENT)))
        assert (after.granted, after.recall) == (CENT + SLICE, False)


def test_a_call_that_cost_more_than_was_granted_counts_whole(places: Places) -> None:
    with closing(opened(places)) as bank:
        over = granted(bank, message("one", said(spent=3 * NANO)))
        assert (over.granted, over.left) == (3 * NANO, -2 * NANO)
        assert standing(bank).reserved == 0


def test_a_gateway_that_is_gone_has_spent_what_it_held(places: Places) -> None:
    clock = Clock()
    with closing(opened(places, clock)) as bank:
        bank.exchange(gone("lost", said(wanted=NANO)))
        clock.pass_(2)
        refused = granted(bank, message("one", said(wanted=CENT, least=CENT)))
        assert (refused.granted, refused.left) == (0, 0)
        assert standing(bank) == Standing("b", MONTH, NANO, NANO, 0, unaccounted=NANO)


def test_a_gateway_that_says_goodbye_leaves_nothing_behind(places: Places) -> None:
    with closing(opened(places)) as bank:
        bank.exchange(message("one", said(wanted=CENT)))
        last = said(granted=SLICE, spent=CENT, returned=SLICE - CENT)
        bank.exchange(message("one", last, closing=True))
        assert standing(bank) == Standing("b", MONTH, NANO, CENT, 0, unaccounted=0)


@pytest.mark.parametrize("starts", [1, 3])
def test_a_new_owner_has_the_same_sums(places: Places, starts: int) -> None:
    bank = opened(places)  # never closed: it was killed
    bank.exchange(message("one", said(wanted=CENT)))
    bank.exchange(message("one", said(granted=SLICE, spent=7 * CENT)))
    bank.exchange(gone("lost", said(wanted=30 * CENT)))
    bank.exchange(message("two", said(wanted=CENT)))
    before = standing(bank)
    for _ in range(starts):
        bank = opened(places)
    with closing(bank):
        after = standing(bank)
        lost = (NANO - SLICE) // 2  # more than it wanted
        assert after.unaccounted == lost  # the new owner looked who lives
        assert (after.settled - lost, after.reserved + lost) == (before.settled, before.reserved)
        # The gateway goes on where it was, as if nothing had happened.
        again = granted(bank, message("one", said(granted=SLICE, spent=8 * CENT)))
        assert again.granted == SLICE
        assert standing(bank).settled == after.settled + CENT


def test_a_gateway_restores_its_own_share_where_the_journal_is_lost(places: Places) -> None:
    with closing(opened(places)) as bank:
        known = said(granted=60 * CENT, spent=20 * CENT, returned=10 * CENT)
        bank.exchange(message("one", known))
        assert (standing(bank).settled, standing(bank).reserved) == (20 * CENT, 30 * CENT)


def test_nothing_is_granted_that_the_journal_does_not_hold(places: Places) -> None:
    bank = opened(places)
    held = bank._journal._file
    bank._journal._file = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(Unusable, match="journal"):
            bank.exchange(message("one", said(wanted=CENT)))
        assert standing(bank).reserved == 0
    finally:
        bank._journal._file = held
        bank.close()


def test_only_the_current_period_is_granted_and_any_is_settled(places: Places) -> None:
    with closing(opened(places)) as bank:
        old = Said("b", "2026-10", spent=CENT, wanted=CENT)
        assert granted(bank, message("one", old)).granted == CENT  # what it says it spent
        assert granted(bank, message("one", Said("b", "2026-12", wanted=CENT))).granted == 0
        assert standing(bank).settled == 0


def test_a_clock_that_is_a_little_ahead_gets_the_next_period(places: Places) -> None:
    clock = Clock()
    clock.ns = round((1_796_083_200 - 30 - NOON) * 10**9)  # half a minute before December
    with closing(opened(places, clock)) as bank:
        assert granted(bank, message("one", Said("b", "2026-12", wanted=CENT))).granted > 0


def test_a_budget_nobody_knows_grants_nothing(places: Places) -> None:
    with closing(opened(places)) as bank:
        asked = message("one", Said("other", MONTH, wanted=CENT))
        assert granted(bank, asked) == Granted("other", MONTH, 0, None)


def test_a_lower_limit_holds_at_once_and_a_higher_one_gives_room(places: Places) -> None:
    with closing(opened(places)) as bank:
        bank.exchange(message("one", said(wanted=50 * CENT)))
        bank.adopt(state_with(budget(usd="0.4")))
        assert granted(bank, message("two", said(wanted=CENT))).granted == 0
        bank.adopt(state_with(budget(usd="0.6")))
        assert granted(bank, message("two", said(wanted=CENT))).granted > 0


def test_a_silent_gateway_has_a_new_session_and_its_tokens_are_free(places: Places) -> None:
    clock = Clock()
    with closing(opened(places, clock)) as bank:
        first = bank.exchange(message("one"))
        drawn = Drawn("user:ann", "m", 5, 0.0, wanted=5)
        lent = bank.exchange(message("one", session=first.session, buckets=[drawn])).buckets
        assert lent[0].granted == 5
        clock.ns += EXPIRY_NS
        again = bank.exchange(message("one", session=first.session, buckets=[drawn]))
        assert again.session != first.session
        assert again.buckets[0].granted == 0


def test_what_is_no_exchange_is_wrong_use(places: Places) -> None:
    with closing(opened(places)) as bank, pytest.raises(Usage, match="not an exchange"):
        bank.answer(b'{"gateway": 1}')


def test_many_threads_share_one_bank(places: Places) -> None:
    with closing(opened(places)) as bank:

        def gateway(name: str) -> None:
            own = 0
            for _ in range(50):
                asked = said(granted=own, spent=own, wanted=CENT // 3, least=CENT // 3)
                own = granted(bank, message(name, asked)).granted

        threads = [threading.Thread(target=gateway, args=(str(n),)) for n in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert 0.99 * NANO < standing(bank).settled + standing(bank).reserved <= NANO


AT_ONCE = """
import sys, threading
from pathlib import Path
from hf_ledger.ingest.doors.gateway.limits.bank import Bank
from hf_ledger.ingest.places import Places
sys.setswitchinterval(1e-5)
bank = Bank(Places(Path(sys.argv[1])))
payload = (b'{"gateway":"a","host":"h","pid":1,"process_start":"s",'
           b'"accounts":[["b","2026-11"]],"buckets":[["u","m",1,1.0]]}')
together = threading.Barrier(16)
def ask():
    together.wait()
    for _ in range(3): bank.answer(payload)
threads = [threading.Thread(target=ask) for _ in range(16)]
for each in threads: each.start()
for each in threads: each.join()
"""


@pytest.mark.parametrize("attempt", range(8))
def test_the_first_messages_may_come_at_once(places: Places, attempt: int) -> None:
    """Where threads taught msgspec its types together, four in ten such owners crashed."""
    command = [sys.executable, "-c", AT_ONCE, str(places.root)]
    assert subprocess.run(command, check=False, timeout=30).returncode == 0


acts = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["ask", "answer lost", "restart", "spend", "return"]),
        st.integers(0, 40),
    ),
    max_size=40,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts)
def test_the_law_holds_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    places = Places(tmp_path_factory.mktemp("bank"))
    bank = opened(places)
    own = {name: said() for name in "abc"}
    for name, act, cents in steps:
        mine, amount = own[name], cents * CENT
        free = mine.granted - mine.spent - mine.returned
        match act:
            case "restart":
                bank.close()
                bank = opened(places)
            case "spend":
                mine.spent += min(free, amount)
            case "return":
                mine.returned += min(free, amount)
            case _:
                mine.wanted, mine.least = amount, amount // 2
                answer = granted(bank, message(name, mine))
                mine.granted = answer.granted if act == "ask" else mine.granted
        now = standing(bank)
        assert now.settled + now.reserved <= now.limit
        assert sum(each.granted - each.returned for each in own.values()) <= now.limit
    bank.close()
    assert len(files(places)) == 1


def test_an_exchange_is_quick(places: Places, tmp_path: Path) -> None:
    """Loose, for a busy machine; the figure is in docs/budgets.md."""
    import time

    with closing(opened(places)) as bank:
        begun = time.perf_counter()
        for number in range(2000):
            bank.exchange(message("one", said(granted=SLICE, spent=number)))
        assert (time.perf_counter() - begun) / 2000 < 0.001
