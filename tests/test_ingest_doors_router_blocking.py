"""The router for programs without an event loop: threads, forks, and the end of the program."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent
from typing import Any

import pytest
from factories_practice import Practice, calls, practice_server
from factories_router import GOOD, INPUTS, installed, routes, wished

import hf_ledger
from hf_ledger.ingest.doors.hook import attribute
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.doors.router.blocking import Router
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def practice(server: Practice, monkeypatch: pytest.MonkeyPatch) -> Iterator[Practice]:
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    yield server
    stop()


def test_runs_chats_and_streams(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"good": GOOD}), Router.open(places, app="shop") as router:
        ran = router.run(None, INPUTS, {"max_tokens": 2})
        said = router.chat(INPUTS["messages"], max_tokens=2, policy="fastest")
        with router.stream(None, INPUTS) as answer:
            with pytest.raises(Usage, match="has not ended yet"):
                _ = answer.routed
            pieces = list(answer)
        assert answer.routed.value == answer.text == "".join(pieces)
    assert ran.value.usage.completion_tokens == said.value.usage.completion_tokens == 2
    assert [(each.app, each.outcome) for each in calls(places)] == [("shop", "ok")] * 3


def test_errors_are_the_same(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"bad": wished("402")}), Router.open(places) as router:
        with pytest.raises(RouteFailed, match=r"credits used up \(402\)"):
            router.run(None, INPUTS)
        with (
            pytest.raises(RouteFailed, match=r"credits used up \(402\)"),
            router.stream(None, INPUTS),
        ):
            pass
        with pytest.raises(Usage, match="Enter the stream first"):
            _ = router.stream(None, INPUTS).routed


def test_leaving_a_stream_early_closes_it(practice: Practice, places: Places) -> None:
    slow = {"slow": wished("words=300,slow=30")}
    with routes(practice, places, slow), Router.open(places) as router:
        with router.stream(None, INPUTS) as answer:
            assert next(iter(answer))
        assert answer.routed.attempts[0].then == "cancelled"
        assert [each.outcome for each in calls(places)] == ["interrupted"]


def test_several_threads_each_with_its_labels(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"good": GOOD}), Router.open(places) as router:

        def ask(number: int) -> str:
            with attribute(user=f"u{number}"):
                return router.run(None, INPUTS, {"max_tokens": 1}).operation_id

        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(ask, range(40)))
    assert len(set(made)) == 40
    users = {each.operation_id: each.user_id for each in calls(places)}
    assert users == {each: f"u{number}" for number, each in enumerate(made)}


def test_closing_ends_what_others_wait_for(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"busy": wished("hang")}):
        router, raised = Router.open(places), []

        def ask() -> None:
            try:
                router.run(None, INPUTS)
            except Usage as error:
                raised.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for each in threads:
            each.start()
        time.sleep(0.3)
        router.close()
        for each in threads:
            each.join(10)
        assert not any(each.is_alive() for each in threads)
        assert raised == ["This router is closed: open another with Router.open()."] * 4
        with pytest.raises(Usage, match="is closed"):
            router.run(None, INPUTS)
        router.close()
        assert {each.outcome for each in calls(places)} == {"cancelled"}


async def test_it_does_not_block_an_event_loop(practice: Practice, places: Places) -> None:
    with routes(practice, places, {"good": GOOD}), Router.open(places) as router:
        with pytest.raises(Usage, match="use AsyncRouter there"):
            router.run(None, INPUTS)
        assert (await asyncio.to_thread(router.run, None, INPUTS)).target.name == "good"


PROGRAM = """
import os, sys, threading, time
import hf_ledger
INPUTS = {"messages": [{"role": "user", "content": "one two"}]}
router = hf_ledger.Router.open()
"""


def program(practice: Practice, places: Places, text: str, **targets: Any) -> str:
    """What a program of its own prints; it must end by itself."""
    installed(places, practice.url, targets)
    line = [sys.executable, "-c", PROGRAM + dedent(text)]
    environment = {**os.environ, "HF_LEDGER_DIR": str(places.root), "HF_TOKEN": "hf_SECRET"}
    ended = subprocess.run(
        line, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr, ended.stderr
    return ended.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_begins_anew(practice: Practice, places: Places) -> None:
    told = program(
        practice,
        places,
        """
        print(router.run(None, INPUTS).target.name, flush=True)
        child = os.fork()
        if child == 0:
            print("child", router.run(None, INPUTS).target.name, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("parent", router.run(None, INPUTS).target.name)
        """,
        good=GOOD,
    )
    assert told.split("\n") == ["good", "child good", "parent good", ""]
    assert len(calls(places)) == 3


def test_the_program_ends_without_a_word_though_a_call_is_under_way(
    practice: Practice, places: Places
) -> None:
    told = program(
        practice,
        places,
        """
        from hf_ledger.ingest.errors import Usage
        def ask():
            try:
                router.run(None, INPUTS)
            except Usage:
                pass
        threading.Thread(target=ask, daemon=True).start()
        time.sleep(1)
        print("over")
        """,
        busy=wished("hang"),
    )
    assert told == "over\n"
    (call,) = calls(places)
    assert call.outcome in ("cancelled", "interrupted", "error")


def test_importing_the_package_stays_light() -> None:
    line = (
        "import sys, hf_ledger; hf_ledger.Router; hf_ledger.AsyncRouter; "
        "heavy = {'duckdb', 'pandas', 'streamlit', 'pydantic', 'huggingface_hub', 'httpx2',"
        " 'aiohttp', 'phonenumbers'}; print(sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
    assert hf_ledger.Router is Router
