"""Which calls are drawn and which are never sent again."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from factories_calls import make_call
from factories_replays import CANDIDATE, make_asking, make_key, make_outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.gateway.state import Replaying, Screening
from hf_ledger.ingest.doors.replays.sampling import (
    AGAINST_ITSELF,
    MOST_BYTES,
    SECRET,
    Draw,
    class_of,
    draw,
    leaves,
    sampled_of,
    why_not,
)

HERE = "http://models.test"


def replaying(share: float) -> Replaying:
    return Replaying(share=share, candidate=CANDIDATE, usd="1")


def bounds(share: float, tries: int) -> tuple[float, float]:
    """Five standard deviations around what is expected: a good draw misses them once in 10⁶."""
    spread = 5 * math.sqrt(tries * share * (1 - share)) + 1
    return tries * share - spread, tries * share + spread


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.01, 1.0), seed=st.integers(0, 2**32))
def test_as_many_are_drawn_as_the_stored_probability_says(share: float, seed: int) -> None:
    tries, random = 4_000, Random(seed)
    drawn = [found for _ in range(tries) if (found := draw(replaying(share), random))]
    for itself, part in ((True, AGAINST_ITSELF), (False, 1 - AGAINST_ITSELF)):
        of_kind = [found for found in drawn if found.itself is itself]
        low, high = bounds(share * part, tries)
        assert low <= len(of_kind) <= high
        assert all(found.probability == pytest.approx(share * part) for found in of_kind)


def test_the_same_source_of_chance_draws_the_same() -> None:
    one, two = (
        [draw(replaying(0.3), random) for _ in range(200)] for random in (Random(7), Random(7))
    )
    assert one == two


def test_without_share_or_candidate_nothing_is_drawn() -> None:
    for none in (Replaying(), Replaying(share=1.0), replaying(0.0), replaying(-1.0)):
        assert all(draw(none, Random(1)) is None for _ in range(50))


def test_a_share_beyond_everything_is_everything() -> None:
    found = draw(replaying(7.0), Random(2))
    assert found
    assert found.probability in (pytest.approx(0.9), pytest.approx(0.1))


def reason(size: int = 100, outcome: dict[str, Any] | None = None, **asking: Any) -> str | None:
    return why_not(make_asking(**asking), make_outcome(**(outcome or {})), size)


def test_a_plain_good_call_may_be_sent_again() -> None:
    assert reason() is None
    assert reason(headers={"x-hf-ledger-no-replay": "0"}) is None
    for verdict in ("nothing found; class internal", "not screened; class public"):
        assert reason(verdicts={"compliance": verdict, "budget": "ok"}) is None


@pytest.mark.parametrize("value", ["1", "true", " yes "])
def test_a_request_that_asks_not_to_be_is_not(value: str) -> None:
    assert reason(headers={"x-hf-ledger-no-replay": value}) == "asked_not_to"


@pytest.mark.parametrize(
    "verdict", ["allow: 1 email; class confidential", "mask: 1 iban", "not read; class public", ""]
)
def test_a_request_in_which_something_was_found_is_not(verdict: str) -> None:
    assert reason(verdicts={"compliance": verdict}) == "found"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"status": 500}, "no_answer"),
        ({"refused": "over_budget"}, "no_answer"),
        ({"call": make_call(outcome="interrupted")}, "no_answer"),
        ({"call": make_call(purpose="replay")}, "no_work"),
        ({"call": make_call(purpose="judge")}, "no_work"),
        ({"call": make_call(cached_reply=True)}, "no_work"),
    ],
)
def test_what_gave_no_answer_of_its_own_is_not(outcome: dict[str, Any], expected: str) -> None:
    assert reason(outcome=outcome) == expected


def test_a_large_request_or_reply_is_not() -> None:
    assert reason(MOST_BYTES) is None
    assert reason(MOST_BYTES + 1) == "too_large"


@pytest.mark.parametrize(
    ("of_key", "stated", "secret"),
    [
        ("public", None, False),
        ("internal", None, False),
        ("confidential", None, True),
        ("restricted", None, True),
        ("internal", "public", False),
        ("internal", "Confidential", True),
        ("restricted", "public", True),
        ("internal", "of tomorrow", True),
    ],
)
def test_the_higher_class_of_key_and_header_counts(
    of_key: Any, stated: str | None, secret: bool
) -> None:
    key = make_key(screening=Screening(data_class=of_key))
    headers = {} if stated is None else {"x-hf-ledger-data-class": stated}
    assert (class_of(make_asking(key=key, headers=headers)) in SECRET) is secret


def goes_elsewhere(host_kind: str, host: str | None, data_class: Any = "confidential") -> bool:
    key = make_key(screening=Screening(data_class=data_class))
    outcome = make_outcome(call=make_call(host_kind=host_kind))
    sampled = sampled_of(make_asking(key=key, upstream=HERE), outcome, b"{}", Draw(False, 0.1))
    return leaves(sampled, CANDIDATE, lambda model: host)


def test_a_secret_text_goes_only_to_the_host_that_has_had_it() -> None:
    assert not goes_elsewhere("self_hosted", HERE)
    assert not goes_elsewhere("endpoint", HERE)
    assert goes_elsewhere("self_hosted", "http://other.test")
    assert goes_elsewhere("self_hosted", None)
    assert not goes_elsewhere("router", "http://other.test", "internal")


def test_behind_a_router_every_model_is_somebody_new() -> None:
    assert goes_elsewhere("router", HERE)
    assert goes_elsewhere("provider", HERE)


def test_texts_are_not_shown_where_a_sampled_call_is() -> None:
    asking = make_asking("marker-7731", headers={"x-hf-bill-to": "marker-7732"})
    shown = repr(sampled_of(asking, make_outcome(), b"marker-7733", Draw(False, 0.1)))
    assert "marker" not in shown


def test_no_header_of_the_clients_is_passed_on_and_nobody_replays_a_replay() -> None:
    asking = make_asking(headers={"x-hf-bill-to": "acme", "cookie": "c", "x-request-id": "r"})
    sampled = sampled_of(asking, make_outcome(), b"{}", Draw(False, 0.1))
    assert sampled.headers == {
        "content-type": "application/json",
        "x-hf-ledger-no-replay": "1",
    }
