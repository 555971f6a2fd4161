"""What the ledger tells routers: the same counts as they make themselves, and nothing twice."""

from __future__ import annotations

import json
import logging
import random
import stat
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from factories_calls import spool
from factories_policies import MODEL, NOON, Clock, call_to, target

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.router.key import key_of, key_of_call
from hf_ledger.ingest.doors.router.metrics import SLICE_S, WINDOW_S, Metrics, piece_of
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.telling import SETTLE_SECONDS, RouterPublisher, told_now
from hf_ledger.ingest.doors.router.told import NOTHING, Following, Told
from hf_ledger.ingest.doors.router.window import Counts, counts_of
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

OWN = Target(name="own", kind="self_hosted", url="http://box:8000/v1", model=MODEL)
AUTO = target("auto", provider=None, routing="auto")
PLACES = (target("a"), target("B", model="Maker/Model"), AUTO, OWN)
ENDINGS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"ttft_ms": 90.0},
    {"cached_reply": True},
    {"outcome": "error", "error_kind": "rate_limited", "status": 429},
    {"outcome": "error", "error_kind": "bad_request", "status": 400},
    {"outcome": "interrupted", "error_kind": "connection"},
    {"outcome": "cancelled", "status": None},
    {"outcome": "error", "error_kind": "timeout", "latency_ms": None, "status": None},
)


@pytest.fixture
def ledger(places: Places) -> Iterator[Ledger]:
    with Ledger.open(places) as opened:
        yield opened


def made(chance: random.Random, ended: float, **more: Any) -> Call:
    """Any call to any place that ended at that time."""
    how = {"latency_ms": chance.lognormvariate(6, 1.5), **chance.choice(ENDINGS), **more}
    return call_to(
        chance.choice(PLACES), ended, call_id=str(uuid.UUID(int=chance.getrandbits(128))), **how
    )


class Process:
    """A program that routes: it records its calls, counts them, and follows the file."""

    def __init__(self, places: Places, clock: Clock, origin: Any = "live") -> None:
        self.places = places
        self.metrics = Metrics(clock, origin=origin)
        self.following = Following(places, self.metrics, clock=clock)
        self.calls: list[Call] = []

    def calling(self, *calls: Call) -> None:
        spool(self.places, calls)
        for call in calls:
            self.metrics.observe(call)
        self.calls += calls


