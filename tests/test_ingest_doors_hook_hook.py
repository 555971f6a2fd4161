"""The recorder of one process: who ends a flight, what is marked, counted, learnt and moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from factories_practice import calls, chat, counted, recorded
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.call import Call, OpenCall, RouteSeen
from hf_ledger.ingest.doors.hook import labels
from hf_ledger.ingest.doors.hook.flight import Flight, LookUp
from hf_ledger.ingest.doors.hook.hook import MARK_AFTER_NS, Hook
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.exchange import WireSettings

URL = "https://router.huggingface.co/v1/chat/completions"


@pytest.fixture
def hook(places: Places) -> Iterator[Hook]:
    made = Hook(Segments(places.spool), WireSettings(), labels.given(app="shop"), places.keys)
    yield made
    made.stop()


def request(url: str = URL, **more: Any) -> httpx2.Request:
    return httpx2.Request("POST", url, json=chat(**more), headers={"authorization": "Bearer hf_x"})


def departed(hook: Hook, **more: Any) -> Flight:
    flight = hook.begin(request(**more))
    assert isinstance(flight, Flight)
    return flight


def arrived(flight: Flight, status: int = 200, **headers: str) -> None:
    named = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    flight.wants(status, named)


def test_a_flight_knows_its_call_before_any_reply(hook: Hook) -> None:
    before = time.time_ns() // 1000
    call = departed(hook, model="a/b:groq").call
    assert before <= call.ts <= time.time_ns() // 1000
    assert (call.requested_model, call.provider, call.routing) == ("a/b", "groq", "explicit")
    assert (call.app, call.source, call.origin) == ("shop", "hook", "live")
    assert call.input_hash is not None
    assert call.hash_key_id is not None


def test_requests_of_others_leave_no_trace(hook: Hook, places: Places) -> None:
    assert hook.begin(request("https://example.org/v1/chat/completions")) is None
    hook.beat()
    assert hook.open == {}
    assert not places.root.exists()


def test_the_first_to_end_a_flight_ends_it(hook: Hook, places: Places) -> None:
    flight = departed(hook)
    arrived(flight)
    flight.feed(b'{"usage": {"prompt_tokens": 1, "completion_tokens": 2}}')
    flight.over(None)
    flight.over(GeneratorExit())
    flight.failed(ConnectionError())
    flight.feed(b"late bytes")
    assert [call.outcome for call in calls(places)] == ["ok"]


@given(st.permutations(["over", "failed", "abandon"]))
def test_whoever_comes_first_there_is_one_end(order: list[str]) -> None:
    written: list[Any] = []
    segments: Any = SimpleNamespace(write=written.append, every_beat=lambda beat: None)
    hook = Hook(segments, WireSettings(), labels.NONE, Path("/nowhere"))
    flight = departed(hook)
    arrived(flight)
    ends = {
        "over": lambda: flight.over(None),
        "failed": lambda: flight.failed(OSError()),
        "abandon": flight.abandon,
    }
    for name in order:
        ends[name]()
    assert len(written) == (0 if order[0] == "abandon" else 1)
    assert hook.open == {}


def test_many_threads_ending_one_flight(hook: Hook, places: Places) -> None:
    flights = [departed(hook, text=str(number)) for number in range(50)]
    for flight in flights:
        arrived(flight)
    gate = threading.Barrier(8)

    def end() -> None:
        gate.wait()
        for flight in flights:
            flight.over(None)

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls(places)) == 50


def aged(flight: Flight) -> Flight:
    flight.started -= MARK_AFTER_NS + 1
    return flight


def marks(places: Places) -> list[str]:
    return [line.call.call_id for line in recorded(places) if isinstance(line, OpenCall)]


def test_only_long_flights_are_marked_and_once(hook: Hook, places: Places) -> None:
    long, short = aged(departed(hook)), departed(hook)
    hook.beat()
    hook.beat()
    assert marks(places) == [long.call.call_id]
    assert short.marked is False


def test_no_mark_after_the_end(hook: Hook, places: Places) -> None:
    """However mark and end fall together, the end is the last line of the call."""
    flights = [aged(departed(hook, text=str(number))) for number in range(200)]
    for flight in flights:
        arrived(flight)
    marking = threading.Thread(target=hook.mark_open)
    marking.start()
    for flight in flights:
        flight.over(None)
    marking.join()
    lines = [line for line in recorded(places) if isinstance(line, Call | OpenCall)]
    ended: set[str] = set()
    for line in lines:
        if isinstance(line, OpenCall):
            assert line.call.call_id not in ended
        else:
            ended.add(line.call_id)
    assert len(ended) == 200


def test_a_gateway_that_records_is_left_unmarked_from_then_on(hook: Hook, places: Places) -> None:
    first = departed(hook)
    arrived(first, x_hf_ledger_call_id="01")
    second = aged(departed(hook))
    hook.beat()
    assert second.marked is False
    arrived(second, x_hf_ledger_call_id="02")
    hook.beat()
    assert (hook.open, calls(places)) == ({}, [])


def test_practice_is_learnt_and_unlearnt_by_host(hook: Hook) -> None:
    first = departed(hook)
    assert first.call.origin == "live"
    arrived(first, x_hf_ledger_practice="1")
    second = departed(hook)
    assert (first.call.origin, second.call.origin) == ("practice", "practice")
    arrived(second)
    assert (second.call.origin, departed(hook).call.origin) == ("live", "live")


def route(model: str = "acme/m", wire: str = "acme/m-turbo") -> RouteSeen:
    return RouteSeen(ts=1, model=model, provider="novita", provider_model=wire)


def test_what_is_remembered_of_a_chat_is_all_that_repeats(hook: Hook, places: Places) -> None:
    """The second call with one model is a copy of the first, except for what is its own."""
    first = departed(hook, model="a/b:groq", text="one", stream=True).call
    second = departed(hook, model="a/b:groq", text="two three").call
    other = departed(hook, model="c/d", text="two three").call
    fresh = Hook(hook.segments, WireSettings(), labels.given(app="shop"), places.keys)
    expected = departed(fresh, model="a/b:groq", text="two three").call
    expected.call_id, expected.ts = second.call_id, second.ts
    assert second == expected
    assert (first.stream, first.input_chars) == (True, 3)
    assert (other.requested_model, other.provider, other.stream) == ("c/d", None, False)


def test_a_route_learnt_between_two_calls_is_known_to_the_second(hook: Hook) -> None:
    url = "https://router.huggingface.co/novita/v3/openai/chat/completions"
    asking = request(url, model="acme/m-turbo")
    before = hook.begin(asking)
    assert isinstance(before, Flight)
    assert before.call.requested_model is None
    hook.learn([route()])
    after = hook.begin(asking)
    assert isinstance(after, Flight)
    assert after.call.requested_model == "acme/m"


def test_only_so_many_chats_are_remembered(hook: Hook) -> None:
    for number in range(3000):
        assert departed(hook, model=f"a/{number}").call.requested_model == f"a/{number}"
    assert len(hook.watch.chats) <= 1024


def test_a_route_is_told_once_and_again_when_it_changes(hook: Hook, places: Places) -> None:
    hook.learn([route(), route()])
    hook.learn([route(), route(model="acme/m2")])
    told = [line.model for line in recorded(places) if isinstance(line, RouteSeen)]
    assert told == ["acme/m", "acme/m2"]


def test_look_ups_too_long_to_be_one_model_are_let_go(hook: Hook, places: Places) -> None:
    look_up = LookUp(hook, "https://huggingface.co/api/models")
    for _ in range(10):
        look_up.feed(b" " * (1 << 20))
    assert sum(map(len, look_up.kept)) <= 8 << 20
    look_up.over(None)
    assert not places.spool.exists()


def test_a_refused_look_up_teaches_nothing(hook: Hook) -> None:
    assert LookUp(hook, "https://huggingface.co/api/models/a/b").wants(404, {}) is False


def test_counts_of_many_threads_add_up(hook: Hook, places: Places) -> None:
    def work() -> None:
        for _ in range(500):
            hook.count("poll")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hook.beat()
    assert counted(places) == {"poll": 4 * 500}


def test_counts_that_could_not_be_told_are_told_later(
    hook: Hook, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.count("poll", 2)
    monkeypatch.setattr(Segments, "write", lambda self, line: False)
    hook.beat()
    monkeypatch.undo()
    hook.count("poll")
    hook.beat()
    assert counted(places) == {"poll": 2 + 1}


def test_the_end_of_the_process_writes_what_is_under_way(hook: Hook, places: Places) -> None:
    waiting, reading = departed(hook, text="a"), departed(hook, text="b")
    arrived(reading)
    hook.finish()
    outcomes = {call.call_id: call.outcome for call in calls(places)}
    assert outcomes == {
        waiting.call.call_id: "cancelled",
        reading.call.call_id: "interrupted",
    }


def test_a_forks_child_forgets_what_is_its_parents(hook: Hook, places: Places) -> None:
    flight = departed(hook)
    arrived(flight)
    hook.count("poll")
    hook.restart()
    flight.over(None)
    hook.finish()
    assert not places.spool.exists()


def test_stopped_it_sees_nothing(hook: Hook) -> None:
    hook.stop()
    assert hook.begin(request()) is None


def test_more_hosts_may_come_later(hook: Hook) -> None:
    address = "http://gpu.internal:8000/v1/chat/completions"
    assert hook.begin(request(address)) is None
    hook.watch_also({"gpu.internal:8000": "self_hosted"})
    found = hook.begin(request(address))
    assert isinstance(found, Flight)
    assert (found.call.host_kind, found.call.payer) == ("self_hosted", "self")
    assert hook.begin(request()) is not None


def test_moving_makes_a_key_of_its_own(hook: Hook, places: Places, tmp_path: Path) -> None:
    elsewhere = Places(tmp_path / "elsewhere")
    first = departed(hook).call
    hook.move(Segments(elsewhere.spool), elsewhere.keys)
    second = departed(hook).call
    assert first.hash_key_id != second.hash_key_id
    assert (places.keys.exists(), elsewhere.keys.exists()) == (True, True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_counted_and_no_calls(hook: Hook, places: Places, status: int) -> None:
    arrived(departed(hook), status)
    hook.beat()
    assert (calls(places), counted(places)) == ([], {"other": 1})
