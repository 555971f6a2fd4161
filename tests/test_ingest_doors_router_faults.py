"""Every kind of failure, over loopback: what the router does under each policy, and how soon."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_router import INPUTS

from benchmarks import route_availability
from benchmarks.route_faults import (
    ALONE,
    FAULTS,
    HEDGED,
    STREAMED,
    Cell,
    Servers,
    cell,
    policies_table,
    serving,
    ways_table,
)
from benchmarks.route_places import installed
from benchmarks.route_upstream import FAILED, OK, Reply, upstream
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.doors.router.blocking import Router
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.doors.router.wanted import POLICIES, Wanted

WANTED = Wanted(attempt_s=0.4, total_s=3.0)
#: A machine that is busy with other things.
BUSY_S = 10.0

REFUSED = "bad: give_up"
ON = "bad: next, good: done"
AGAIN = "bad: retry, bad: next, good: done"
TWICE = "bad: retry, bad: give_up"
ANSWERED = "bad: done"

#: Failure → with another target, alone, streamed.
COURSES = {
    "400": (REFUSED, REFUSED, REFUSED),
    "401": (ON, REFUSED, ON),
    "402": (ON, REFUSED, ON),
    "403": (ON, REFUSED, ON),
    "404": (ON, REFUSED, ON),
    "410": (ON, REFUSED, ON),
    "422": (REFUSED, REFUSED, REFUSED),
    "422, longer than its context": (ON, REFUSED, ON),
    "429": (ON, None, ON),
    "429, Retry-After: 1": (AGAIN, None, AGAIN),
    "429, Retry-After: 60": (ON, REFUSED, ON),
    "500": (AGAIN, TWICE, AGAIN),
    "502": (AGAIN, TWICE, AGAIN),
    "503, the model loads": (ON, REFUSED, ON),
    "504": (AGAIN, TWICE, AGAIN),
    "overloaded": (AGAIN, TWICE, AGAIN),
    "no reply": (AGAIN, TWICE, AGAIN),
    "connection refused": (AGAIN, TWICE, AGAIN),
    "cut in mid-body": (AGAIN, TWICE, REFUSED),
    "error in the stream": (ANSWERED, ANSWERED, REFUSED),
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")


def test_every_failure_has_its_line() -> None:
    assert set(COURSES) | {"slow (0.8 s)"} == set(FAULTS)


@pytest.mark.parametrize("fault", COURSES)
def test_each_failure(servers: Servers, fault: str) -> None:
    with_another, alone, streamed = COURSES[fault]
    for way, course in (("cheapest", with_another), (ALONE, alone), (STREAMED, streamed)):
        done = cell(servers, FAULTS[fault], way, WANTED)
        assert course in (done.course, None), way
        assert done.answered == done.course.endswith("done")
        assert done.seconds < WANTED.total_s + BUSY_S
        assert all(each.began_s < WANTED.total_s for each in done.attempts)
        assert all(each.took_s < WANTED.attempt_s + BUSY_S for each in done.attempts)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_follows_a_failure_is_the_same_under_every_policy(
    servers: Servers, policy: str
) -> None:
    for fault in ("400", "402", "500"):
        assert cell(servers, FAULTS[fault], policy, WANTED).course == COURSES[fault][0]


def test_retry_after_is_waited_for(servers: Servers) -> None:
    done = cell(servers, FAULTS["429, Retry-After: 1"], "cheapest", WANTED)
    first, second, _ = done.attempts
    assert second.began_s - first.began_s >= 1.0


def test_one_that_is_slow_is_hedged(servers: Servers) -> None:
    done = cell(servers, "practice/slow=30", HEDGED, WANTED)
    assert done.course == "bad: cancelled, good: done"
    assert done.cost is None  # nobody knows what the slow one will ask for


def test_the_tables_have_a_line_for_each_failure(servers: Servers) -> None:
    one = cell(servers, FAULTS["402"], "cheapest", WANTED)
    cells = {"402": dict.fromkeys((*POLICIES, ALONE, HEDGED, STREAMED), one)}
    lines = [*policies_table(cells), *ways_table(cells)]
    assert len(lines) == 6
    assert lines[2].startswith("| 402 | bad: next, good: done |")
    assert lines[2].endswith(" 0.0000009 |")  # 3 tokens in and 6 out at $0.10 a million
    other = Cell((), 1.0, answered=False)
    cells["402"]["split"] = other
    assert " 1.00 |" in list(policies_table(cells))[2]


# -- availability and deadlines over real sockets --------------------------------------------------


def test_three_targets_that_fail_a_third_of_their_requests_answer_nearly_all(
    tmp_path: Path,
) -> None:
    result = route_availability.run(tmp_path, 300, seed=7, attempts=6)
    assert result.share >= 0.97
    assert 0.5 < result.first_alone < 0.9  # they did fail
    assert max(result.attempts) > 1


def test_no_request_arrives_after_the_deadline(tmp_path: Path) -> None:
    chance = random.Random(3)

    def decide(model: str) -> Reply:
        return chance.choice([FAILED, FAILED, OK._replace(after_s=5), Reply(429)])

    with upstream(decide) as served:
        facts = {"kind": "self_hosted", "url": served.url}
        targets = {name: {**facts, "model": f"made/{name}"} for name in ("a", "b")}
        places = installed(tmp_path, targets)
        wanted = Wanted(total_s=0.7, attempt_s=0.5, attempts=9, hedge_after_s=0.1)
        with Router.open(places) as router:
            for _ in range(8):
                began = time.monotonic()
                with pytest.raises(RouteFailed) as failed:
                    router.run(wanted, INPUTS)
                assert time.monotonic() - began < wanted.total_s + BUSY_S
                assert all(each.began_s < wanted.total_s for each in failed.value.attempts)
            asked = len(served.came)
            time.sleep(0.5)
            assert len(served.came) == asked
        recording.stop()
