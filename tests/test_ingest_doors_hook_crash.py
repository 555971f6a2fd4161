"""A killed program loses no call whose reply its own code has seen; nothing it wrote holds text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_practice import Practice, calls, practice_server, recorded

from hf_ledger.ingest.call import OpenCall
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

AT_ONCE = 200

#: 200 workers, half of them streaming, call until killed; each notes a reply it has seen whole.
PROGRAM = """
import asyncio, os, sys
import hf_ledger, httpx2
hf_ledger.record(app="crash", hosts=[sys.argv[1] + "=router"])
seen = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
url = f"http://{sys.argv[1]}/v1/chat/completions"

async def worker(client, number):
    turn = 0
    while True:
        name = f"w{number}t{turn}"
        turn += 1
        body = {"model": "a/b", "stream": number % 2 == 0,
                "messages": [{"role": "user", "content": "MARKER " + name}]}
        headers = {"x-amzn-trace-id": name}
        async with client.stream("POST", url, json=body, headers=headers) as reply:
            text = (await reply.aread()).decode()
        assert "MARKER" in text
        os.write(seen, (name + "\\n").encode())

async def main():
    limits = httpx2.Limits(max_connections=200)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as client:
        await asyncio.gather(*(worker(client, number) for number in range(200)))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


def killed_in_the_middle(server: Practice, seen: Path) -> list[str]:
    """Run the program until each worker has had replies, kill it, and say what it had seen."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, server.host, str(seen)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and program.poll() is None:
        names = seen.read_text().split() if seen.exists() else []
        if len({name.partition("t")[0] for name in names}) == AT_ONCE:
            break
        time.sleep(0.02)
    program.send_signal(signal.SIGKILL)
    assert program.wait(timeout=30) == -signal.SIGKILL
    return seen.read_text().split()


def trace_of(request_id: str | None) -> str:
    return (request_id or "").partition(";")[2]


def test_every_seen_call_is_there_exactly_once(
    server: Practice, places: Places, tmp_path: Path
) -> None:
    seen = killed_in_the_middle(server, tmp_path / "seen")
    spooled = Counter(trace_of(call.request_id) for call in calls(places) if call.outcome == "ok")
    assert len(seen) >= AT_ONCE
    assert set(seen) <= set(spooled)
    assert max(spooled.values()) == 1
    streamed = {trace_of(call.request_id) for call in calls(places) if call.stream}
    assert len(streamed & set(seen)) >= AT_ONCE / 4
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        collect(ledger, places)
        rows = ledger.cursor().execute("select request_id from calls where outcome = 'ok'")
        in_ledger = Counter(trace_of(row[0]) for row in rows.fetchall())
    assert set(seen) <= set(in_ledger)
    assert max(in_ledger.values()) == 1


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


PRIVATE = """
import sys, logging
logging.basicConfig(level=logging.DEBUG, filename=sys.argv[2])
logging.getLogger("httpx2").setLevel(logging.WARNING)
import hf_ledger, openai
from huggingface_hub import InferenceClient
hf_ledger.record(hosts=[sys.argv[1] + "=router"])
base = f"http://{sys.argv[1]}/v1"
token, text = "hf_TOKENMARKER", "PROMPTMARKER in a prompt"
messages = [{"role": "system", "content": "SYSTEMMARKER"}, {"role": "user", "content": text}]
client = InferenceClient(base_url=base, api_key=token)
other = openai.OpenAI(base_url=base, api_key=token, max_retries=0)
for model in ("a/b", "practice/402", "practice/cut", "practice/error-in-stream", "practice/422"):
    for stream in (False, True):
        for ask in (client.chat_completion, other.chat.completions.create):
            try:
                said = ask(messages=messages, model=model, stream=stream)
                if stream:
                    list(said)
            except Exception as error:
                pass
"""


def test_no_prompt_answer_or_token_is_on_disk(
    server: Practice, places: Places, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    arguments = [sys.executable, "-c", textwrap.dedent(PRIVATE), server.host, str(log)]
    subprocess.run(arguments, check=True, timeout=120)
    assert len(calls(places)) == 5 * 2 * 2
    written = everything_written(places.root)
    assert len(written) > 1000
    for marker in (b"PROMPTMARKER", b"SYSTEMMARKER", b"TOKENMARKER", b"You wrote"):
        assert marker not in written
    ours = [line for line in log.read_bytes().splitlines() if b"hf_ledger" in line]
    assert not any(b"MARKER" in line for line in ours)


WAITING = """
import sys, threading, hf_ledger, httpx2
hf_ledger.record(app="waiting", hosts=[sys.argv[1] + "=router"])
body = {"model": "practice/slow=50", "messages": []}
url = f"http://{sys.argv[1]}/v1/chat/completions"
call = lambda: httpx2.post(url, json=body, timeout=60)
threading.Thread(target=call, daemon=True).start()
print("started", flush=True)
sys.stdin.read()
"""


def started(server: Practice, places: Places) -> subprocess.Popen[str]:
    """A program with one call that has been under way for more than a second."""
    arguments = [sys.executable, "-c", WAITING, server.host]
    program = subprocess.Popen(arguments, stdin=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if places.spool.is_dir() and any(isinstance(x, OpenCall) for x in recorded(places)):
            break
        time.sleep(0.05)
    return program


def test_a_call_lost_with_its_process_is_lost_and_not_forgotten(
    server: Practice, places: Places
) -> None:
    program = started(server, places)
    os.kill(program.pid, signal.SIGKILL)
    program.wait(timeout=30)
    assert calls(places) == []
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        rows = ledger.cursor().execute("select outcome, app from calls").fetchall()
    assert rows == [("lost", "waiting")]


def test_a_call_under_way_at_the_end_of_the_program_is_cancelled(
    server: Practice, places: Places
) -> None:
    program = started(server, places)
    program.communicate("", timeout=30)
    assert [call.outcome for call in calls(places)] == ["cancelled"]


FORKED = """
import os, sys, hf_ledger, httpx2, multiprocessing
def work(number):
    body = {"model": "a/b", "messages": [{"role": "user", "content": str(number)}]}
    httpx2.post(f"http://{sys.argv[1]}/v1/chat/completions", json=body)
if __name__ == "__main__":
    hf_ledger.record(hosts=[sys.argv[1] + "=router"])
    work(-1)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(work, range(40), chunksize=1)
"""


def test_pools_of_forked_workers_lose_nothing(server: Practice, places: Places) -> None:
    arguments = [sys.executable, "-W", "ignore", "-c", FORKED, server.host]
    subprocess.run(arguments, check=True, timeout=60)
    found = calls(places)
    assert len(found) == len({call.call_id for call in found}) == 41
