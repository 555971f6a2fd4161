"""Whatever goes wrong inside the recorder, the caller's call goes on unchanged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import httpx2
import pytest
from factories_practice import Practice, calls, chat, counted, practice_server, recording

from hf_ledger.ingest.doors.hook import flight as flight_module
from hf_ledger.ingest.doors.hook import hook as hook_module
from hf_ledger.ingest.doors.hook.flight import Flight
from hf_ledger.ingest.doors.hook.hook import Hook
from hf_ledger.ingest.doors.hook.hosts import Watch
from hf_ledger.ingest.doors.hook.labels import Labels
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.doors.hook.retries import Retries
from hf_ledger.ingest.doors.hook.shield import Shield
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments
from hf_ledger.ingest.wire.reply import ReplyReader

#: Every part that a call passes through: where its name is looked up, and the name.
PARTS: list[tuple[Any, str]] = [
    (Watch, "sees"),
    (Watch, "way"),
    (hook_module, "body_of"),
    (hook_module, "read_call"),
    (hook_module, "uuid7"),
    (hook_module, "describe"),
    (hook_module, "json_of"),
    (hook_module, "wanted"),
    (hook_module, "Flight"),
    (Labels, "write_on"),
    (Retries, "number"),
    (Retries, "failed"),
    (Hook, "claim"),
    (Hook, "keep"),
    (Hook, "learn_origin"),
    (Flight, "wants"),
    (Flight, "answered"),
    (Flight, "feed"),
    (Flight, "over"),
    (Flight, "failed"),
    (flight_module, "ReplyReader"),
    (flight_module, "decoder"),
    (flight_module, "ending_of"),
    (flight_module, "fail"),
    (ReplyReader, "feed"),
    (ReplyReader, "finish"),
    (Segments, "write"),
    (Segments, "every_beat"),
]


class BrokenError(RuntimeError):
    """Raised where the recorder is made to fail."""


def broken(*given: Any, **named: Any) -> NoReturn:
    raise BrokenError("a prompt might be quoted here")


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


def use(client: httpx2.Client, server: Practice, text: str) -> list[int | str]:
    """Calls of all kinds, as their caller sees them; each text is refused once by "flaky"."""
    seen: list[int | str] = []
    models = ["", "", "practice/flaky", "practice/flaky", "practice/gzip", "practice/cut"]
    for number, model in enumerate([*models, "practice/hang"]):
        body = chat(text, stream=number == 1, **({"model": model} if model else {}))
        try:
            reply = client.post(f"{server.v1}/chat/completions", json=body, timeout=0.5)
            seen.append(reply.status_code)
            assert len(reply.read()) > 50
        except httpx2.HTTPError as error:
            seen.append(type(error).__name__)
    return seen


EXPECTED = [200, 200, 503, 200, 200, "RemoteProtocolError", "ReadTimeout"]


@pytest.mark.parametrize(("owner", "name"), PARTS, ids=lambda part: getattr(part, "__name__", part))
def test_every_inner_part_may_raise(
    server: Practice, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    with recording(server), httpx2.Client() as client:
        monkeypatch.setattr(owner, name, broken)
        assert use(client, server, f"{owner.__name__}.{name}") == EXPECTED
        hook = active.hook
        assert hook is not None
        assert hook.shield.failures > 0, f"{name} was never reached"
        monkeypatch.undo()


async def test_async_calls_go_on_too(server: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(server):
        monkeypatch.setattr(ReplyReader, "feed", broken)
        monkeypatch.setattr(Segments, "write", broken)
        async with httpx2.AsyncClient() as client:
            body = chat("hello", stream=True)
            async with client.stream("POST", f"{server.v1}/chat/completions", json=body) as reply:
                lines = [line async for line in reply.aiter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert active.hook is not None
        assert active.hook.shield.failures >= len(lines)
        monkeypatch.undo()


def test_failures_are_counted_and_reported(
    server: Practice, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(server):
        httpx2.post(f"{server.v1}/chat/completions", json=chat())
        monkeypatch.setattr(hook_module, "read_call", broken)
        for _ in range(3):
            httpx2.post(f"{server.v1}/chat/completions", json=chat())
        monkeypatch.undo()
    assert len(calls(places)) == 1
    assert counted(places) == {"recorder_error": 3}


def test_the_first_failure_is_logged_without_its_message(
    server: Practice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with recording(server), caplog.at_level(logging.WARNING, "hf_ledger"):
        monkeypatch.setattr(hook_module, "read_call", broken)
        for _ in range(3):
            httpx2.post(f"{server.v1}/chat/completions", json=chat())
        monkeypatch.undo()
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 1
    assert "BrokenError" in logged[0]
    assert "prompt" not in logged[0]


def test_a_failed_recording_leaves_nothing_open(
    server: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(server):
        monkeypatch.setattr(Flight, "wants", broken)
        httpx2.post(f"{server.v1}/chat/completions", json=chat())
        assert active.hook is not None
        assert active.hook.open == {}
        monkeypatch.undo()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit]
)
def test_interrupts_are_the_callers(error: type[BaseException]) -> None:
    def interrupted() -> None:
        raise error

    shield = Shield()
    with pytest.raises(error):
        shield(interrupted)
    assert shield.failures == 0


def test_the_shield_hands_results_through() -> None:
    shield = Shield()
    add: Callable[[int, int], int] = lambda a, b: a + b  # noqa: E731
    assert shield(add, 2, 3) == 5
    assert shield(broken) is None
    assert shield.failures == 1


def test_an_unwritable_folder_costs_no_call(
    server: Practice, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    places.root.parent.mkdir(exist_ok=True)
    places.root.write_text("a file where the folder should be")
    with recording(server):
        assert httpx2.post(f"{server.v1}/chat/completions", json=chat()).status_code == 200
        assert active.hook is not None
        assert active.hook.segments.waiting == 1
    assert "could not keep a call" in caplog.text


def test_an_unreadable_key_costs_the_hash_only(server: Practice, places: Places) -> None:
    places.root.mkdir()
    places.keys.write_text("a file where the folder should be")
    with recording(server):
        httpx2.post(f"{server.v1}/chat/completions", json=chat("some words"))
    (call,) = calls(places)
    assert (call.input_hash, call.hash_key_id, call.input_chars) == (None, None, 10)
    assert counted(places) == {"no_hash_key": 1}
    stop()
