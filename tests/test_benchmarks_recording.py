"""The benchmark of the recorder: half of its calls are recorded, each beside one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import httpx2
import pytest
from factories_practice import calls

import hf_ledger
from benchmarks import recording
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.places import Places


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(recording, "PAIRS", 4)
    monkeypatch.setattr(recording, "WARM_UP", 4)
    with recording.upstream() as host:
        hf_ledger.record(hosts=[f"{host}=router"])
        yield recording.url_of(host)
        stop()


def test_every_other_call_is_recorded(url: str, places: Places) -> None:
    body = dict(recording.bodies(1))["  1 kB plain "]
    with httpx2.Client() as client:
        wall, cpu = recording.compared(httpx2.Client, partial(recording.plain, client, url, body))
    assert len(calls(places)) == 4 + 4 // 2
    assert [len(wall.bare), len(wall.recorded), len(cpu.bare)] == [4, 4, 4]
    assert {call.input_tokens for call in calls(places)} == {250}


def test_all_ways_to_call_are_measured(url: str, places: Places) -> None:
    for case in recording.async_cases(httpx2, "async", url, (1,)):
        case.call()
    for case in recording.sync_cases(httpx2, "sync", url, (1,)):
        case.call()
    assert [call.stream for call in calls(places)] == [False, True, False, True]
    assert {call.output_tokens for call in calls(places)} == {20, 40}
