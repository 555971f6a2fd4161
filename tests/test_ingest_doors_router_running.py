"""The loop of one operation, in an event loop whose time flies: order, waits, deadlines, hedges."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from factories_running import HANGS, OK, Asked, Does, Scene, fails, flown
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_ledger.ingest.doors.router.routed import Attempt, RouteFailed
from hf_ledger.ingest.doors.router.wanted import Wanted
from hf_ledger.ingest.errors import Usage

EPSILON = 1e-6


def course_of(attempts: Sequence[Attempt]) -> list[tuple[str, str]]:
    return [(each.target.name, each.then) for each in attempts]


def test_the_first_answer_is_the_answer() -> None:
    scene = Scene({"a": [OK], "b": [OK]})
    routed = flown(scene.run())
    assert (routed.value, routed.target.name) == ("answer of a", "a")
    assert course_of(routed.attempts) == [("a", "done")]
    assert (routed.attempts[0].number, routed.attempts[0].why) == (1, "ok")


def test_a_failure_is_tried_again_and_then_the_next_target_is_asked() -> None:
    scene = Scene({"a": [fails("server_error", status=500)], "b": [OK]})
    routed = flown(scene.run())
    assert course_of(routed.attempts) == [("a", "retry"), ("a", "next"), ("b", "done")]
    first, second, third = routed.attempts
    assert (second.call.fallback_of, third.call.fallback_of) == ("a0", "a1")  # type: ignore[union-attr]
    assert [each.call.attempt for each in routed.attempts if each.call] == [1, 2, 3]
    assert first.call is not None and first.call.fallback_of is None
    # The wait of the backoff: 0.25 s times a half and the draw.
    assert second.began_s == pytest.approx(0.25)
    assert first.why == "server error (500)"


@pytest.mark.parametrize(
    ("kind", "course"),
    [
        ("bad_request", [("a", "give_up")]),
        ("auth", [("a", "next"), ("b", "done")]),
        ("quota", [("a", "next"), ("b", "done")]),
        ("not_found", [("a", "next"), ("b", "done")]),
        ("model_loading", [("a", "next"), ("b", "done")]),
        ("rate_limited", [("a", "next"), ("b", "done")]),
        ("overloaded", [("a", "retry"), ("a", "next"), ("b", "done")]),
        ("timeout", [("a", "retry"), ("a", "next"), ("b", "done")]),
        ("connection", [("a", "retry"), ("a", "next"), ("b", "done")]),
    ],
)
def test_the_kind_decides(kind: Any, course: list[tuple[str, str]]) -> None:
    scene = Scene({"a": [fails(kind)], "b": [OK]})
    if course[-1][1] == "give_up":
        with pytest.raises(RouteFailed, match="a: not accepted") as caught:
            flown(scene.run())
        assert course_of(caught.value.attempts) == course
    else:
        assert course_of(flown(scene.run()).attempts) == course


def test_retry_after_is_waited_for_to_the_moment() -> None:
    scene = Scene({"a": [fails("rate_limited", retry_after_s=3, status=429), OK], "b": [OK]})
    routed = flown(scene.run())
    assert course_of(routed.attempts) == [("a", "retry"), ("a", "done")]
    assert routed.attempts[1].began_s == pytest.approx(3)
    assert "asked to wait 3 s" in routed.attempts[0].why


def test_a_long_retry_after_is_left_to_others() -> None:
    scene = Scene({"a": [fails("rate_limited", retry_after_s=60), OK], "b": [OK]})
    assert course_of(flown(scene.run()).attempts) == [("a", "next"), ("b", "done")]
    # And the breaker remembers it: the next operation does not ask there.
    alone = Scene({"a": [fails("rate_limited", retry_after_s=60), OK]})

    async def twice() -> None:
        assert course_of((await alone.run()).attempts) == [("a", "retry"), ("a", "done")]

    flown(twice())
    assert alone.asked[1].at_s == pytest.approx(60)


def test_what_was_not_sent_costs_nothing_and_goes_to_the_next() -> None:
    scene = Scene({"a": [fails("auth", sent=False)], "b": [OK]})
    routed = flown(scene.run())
    assert course_of(routed.attempts) == [("a", "next"), ("b", "done")]
    assert (routed.attempts[0].call, routed.attempts[0].cost) == (None, 0)
    with pytest.raises(RouteFailed, match="it could not be asked"):
        flown(Scene({"a": [fails("bad_request", sent=False)], "b": [OK]}).run())


def test_no_more_attempts_than_wanted() -> None:
    scene = Scene({name: [fails("auth")] for name in "abcdef"}, Wanted(attempts=3))
    with pytest.raises(RouteFailed, match="3 attempts are the most") as caught:
        flown(scene.run())
    assert course_of(caught.value.attempts) == [("a", "next"), ("b", "next"), ("c", "give_up")]


def test_a_target_that_hangs_has_its_time_and_no_more() -> None:
    scene = Scene({"a": [HANGS], "b": [OK]}, Wanted(attempt_s=10, total_s=25))
    routed = flown(scene.run())
    assert course_of(routed.attempts) == [("a", "retry"), ("a", "next"), ("b", "done")]
    assert [round(each.took_s) for each in routed.attempts] == [10, 10, 0]
    assert routed.attempts[0].why == "timed out"
    with pytest.raises(RouteFailed):
        flown(Scene({"a": [HANGS]}, Wanted(attempt_s=10, total_s=15)).run())


def test_longer_than_its_context_goes_only_to_larger_ones() -> None:
    class TooLong(Scene):
        async def ask(self, target: Any, seen: Any, limit_s: float) -> str:
            try:
                return await super().ask(target, seen, limit_s)
            except Exception as error:
                raise error from ValueError("maximum context length is 4096 tokens")

    scene = TooLong(
        {"small": [fails("bad_request", status=400)], "same": [OK], "large": [OK]},
        changes={
            "small": {"context_length": 4096},
            "same": {"context_length": 4096},
            "large": {"context_length": 32768},
        },
    )
    assert course_of(flown(scene.run()).attempts) == [("small", "next"), ("large", "done")]
    # Also where it stands so far behind that nobody would have tried it.
    behind = TooLong(scene.does, Wanted(attempts=2), changes=scene.changes)
    assert course_of(flown(behind.run()).attempts) == [("small", "next"), ("large", "done")]


def test_who_was_full_at_first_is_somebody_to_go_to() -> None:
    scene = Scene(
        {"a": [Does(1)], "b": [Does(2, "auth"), OK]},
        Wanted(attempts=2),
        changes={"a": {"most_at_once": 1}},
    )
    first, second = flown(many(scene, 2))
    assert course_of(first.attempts) == [("a", "done")]
    assert course_of(second.attempts) == [("b", "next"), ("a", "done")]


def test_nobody_to_ask_says_why() -> None:
    with pytest.raises(RouteFailed, match="No target can be asked for chat-completion: none is"):
        flown(Scene({}).run())


# -- hedging ---------------------------------------------------------------------------------------

HEDGED = Wanted(hedge_after_s=2)


def test_a_slow_target_is_hedged_and_the_first_good_answer_wins() -> None:
    scene = Scene({"a": [Does(30)], "b": [Does(1)]}, HEDGED)
    routed = flown(scene.run())
    assert routed.target.name == "b"
    assert course_of(routed.attempts) == [("a", "cancelled"), ("b", "done")]
    slow, hedge = routed.attempts
    assert (slow.took_s, hedge.began_s) == (pytest.approx(3), pytest.approx(2))
    assert slow.call is not None and slow.call.outcome == "cancelled"
    assert hedge.call is not None
    assert (hedge.call.purpose, hedge.call.fallback_of, hedge.call.attempt) == ("hedge", "a0", 2)
    assert slow.cost is None and routed.cost is None  # nobody knows what it had written


def test_a_quick_target_is_not_hedged() -> None:
    scene = Scene({"a": [Does(1.9)], "b": [OK]}, HEDGED)
    assert course_of(flown(scene.run()).attempts) == [("a", "done")]
    assert [each.name for each in scene.asked] == ["a"]


def test_the_first_may_still_win() -> None:
    scene = Scene({"a": [Does(5)], "b": [Does(30)]}, HEDGED)
    assert course_of(flown(scene.run()).attempts) == [("a", "done"), ("b", "cancelled")]


def test_a_hedge_that_fails_changes_nothing_and_two_that_fail_go_on() -> None:
    scene = Scene({"a": [Does(5)], "b": [Does(1, "auth")]}, HEDGED)
    assert course_of(flown(scene.run()).attempts) == [("a", "done"), ("b", "hedged")]
    both = Scene({"a": [Does(5, "auth")], "b": [Does(1, "quota")], "c": [OK]}, HEDGED)
    assert course_of(flown(both.run()).attempts) == [
        ("a", "next"),
        ("b", "hedged"),
        ("c", "done"),
    ]


def test_an_early_failure_is_no_reason_to_hedge() -> None:
    scene = Scene({"a": [Does(1, "auth")], "b": [OK]}, HEDGED)
    routed = flown(scene.run())
    assert course_of(routed.attempts) == [("a", "next"), ("b", "done")]
    assert all(each.call and each.call.purpose == "work" for each in routed.attempts)


def test_a_hedge_needs_another_target_and_an_attempt_left() -> None:
    for scene in (
        Scene({"a": [Does(9)]}, HEDGED),
        Scene({"a": [Does(9)], "b": [OK]}, Wanted(hedge_after_s=2, attempts=1)),
    ):
        assert course_of(flown(scene.run()).attempts) == [("a", "done")]


# -- limits and breakers ---------------------------------------------------------------------------


async def many(scene: Scene, count: int) -> list[Any]:
    return await asyncio.gather(*(scene.run() for _ in range(count)), return_exceptions=True)


def most_at_once(asked: Sequence[Asked]) -> int:
    return max(sum(other.at_s <= each.at_s < other.ended_s for other in asked) for each in asked)


def test_a_full_target_is_waited_for_within_the_deadline() -> None:
    scene = Scene({"a": [Does(1)]}, changes={"a": {"most_at_once": 3}})
    answers = flown(many(scene, 12))
    assert [each.target.name for each in answers] == ["a"] * 12
    assert most_at_once(scene.asked) == 3
    assert max(each.ended_s for each in scene.asked) == pytest.approx(4, abs=0.3)
    short = Scene({"a": [Does(1)]}, Wanted(total_s=2.5), changes={"a": {"most_at_once": 1}})
    failed = [each for each in flown(many(short, 6)) if isinstance(each, RouteFailed)]
    assert len(failed) >= 3
    assert "1 at once allowed" in str(failed[0]) and not failed[0].attempts


def test_another_target_is_asked_rather_than_a_full_one_waited_for() -> None:
    scene = Scene({"a": [Does(1)], "b": [Does(1)]}, changes={"a": {"most_at_once": 2}})
    answers = flown(many(scene, 5))
    assert sorted(each.target.name for each in answers) == ["a", "a", "b", "b", "b"]


def test_so_many_requests_a_minute() -> None:
    scene = Scene({"a": [OK]}, Wanted(total_s=200), changes={"a": {"requests_per_minute": 4}})
    answers = flown(many(scene, 9))
    assert all(each.target.name == "a" for each in answers)
    began = sorted(each.at_s for each in scene.asked)
    assert began[3] < 1 and 60 <= began[4] < 61 and began[7] < 61 and 120 <= began[8] < 122


def test_a_breaker_opens_under_load_and_one_probe_brings_the_target_back() -> None:
    scene = Scene({"a": [*[fails()] * 12, OK], "b": [OK]})

    async def going() -> list[list[str]]:
        taken = []
        for _ in range(2):
            answers = await many(scene, 6)
            taken.append([each.target.name for each in answers])
        assert {name for each in taken for name in each} == {"b"}
        asked = len([each for each in scene.asked if each.name == "a"])
        await many(scene, 6)
        assert len([each for each in scene.asked if each.name == "a"]) == asked  # left alone
        await asyncio.sleep(7)
        scene._turn["a"] = 12
        probed = await many(scene, 6)
        after = await many(scene, 6)
        return [[each.target.name for each in probed], [each.target.name for each in after]]

    probed, after = flown(going())
    assert probed.count("a") == 1
    assert after == ["a"] * 6


def test_a_half_open_breaker_is_freed_by_whoever_takes_a_probe_back() -> None:
    scene = Scene({"a": [*[fails()] * 5, HANGS, OK]})

    async def going() -> str:
        for _ in range(3):
            with pytest.raises(RouteFailed):
                await scene.run()
        await asyncio.sleep(7)
        probe = asyncio.ensure_future(scene.run())
        await asyncio.sleep(1)
        probe.cancel()
        await asyncio.wait([probe])
        return (await scene.run()).target.name

    assert flown(going()) == "a"


# -- whoever asked takes it back -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scene", "after_s"),
    [
        (Scene({"a": [HANGS]}), 1),  # in an attempt
        (Scene({"a": [fails("rate_limited", retry_after_s=50)]}), 1),  # in a wait
        (Scene({"a": [HANGS], "b": [HANGS]}, HEDGED), 3),  # in a race
        (Scene({"a": [HANGS]}, changes={"a": {"most_at_once": 1}}), 1),  # waiting for room
    ],
    ids=["attempt", "wait", "race", "room"],
)
def test_taken_back_in_each_state(scene: Scene, after_s: float) -> None:
    async def going() -> None:
        two = [asyncio.ensure_future(scene.run()) for _ in range(2)]
        await asyncio.sleep(after_s)
        for each in two:
            each.cancel()
        done, _ = await asyncio.wait(two)
        assert all(each.cancelled() for each in done)
        before = len(scene.asked)
        assert all(each.how != "ok" for each in scene.asked)
        await asyncio.sleep(200)
        assert len(scene.asked) == before  # nobody runs on
        assert len(asyncio.all_tasks()) == 1
        for target in scene.targets:
            assert scene.metrics.health(target).under_way == 0

    flown(going())


def test_two_hundred_at_once() -> None:
    scene = Scene({"a": [fails(), OK], "b": [Does(0.5)], "c": [OK]})
    answers = flown(many(scene, 200))
    assert not [each for each in answers if isinstance(each, BaseException)]
    assert sum(len(each.attempts) for each in answers) == len(scene.asked)
    for target in scene.targets:
        assert scene.metrics.health(target).under_way == 0


def test_what_the_caller_did_wrong_is_raised_as_it_is() -> None:
    class Wrong(Scene):
        async def ask(self, target: Any, seen: Any, limit_s: float) -> str:
            raise Usage("no such parameter")

    scene = Wrong({"a": [OK], "b": [OK]})
    with pytest.raises(Usage, match="no such parameter"):
        flown(scene.run())
    assert scene.metrics.health(scene.targets[0]).under_way == 0


# -- the law ---------------------------------------------------------------------------------------

KINDS = (
    None,
    None,
    "auth",
    "rate_limited",
    "model_loading",
    "overloaded",
    "server_error",
    "timeout",
    "connection",
    "other",
)
DOES = st.builds(
    Does,
    after_s=st.sampled_from([0.0, 0.01, 0.4, 2.0, 7.0, 1e6]),
    kind=st.sampled_from(KINDS),
    retry_after_s=st.sampled_from([None, None, 0.0, 1.0, 4.9, 30.0]),
    sent=st.sampled_from([True, True, True, False]),
)
WANTED = st.builds(
    Wanted,
    total_s=st.sampled_from([0.05, 1.0, 5.0, 20.0]),
    attempt_s=st.sampled_from([0.3, 3.0, 60.0]),
    attempts=st.integers(1, 7),
    hedge_after_s=st.sampled_from([None, 0.0, 0.2, 2.5]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(DOES, min_size=1, max_size=4), min_size=1, max_size=4),
    WANTED,
    st.floats(0, 0.99),
    st.integers(1, 4),
)
def test_no_attempt_begins_after_the_deadline_and_none_outlives_it(
    does: list[list[Does]], wanted: Wanted, draw: float, at_once: int
) -> None:
    names = "abcd"[: len(does)]
    scene = Scene(dict(zip(names, does, strict=True)), wanted, draw=draw)
    scene.changes = {name: {"most_at_once": 2} for name in names}
    scene.__post_init__()

    async def going() -> tuple[list[Any], float]:
        began = asyncio.get_running_loop().time()
        answers = await many(scene, at_once)
        return answers, asyncio.get_running_loop().time() - began

    answers, took_s = flown(going())
    assert took_s <= wanted.total_s + EPSILON
    for each in scene.asked:
        assert each.at_s < wanted.total_s
        assert each.ended_s <= wanted.total_s + EPSILON
        assert each.ended_s - each.at_s <= wanted.attempt_s + EPSILON
    told = 0
    for answer in answers:
        attempts = answer.attempts
        told += len(attempts)
        assert len(attempts) <= wanted.attempts
        assert [each.number for each in attempts] == list(range(1, len(attempts) + 1))
        assert all(each.began_s < wanted.total_s for each in attempts)
        done = [each for each in attempts if each.then == "done"]
        assert len(done) == (0 if isinstance(answer, RouteFailed) else 1)
        if isinstance(answer, RouteFailed) and attempts:
            assert attempts[-1].then in ("give_up", "hedged")
        for one, other in pairwise(attempts):
            if one.then == "retry" and other.then != "hedged":
                waited = other.began_s - one.began_s - one.took_s
                assert waited >= 0
    assert told == len(scene.asked)
    assert all(scene.metrics.health(each).under_way == 0 for each in scene.targets)
