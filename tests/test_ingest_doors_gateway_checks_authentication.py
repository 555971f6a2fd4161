"""Who asks: good keys pass, others are told why not and slower and slower, none stands anywhere."""

from __future__ import annotations

import itertools
import statistics
import time

import pytest
from factories_gateway_keys import START, asking_of, key_of
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.asking import Outcome
from hf_ledger.ingest.doors.gateway.checks.authentication import Authentication
from hf_ledger.ingest.doors.gateway.failures import Failures
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import State

ENDS = START // 1_000_000


def refused(check: Authentication, raw: str | None, **said: object) -> Refused:
    keys = said.pop("keys", ())
    with pytest.raises(Refused) as caught:
        check.identify(raw, asking_of(*keys, **said))  # type: ignore[misc]
    return caught.value


def test_a_good_key_is_its_owners() -> None:
    (raw, key), (_, other) = key_of(), key_of()
    asking = asking_of(other, key)
    assert Authentication().identify(raw, asking) == key == asking.key
    assert asking.verdicts == {"authentication": key.key_id}


@pytest.mark.parametrize("raw", [None, ""])
def test_without_a_key(raw: str | None) -> None:
    said = refused(Authentication(), raw)
    assert (said.status, said.code) == (401, "missing_key")
    assert said.headers == {"www-authenticate": "Bearer"}


def test_a_key_with_another_letter_is_no_key() -> None:
    raw, key = key_of()
    check = Authentication(Failures(at_once=10_000))
    for place, letter in itertools.product(range(len(raw)), "aZ0_"):
        changed = raw[:place] + letter + raw[place + 1 :]
        if changed != raw:
            assert refused(check, changed, keys=(key,)).code == "invalid_key"


@given(raw=st.text(min_size=1, max_size=80))
def test_what_is_no_key_is_refused(raw: str) -> None:
    assert refused(Authentication(), raw, keys=(key_of()[1],)).code == "invalid_key"


@pytest.mark.parametrize("raw", ["hfl_00000000_" + "A" * 43, "hfl_" + "x" * 100_000, "\ud800"])
def test_hostile_keys_are_refused(raw: str) -> None:
    said = refused(Authentication(), raw, keys=(key_of()[1],))
    assert (said.status, said.code) == (401, "invalid_key")


def test_a_key_under_anothers_id_is_no_key() -> None:
    (raw, key), (other_raw, other) = key_of(), key_of()
    crossed = raw[:13] + other_raw[13:]
    assert refused(Authentication(), crossed, keys=(key, other)).code == "invalid_key"


@pytest.mark.parametrize(("moment", "good"), [(-1, True), (0, False), (1, False)])
def test_a_key_ends_at_its_moment(moment: int, good: bool) -> None:
    raw, key = key_of(expires_at=ENDS)
    if good:
        assert Authentication().identify(raw, asking_of(key, ts=START + moment)) == key
    else:
        said = refused(Authentication(), raw, keys=(key,), ts=START + moment)
        assert (said.status, said.code) == (403, "expired_key")


def test_that_a_key_ended_is_told_to_its_owner_only() -> None:
    raw, key = key_of(expires_at=ENDS)
    wrong = raw[:-1] + ("A" if raw[-1] != "A" else "B")
    assert refused(Authentication(), wrong, keys=(key,)).code == "invalid_key"


def test_a_revoked_key_is_refused_with_the_next_state() -> None:
    raw, key = key_of()
    check = Authentication()
    assert check.identify(raw, asking_of(key)) == key
    assert refused(check, raw, keys=()).code == "invalid_key"
    assert check.identify(raw, asking_of(key)) == key


def test_what_was_never_identified_goes_no_further() -> None:
    raw, key = key_of()
    check, asking = Authentication(), asking_of(key)
    with pytest.raises(Refused, match="Send a key"):
        check.check(asking)
    check.identify(raw, asking)
    assert check.check(asking) is None
    assert check.finish(asking, Outcome()) is None


# -- failures ----------------------------------------------------------------------------------


def test_wrong_keys_of_an_address_are_answered_slower() -> None:
    check = Authentication(Failures(clock=lambda: 0.0))
    codes = [refused(check, "wrong").code for _ in range(11)]
    assert codes == ["invalid_key"] * 10 + ["too_many_failures"]
    said = refused(check, "wrong")
    assert (said.status, said.headers["retry-after"]) == (429, "6")
    assert "6 s" in said.sentence


def test_another_address_is_not_concerned_nor_is_a_good_key() -> None:
    raw, key = key_of()
    check = Authentication(Failures(clock=lambda: 0.0))
    for _ in range(12):
        refused(check, "wrong")
    assert refused(check, "wrong", address="192.0.2.9").code == "invalid_key"
    assert check.identify(raw, asking_of(key)) == key


def test_good_keys_and_ended_ones_are_no_failures() -> None:
    (raw, key), (ended_raw, ended) = key_of(), key_of(expires_at=ENDS)
    failures = Failures()
    check = Authentication(failures)
    for _ in range(20):
        check.identify(raw, asking_of(key))
        refused(check, ended_raw, keys=(ended,))
        refused(check, None)
    assert len(failures) == 0


def test_ipv6_hosts_of_one_network_share_their_failures() -> None:
    check = Authentication(Failures(clock=lambda: 0.0))
    codes = {refused(check, "wrong", address=f"2001:db8::{n:x}").code for n in range(11)}
    assert codes == {"invalid_key", "too_many_failures"}


# -- what is said, and what it costs -----------------------------------------------------------


def test_no_key_stands_in_what_is_said() -> None:
    raw, key = key_of(expires_at=ENDS)
    check, asking = Authentication(), asking_of(key)
    wrong = raw[:-1] + ("A" if raw[-1] != "A" else "B")
    said = [
        refused(check, raw, keys=(key,)),
        *(refused(check, wrong, keys=(key,)) for _ in range(12)),
    ]
    everything = [*map(repr, said), *(each.body("r").decode() for each in said)]
    everything += [repr(check.__dict__), repr(asking), repr(vars(said[0]))]
    assert not [each for each in everything if raw[13:-1] in each]


def test_an_unknown_id_takes_as_long_as_a_wrong_key() -> None:
    """Both are hashed and compared. Medians of interleaved runs, so that a busy machine is fair."""
    raw, key = key_of()
    asking = asking_of(key, *(key_of()[1] for _ in range(200)))
    check = Authentication()
    wrong = raw[:-1] + ("A" if raw[-1] != "A" else "B")
    unknown = "hfl_ffffffff" + wrong[12:]
    taken: dict[str, list[float]] = {wrong: [], unknown: []}
    for _ in range(3000):
        for each, times in taken.items():
            start = time.perf_counter()
            check._known(each, asking.state)
            times.append(time.perf_counter() - start)
    wrong_s, unknown_s = (statistics.median(times) for times in taken.values())
    assert 0.7 < wrong_s / unknown_s < 1.4


def test_a_good_key_costs_microseconds() -> None:
    """5 µs on the machine it was made for; ten times that fails here."""
    raw, key = key_of()
    asking, check = asking_of(key, *(key_of()[1] for _ in range(500))), Authentication()
    check.identify(raw, asking)
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(1000):
            check.identify(raw, asking)
        runs.append((time.perf_counter() - start) * 1000)
    assert min(runs) < 50


def test_an_empty_state_lets_nobody_in() -> None:
    raw, _ = key_of()
    with pytest.raises(Refused):
        Authentication().identify(raw, asking_of(state=State()))
