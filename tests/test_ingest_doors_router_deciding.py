"""What follows a failure: one row of the table for each kind, and nothing beyond the deadline."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import pytest
from factories_policies import call_to, target
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, ErrorKind
from hf_ledger.ingest.doors.router.deciding import (
    BACKOFF_S,
    LOADING_S,
    PLANS,
    WORDS,
    Decision,
    decide,
)
from hf_ledger.ingest.doors.router.wanted import Wanted

WANTED = Wanted()
STATUS: dict[ErrorKind, int | None] = {
    "auth": 401,
    "quota": 402,
    "rate_limited": 429,
    "bad_request": 400,
    "not_found": 404,
    "model_loading": 503,
    "overloaded": 503,
    "server_error": 500,
    "timeout": None,
    "connection": None,
    "other": 409,
}


def failed(kind: ErrorKind) -> Call:
    return call_to(target(), outcome="error", error_kind=kind, status=STATUS[kind])


def decided(kind: ErrorKind, attempt: int = 1, **said: Any) -> Decision:
    asked = said.pop("retry_after_s", None)
    return decide(failed(kind), None, asked, attempt, WANTED, said.pop("left_s", 60), **said)


# kind → first attempt; second attempt; the only target
TABLE: dict[ErrorKind, tuple[str, str, str]] = {
    "auth": ("next", "next", "next"),
    "quota": ("next", "next", "next"),
    "rate_limited": ("next", "next", "retry"),
    "bad_request": ("give_up", "give_up", "give_up"),
    "not_found": ("next", "next", "next"),
    "model_loading": ("next", "next", "retry"),
    "overloaded": ("retry", "next", "retry"),
    "server_error": ("retry", "next", "retry"),
    "timeout": ("retry", "next", "retry"),
    "connection": ("retry", "next", "retry"),
    "other": ("next", "next", "next"),
}


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_each_kind_has_its_row(kind: ErrorKind) -> None:
    first, second, alone = TABLE[kind]
    assert decided(kind).action == first
    assert decided(kind, attempt=2).action == second
    assert decided(kind, only=True).action == alone


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(PLANS) == set(WORDS) == set(get_args(ErrorKind))


def test_a_short_retry_after_is_waited_for_once() -> None:
    assert decided("rate_limited", retry_after_s=2) == Decision(
        "retry", 2, "rate limited (429), asked to wait 2 s"
    )
    assert decided("rate_limited", 2, retry_after_s=2).action == "next"
    assert decided("rate_limited", retry_after_s=6).action == "next"
    assert decided("rate_limited", retry_after_s=6, only=True).wait_s == 6


def test_a_model_that_loads_is_waited_for_where_it_is_the_only_one() -> None:
    assert decided("model_loading", only=True).wait_s == LOADING_S
    assert decided("model_loading", only=True, retry_after_s=20).wait_s == 20
    assert decided("model_loading", only=True, left_s=5).action == "give_up"


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_the_wait_before_a_retry_is_by_chance(draw: float) -> None:
    wait_s = decided("server_error", draw=draw).wait_s
    assert wait_s == BACKOFF_S * (0.5 + draw)


def test_a_server_that_failed_and_asks_for_long_is_left() -> None:
    assert decided("overloaded", retry_after_s=1).wait_s == 1
    assert decided("overloaded", retry_after_s=30).action == "next"
    assert decided("overloaded", retry_after_s=30, only=True).wait_s == 30


@settings(deadline=None)
@given(
    st.sampled_from(get_args(ErrorKind)),
    st.none() | st.floats(0, 1000),
    st.integers(1, 5),
    st.floats(-10, 120),
    st.booleans(),
    st.floats(0, 1, exclude_max=True),
)
def test_nothing_is_planned_beyond_the_deadline(  # noqa: PLR0917 - any failure at all
    kind: ErrorKind, asked: float | None, attempt: int, left_s: float, only: bool, draw: float
) -> None:
    said = decide(failed(kind), None, asked, attempt, WANTED, left_s, only=only, draw=draw)
    assert said.wait_s >= 0
    if said.action != "give_up":
        assert said.wait_s < left_s
    if said.action != "retry":
        assert said.wait_s == 0


def test_a_wait_that_is_too_long_goes_to_the_next_target() -> None:
    assert decided("rate_limited", retry_after_s=4, left_s=3) == Decision(
        "next", 0, "rate limited (429), asked to wait 4 s; too little time to wait"
    )


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_the_caller_took_back_is_given_up(error: BaseException) -> None:
    assert decide(None, error, None, 1, WANTED, 60).action == "give_up"
    call = call_to(target(), outcome="cancelled", status=None)
    assert decide(call, None, None, 1, WANTED, 60) == Decision("give_up", 0, "cancelled")


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ConnectionError()])
def test_without_a_row_the_error_says_what_happened(error: BaseException) -> None:
    assert decide(None, error, None, 1, WANTED, 60).action == "retry"
    assert decide(None, ValueError("no target"), None, 1, WANTED, 60).action == "next"


def test_an_answer_that_broke_off_is_a_lost_connection() -> None:
    call = call_to(target(), outcome="interrupted", error_kind="connection")
    said = decide(call, None, None, 1, WANTED, 60)
    assert (said.action, said.why) == ("retry", "the answer broke off")


LONG = "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."


@pytest.mark.parametrize(
    "said",
    [
        LONG,
        "error code: context_length_exceeded",
        "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 4000",
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
    ],
)
def test_what_is_too_long_needs_a_larger_context(said: str) -> None:
    found = decide(failed("bad_request"), ValueError(said), None, 1, WANTED, 60)
    assert found.action == "next" and found.larger_context
    assert "requested" not in found.why, "the server's text is not kept"


def test_the_cause_of_an_error_is_looked_at_too() -> None:
    outer = RuntimeError("one sentence")
    outer.__cause__ = ValueError(LONG)
    assert decide(failed("bad_request"), outer, None, 1, WANTED, 60).larger_context
    assert not decide(failed("server_error"), outer, None, 1, WANTED, 60).larger_context
