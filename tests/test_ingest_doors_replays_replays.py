"""The queue behind the gateway: never in the caller's way, bounded, text-free, whole if killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import ClientSession, web
from factories_calls import make_call
from factories_practice import CHAT_MODEL, calls, practice_server, recorded
from factories_replays import (
    JUDGE,
    Models,
    chat_reply,
    make_asking,
    make_key,
    make_outcome,
    models,
    raw_reply,
    replay_rows,
    says,
)

from hf_ledger.ingest.call import Call, Replayed
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.replays.replaying import Judging
from hf_ledger.ingest.doors.replays.replays import AT_ONCE, MOST_WAITING, Replays
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

ALL = make_key(share=1.0)


def replays_of(served: Models, seed: int = 1, **given: Any) -> Replays:
    return Replays(served.replayer(**given), served.segments.write, Random(seed))


def offer(replays: Replays, count: int = 1, answer: str = "yes", **asking: Any) -> None:
    for _ in range(count):
        asked = make_asking(**{"key": ALL, **asking})
        ended(replays, asked, make_call(key_id="k1"), chat_reply(answer))


def ended(replays: Replays, asking: Asking, call: Call, reply: bytes) -> None:
    """The call is answered, and its reply has gone by."""
    tap = replays.tap(asking)
    if tap is not None:
        tap.opened("application/json", None)
        tap.feed(reply)
        tap.over(make_outcome(call=call))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def running(replays: Replays, *, replayed: int) -> None:
    """Run until so many are replayed, then close."""
    task = asyncio.create_task(replays.run())
    await until(lambda: replays.counts["replayed"] >= replayed)
    await replays.close()
    assert task.done()


def replayed_in(places: Places) -> list[Replayed]:
    return [line for line in recorded(places) if isinstance(line, Replayed)]


async def test_what_is_offered_is_replayed_behind_the_caller(places: Places) -> None:
    async with models(places, candidate=says("yes"), strong=says("yes")) as served:
        replays = replays_of(served)
        offer(replays, 20)
        assert served.asked == []
        await running(replays, replayed=20)
    rows = replayed_in(places)
    assert len(rows) == 20
    assert {row.candidate == row.model for row in rows} == {True, False}
    assert replays.counts == {"sampled": 20, "replayed": 20, "dropped": 0}
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        assert len(replay_rows(ledger)) == 20
        found = ledger.cursor().execute(
            "select distinct source, purpose from calls order by purpose"
        )
        assert found.fetchall() == [("replay", "evaluation"), ("replay", "replay")]


async def test_the_queue_drops_and_counts_what_is_too_much(places: Places) -> None:
    async with models(places, candidate=says("yes"), strong=says("yes")) as served:
        replays = replays_of(served)
        offer(replays, MOST_WAITING + 9)
        assert (replays.waiting, replays.counts["dropped"]) == (MOST_WAITING, 9)
        await running(replays, replayed=MOST_WAITING)
    assert len(replayed_in(places)) == MOST_WAITING


async def test_what_waits_is_bounded_in_bytes_and_makes_room_again(places: Places) -> None:
    large = "x" * 250_000
    async with models(places, candidate=says("yes"), strong=says("yes")) as served:
        replays = replays_of(served)
        offer(replays, 40, text=large)
        kept = replays.waiting
        assert 30 <= kept < 40
        task = asyncio.create_task(replays.run())
        await until(lambda: replays.counts["replayed"] == kept)
        offer(replays, 3, text=large)
        await until(lambda: replays.counts["replayed"] == kept + 3)
        await replays.close()
        assert task.done()


async def test_no_more_are_under_way_than_allowed(places: Places) -> None:
    busy: list[int] = []

    async def slow(_: dict[str, Any]) -> web.Response:
        busy.append(len(busy) + 1 - done[0])
        await asyncio.sleep(0.01)
        done[0] += 1
        return raw_reply(chat_reply("yes"))

    done = [0]
    async with models(places, candidate=slow, strong=slow) as served:
        replays = replays_of(served)
        offer(replays, 12)
        await running(replays, replayed=12)
    assert max(busy) == AT_ONCE


async def test_only_the_sampled_share_is_sent_and_the_rest_costs_next_to_nothing(
    places: Places,
) -> None:
    async with models(places) as served:
        replays = replays_of(served)
        asked = make_asking(key=make_key(share=1e-9))
        spans = []
        for _ in range(20):
            started = time.perf_counter()
            for _ in range(200):
                assert replays.tap(asked) is None
            spans.append((time.perf_counter() - started) / 200)
    assert (replays.waiting, replays.counts) == (0, {})
    assert min(spans) < 20e-6


async def test_what_must_not_be_sent_again_is_counted_by_reason(places: Places) -> None:
    async with models(places) as served:
        replays = replays_of(served)
        offer(replays, headers={"x-hf-ledger-no-replay": "1"})
        offer(replays, 2, verdicts={"compliance": "mask: 1 email; class confidential"})
        offer(replays, text="x" * 300_000)
        offer(replays, key=None)
        ended(replays, make_asking(key=ALL), make_call(purpose="judge"), b"")
    assert replays.waiting == 0
    assert replays.counts == {
        "sampled": 5,
        "asked_not_to": 1,
        "found": 2,
        "too_large": 1,
        "no_work": 1,
    }


async def test_a_cap_holds_whatever_is_under_way_and_unknown(places: Places) -> None:
    async with models(places, usd="0.095", candidate=says("yes"), strong=says("yes")) as served:
        served.prices = dict.fromkeys(served.answers)
        replays = replays_of(served)
        offer(replays, 30)
        task = asyncio.create_task(replays.run())
        # A cent each at worst: nine are sent, and half a cent is left over.
        await until(lambda: replays.counts["over_cap"] == 21)
        await replays.close()
        assert task.done()
    assert (len(served.asked), replays.counts["replayed"]) == (9, 9)


async def test_what_a_request_did_not_cost_pays_for_the_next(places: Places) -> None:
    async with models(places, usd="0.10", candidate=says("yes"), strong=says("yes")) as served:
        replays = replays_of(served)
        # Thirty tenths of a cent; at their worst ten of them would reach the cap.
        offer(replays, 30)
        await running(replays, replayed=30)
    assert replays.counts["over_cap"] == 0


async def test_closing_forgets_what_waits_and_keeps_no_half_row(places: Places) -> None:
    async def never(_: dict[str, Any]) -> web.Response:
        await asyncio.sleep(5)
        return raw_reply(chat_reply("yes"))

    async with models(places, candidate=never, strong=never) as served:
        replays = replays_of(served)
        offer(replays, 6)
        task = asyncio.create_task(replays.run())
        await until(lambda: len(served.asked) == AT_ONCE)
        await replays.close()
        assert task.done()
        offer(replays)
    assert replays.waiting == 0
    assert (replays.counts["cancelled"], replays.counts["dropped"]) == (2, 4)
    assert replayed_in(places) == []


async def test_a_defect_ends_one_replay_and_quotes_nothing(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    async with models(places, candidate=says("yes"), strong=says("yes")) as served:
        first = [True]

        async def send(errand: Any) -> Any:
            if first.pop() if first else False:
                raise RuntimeError("marker-7731")
            return await served.send(errand)

        replays = replays_of(served, send=send)
        offer(replays, 4)
        await running(replays, replayed=3)
    assert replays.counts["defect"] == 1
    assert "RuntimeError" in caplog.text
    assert "marker" not in caplog.text


async def test_no_text_reaches_spool_ledger_or_log(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = "marker-7731 was seen by nobody, as far as anybody who was there could tell."
    other = "marker-7732 was seen by everybody, and each of them told something else."
    answers = {"candidate": says(other), "strong": says(other), "judge": says("marker-7733")}
    async with models(places, **answers) as served:
        replays = replays_of(served, judging=Judging(llm_model=JUDGE))
        offer(replays, 5, answer=said, text="marker-7734")
        await running(replays, replayed=5)
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        assert len(replay_rows(ledger)) == 5
    kept = b"".join(path.read_bytes() for path in places.root.rglob("*") if path.is_file())
    assert b"replay_id" in kept
    assert b"marker-773" not in kept
    assert "marker-773" not in caplog.text


async def test_the_practice_server_is_replayed_as_any_other(places: Places) -> None:
    with practice_server() as practice:
        async with ClientSession() as session, models(places) as served:
            served.url, served.session = practice.url, session
            replays = replays_of(served)
            answer = "Practice server, no model ran. You wrote: Is it raining?"
            offer(replays, 20, answer=answer, key=make_key(candidate=CHAT_MODEL))
            await running(replays, replayed=20)
    rows = replayed_in(places)
    assert {row.verdict for row in rows} == {"same"}
    assert all(row.candidate_output_tokens for row in rows)
    assert {call.purpose for call in calls(places)} == {"replay", "evaluation"}


async def test_at_the_end_one_line_says_what_became_of_all(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    async with models(places) as served:
        replays = replays_of(served)
        offer(replays, 2)
        offer(replays, text="x" * 300_000)
        with caplog.at_level(logging.INFO, "hf_ledger"):
            await replays.close()
    (said,) = [each.getMessage() for each in caplog.records if each.name == "hf_ledger"]
    assert said.endswith("have ended: 2 dropped, 3 sampled, 1 too_large")


# -- killed ----------------------------------------------------------------------------------------

KILLED = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from random import Random
from factories_calls import make_call
from factories_replays import chat_reply, make_asking, make_key, make_outcome, models, says
from hf_ledger.ingest.doors.replays.replays import Replays
from hf_ledger.ingest.places import Places

async def main():
    async with models(Places.default(), candidate=says("yes"), strong=says("yes")) as served:
        replays = Replays(served.replayer(), served.segments.write, Random(1))
        task = asyncio.create_task(replays.run())
        while True:
            call = make_call(key_id="k1")
            asked = make_asking(key=make_key(usd="1000"))
            tap = replays.tap(asked)
            tap.opened("application/json", None)
            tap.feed(chat_reply("yes"))
            tap.over(make_outcome(call=call))
            print(call.call_id, flush=True)
            await asyncio.sleep(0.001)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_gateway_killed_in_the_middle_leaves_whole_rows_each_once(places: Places) -> None:
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout
    offered = [child.stdout.readline().decode().strip() for _ in range(60)]
    os.kill(child.pid, signal.SIGKILL)
    offered += child.stdout.read().decode().split()
    child.wait()
    child.stdout.close()
    with Ledger.open(places) as ledger:
        done = collect(ledger, places)
        rows = replay_rows(ledger)
        asked = ledger.cursor().execute("select count(*) from calls").fetchone()
    of = [str(row["call_id"]) for row in rows]
    assert done.quarantined == 0
    assert rows
    assert len(set(of)) == len(of)
    assert set(of) <= set(offered)
    assert all(row["verdict"] == "same" and row["candidate_cost"] for row in rows)
    # Each row's request is a row too; those under way may have been answered and not judged yet.
    assert asked
    assert len(rows) <= asked[0] <= len(rows) + AT_ONCE


def test_a_gateway_alone_needs_none_of_the_owners_libraries() -> None:
    code = (
        "import sys, hf_ledger.ingest.doors.replays.replays; "
        "print(*{'duckdb', 'pandas', 'streamlit', 'numpy', 'aiohttp'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b""
