"""From a program's call to the answers of the ledger, and what that costs the program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from factories_practice import CHAT_MODEL, Practice, chat, only_call, practice_server, recording

import hf_ledger
from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.ledger.owner import living_owner
from hf_ledger.ingest.places import Places

URL = "https://router.huggingface.co/v1/chat/completions"


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


def today(*origins: str) -> Scope:
    now = datetime.now(UTC)
    return Scope(now - timedelta(hours=1), now + timedelta(hours=1), origins=origins)


def rows(session: Any, question: str, scope: Scope, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.ask(question, scope, **more).to_pylist()
    return found


def test_a_recorded_call_answers_questions(server: Practice, places: Places) -> None:
    with recording(server, app="shop", team="search"):
        httpx2.post(f"{server.v1}/chat/completions", json=chat("one two three"))
        httpx2.post(f"{server.v1}/chat/completions", json=chat(model="practice/402"))
    with hf_ledger.connect(places) as session:
        (totals,) = rows(session, "totals", today("practice"))
        (own,) = rows(session, "totals", today("live", "import"))
        spend = rows(session, "spend", today("practice"), by=["team"])
    assert (totals["calls"], totals["ok"], totals["errors"]) == (2, 1, 1)
    assert (totals["input_tokens"], totals["output_tokens"]) == (3, 6)
    assert own["calls"] == 0, "no total mixes practice with the user's own"
    assert [(row["team"], row["calls"]) for row in spend] == [("search", 2)]


def test_a_stream_that_broke_off_costs_what_came_and_the_total_says_so(
    server: Practice, places: Places
) -> None:
    body = chat(model=f"{CHAT_MODEL}:cheapest", stream=True)
    wish = {"x-practice": "cut,no-usage,words=40"}
    with recording(server), pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(f"{server.v1}/chat/completions", json=body, headers=wish)
    with hf_ledger.connect(places) as session:
        (totals,) = rows(session, "totals", today("practice"))
    assert (totals["calls"], totals["ok"], totals["estimated_calls"]) == (1, 0, 1)
    assert totals["output_tokens"] > 10
    assert totals["priced_calls"] == 1
    assert totals["cost"] > 0


@pytest.fixture
def serving(places: Places) -> Iterator[None]:
    line = [sys.executable, "-m", "hf_ledger.cli", "serve", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        deadline = time.monotonic() + 60
        while living_owner(places) is None and time.monotonic() < deadline:
            assert program.poll() is None
            time.sleep(0.1)
        yield
        program.terminate()
        program.wait(timeout=30)


def test_a_running_server_knows_the_call_within_two_seconds(
    server: Practice, places: Places, serving: None
) -> None:
    with recording(server), hf_ledger.connect(places) as session:
        assert rows(session, "totals", today("practice"))[0]["calls"] == 0
        httpx2.post(f"{server.v1}/chat/completions", json=chat())
        replied = time.monotonic()
        while not rows(session, "totals", today("practice"))[0]["calls"]:
            assert time.monotonic() - replied < 2
            time.sleep(0.05)
        (row,) = rows(session, "calls", today("practice"), limit=10)
    assert row["requested_model"] == CHAT_MODEL
    assert row["call_id"] == only_call(places).call_id


def median_us(client: httpx2.Client, url: str, times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter_ns()
        client.post(url, content=b'{"model": "a/b", "messages": []}')
        taken.append((time.perf_counter_ns() - began) / 1000)
    return statistics.median(taken)


@pytest.mark.parametrize(
    ("url", "bound_us"),
    [("https://example.org/v1/chat/completions", 100), (URL, 2000)],
    ids=["others", "recorded"],
)
def test_what_it_adds_stays_small(places: Places, url: str, bound_us: float) -> None:
    """Wide bounds for a busy machine; `benchmarks/recording.py` has the real figures."""
    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=usage))
    with httpx2.Client(transport=transport) as client:
        median_us(client, url, 100)
        bare = median_us(client, url, 300)
        hf_ledger.record()
        median_us(client, url, 100)
        hooked = median_us(client, url, 300)
        stop()
    assert hooked - bare < bound_us


def test_pieces_that_wait_never_hold_up_the_end_marker(server: Practice, places: Places) -> None:
    """A client that stops at the marker has its line, however many pieces came just before."""
    with recording(server):
        for words in (1, 14, 15, 16, 17, 31, 64):
            body = chat(model=f"practice/words={words}", stream=True)
            with httpx2.stream("POST", f"{server.v1}/chat/completions", json=body) as reply:
                for line in reply.iter_lines():
                    if line == "data: [DONE]":
                        break
                newest = max(kept_calls(places), key=lambda call: call.ts)
            assert (newest.output_tokens, newest.outcome) == (words, "ok")


def kept_calls(places: Places) -> list[Any]:
    from factories_practice import calls

    return calls(places)