def expected(all_calls: list[Call], own: list[Call], last: int, now: float) -> dict[Any, Counts]:
    """Of all that the ledger told, and of one's own after that, what lies in the window."""
    first = int(now // SLICE_S) - WINDOW_S // SLICE_S
    found: dict[Any, Counts] = {}
    for call in all_calls:
        piece, counts = piece_of(call, SLICE_S), counts_of(call)
        if counts and piece > first and (piece <= last or any(call is each for each in own)):
            found.setdefault(key_of_call(call), Counts()).add(counts)
    return found


def test_every_process_counts_each_call_once(places: Places, ledger: Ledger) -> None:
    chance, clock = random.Random(7), Clock()
    one, two = Process(places, clock), Process(places, clock)
    publisher = RouterPublisher(ledger, places, clock=clock)
    for step in range(24):
        clock.now += chance.choice([0.5, 3.0, 11.0, 60.0])
        for process in (one, two):
            process.calling(*(made(chance, clock.now) for _ in range(chance.randrange(6))))
        clock.now += 0.2
        if step % 3 != 2:  # now and then the collector is late
            collect(ledger, places)
            publisher.attend()
        for process in (one, two):
            process.following.attend()
        if step % 3 != 2:
            told = msgspec.json.decode(places.router_state.read_bytes(), type=Told)
            every = [*one.calls, *two.calls]
            for process in (one, two):
                assert process.metrics.told == told.last
                wanted = expected(every, process.calls, told.last, clock.now)
                for place in PLACES:
                    found = process.metrics.counts(place)
                    assert found == wanted.get(key_of(place), Counts()), (step, place.name)


def test_the_rows_are_counted_as_the_calls_are(places: Places, ledger: Ledger) -> None:
    chance = random.Random(3)
    calls = [made(chance, NOON - chance.uniform(0, 900)) for _ in range(400)]
    spool(places, calls)
    collect(ledger, places)
    told = told_now(ledger, NOON)
    found = {
        (place.key, piece): counts for place in told.live for piece, counts in place.slices.items()
    }
    wanted: dict[Any, Counts] = {}
    first = told.last - WINDOW_S // SLICE_S
    for call in calls:
        piece, counts = piece_of(call, SLICE_S), counts_of(call)
        if counts and first < piece <= told.last:
            wanted.setdefault((key_of_call(call), piece), Counts()).add(counts)
    assert found == wanted and len(wanted) > 100


def test_a_slice_is_told_when_it_is_over_and_settled(places: Places, ledger: Ledger) -> None:
    over = NOON + SLICE_S
    assert told_now(ledger, over + SETTLE_SECONDS - 0.1).last == NOON // SLICE_S - 1
    assert told_now(ledger, over + SETTLE_SECONDS).last == NOON // SLICE_S


def test_a_program_that_starts_knows_what_others_saw(places: Places, ledger: Ledger) -> None:
    clock = Clock()
    first = Process(places, clock)
    first.calling(*(call_to(OWN, NOON, call_id=str(uuid.uuid4())) for _ in range(5)))
    collect(ledger, places)
    clock.now += 15
    RouterPublisher(ledger, places, clock=clock).attend()
    later = Process(places, clock)
    assert later.metrics.health(OWN).calls == 5
    assert later.metrics.health(OWN).latency_ms == pytest.approx(500, rel=0.05)


def test_without_an_owner_the_last_file_grows_old_and_leaves(
    places: Places, ledger: Ledger
) -> None:
    clock = Clock()
    process = Process(places, clock)
    assert process.following.age_s is None
    process.calling(*(call_to(OWN, NOON, call_id=str(uuid.uuid4())) for _ in range(5)))
    collect(ledger, places)
    clock.now += 15
    RouterPublisher(ledger, places, clock=clock).attend()
    clock.now = NOON + 500
    started = Process(places, clock)
    assert started.following.age_s == 490
    started.calling(call_to(OWN, clock.now, call_id=str(uuid.uuid4())))
    assert started.metrics.health(OWN).calls == 6
    clock.now = NOON + WINDOW_S
    assert started.metrics.health(OWN).calls == 1


def test_practice_is_told_apart(places: Places, ledger: Ledger) -> None:
    clock = Clock()
    work, practice = Process(places, clock), Process(places, clock, "practice")
    place = PLACES[0]
    work.calling(call_to(place, NOON, call_id=str(uuid.uuid4())))
    practice.calling(
        *(call_to(place, NOON, call_id=str(uuid.uuid4()), origin="practice") for _ in range(3))
    )
    collect(ledger, places)
    clock.now += 15
    RouterPublisher(ledger, places, clock=clock).attend()
    for process, calls in ((work, 1), (practice, 3)):
        process.following.attend()
        assert process.metrics.health(place).calls == calls


def test_practice_of_ones_own_counts_though_the_ledger_tells_only_of_work(
    places: Places, ledger: Ledger
) -> None:
    clock = Clock()
    process = Process(places, clock)
    process.calling(call_to(OWN, NOON, call_id=str(uuid.uuid4()), origin="practice"))
    collect(ledger, places)
    clock.now += 15
    RouterPublisher(ledger, places, clock=clock).attend()
    process.following.attend()
    assert process.metrics.told > 0 and process.metrics.health(OWN).calls == 1


def test_imports_and_the_sample_say_nothing_of_now(places: Places, ledger: Ledger) -> None:
    spool(
        places,
        [
            call_to(OWN, NOON - 60, call_id=str(uuid.uuid4()), origin=origin)
            for origin in ("import", "sample")
        ],
    )
    collect(ledger, places)
    told = told_now(ledger, NOON)
    assert told.live == told.practice == ()


def test_the_file_is_private_and_holds_counts_alone(places: Places, ledger: Ledger) -> None:
    call = call_to(
        OWN,
        NOON - 60,
        call_id=str(uuid.uuid4()),
        user_id="marker-user",
        team="marker-team",
        input_hash="f" * 32,
        tags={"marker": "tag"},
    )
    spool(places, [call])
    collect(ledger, places)
    RouterPublisher(ledger, places, clock=Clock()).attend()
    content = places.router_state.read_text()
    assert stat.S_IMODE(places.router_state.stat().st_mode) == 0o600
    assert "marker" not in content and "ffff" not in content and call.call_id not in content
    assert json.loads(content)["live"][0][0] == ["self_hosted", "", MODEL, "box:8000"]


def test_it_is_written_only_when_something_changed(places: Places, ledger: Ledger) -> None:
    clock = Clock()
    publisher = RouterPublisher(ledger, places, clock=clock)
    before = places.router_state.stat().st_mtime_ns, places.router_state.stat().st_ino
    publisher.attend()
    assert (places.router_state.stat().st_mtime_ns, places.router_state.stat().st_ino) == before
    clock.now += SLICE_S
    publisher.attend()
    assert (places.router_state.stat().st_mtime_ns, places.router_state.stat().st_ino) != before


def test_a_file_that_is_broken_or_of_other_slices_changes_nothing(
    places: Places, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    process = Process(places, clock)
    process.calling(call_to(OWN, NOON, call_id=str(uuid.uuid4())))
    places.router_state.parent.mkdir(parents=True)
    places.router_state.write_bytes(b"{")
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        process.following.attend()
        process.following.attend()
    assert len(caplog.records) == 1
    other = msgspec.structs.replace(NOTHING, slice_s=7, last=10**9)
    places.router_state.write_bytes(msgspec.json.encode(other))
    process.following.attend()
    assert process.metrics.told == 0 and process.metrics.health(OWN).calls == 1


def test_a_folder_that_can_not_be_written_is_one_line(
    places: Places, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    places.router_state.mkdir(parents=True)
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        RouterPublisher(ledger, places, clock=Clock()).attend()
    assert "could not tell its routers" in caplog.text


def test_both_threads_do_it_by_themselves(places: Places, ledger: Ledger) -> None:
    metrics = Metrics()
    publisher = RouterPublisher(ledger, places, every_seconds=0.02)
    following = Following(places, metrics, every_seconds=0.02)
    publisher.start()
    following.start()
    try:
        spool(places, [call_to(OWN, time.time() - 60, call_id=str(uuid.uuid4()))])
        collect(ledger, places)
        end = time.monotonic() + 20
        while metrics.health(OWN).calls == 0 and time.monotonic() < end:
            time.sleep(0.02)
        assert metrics.health(OWN).calls == 1
    finally:
        publisher.stop()
        following.stop()
    assert not publisher.is_alive() and not following.is_alive()
