"""A program that records on another host: it sends in the background and never waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from factories_api import Api, api, posted
from factories_practice import Practice, chat, practice_server, recorded, recording
from factories_sending import abandoned, between, host, keep, many, target

import hf_ledger
from hf_ledger.cli import main
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.api.keys import revoke_key
from hf_ledger.ingest.doors.hook.recording import active, stop
from hf_ledger.ingest.fingerprint import HashKey
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.outbox import Outbox
from hf_ledger.ingest.spool.posting import Target
from hf_ledger.ingest.spool.sender import Sender

PROGRAM = """
import os, sys, time
import httpx2
import hf_ledger

hf_ledger.record(hosts=["{host}=router"], app="remote")
for n in range({calls}):
    httpx2.post("{v1}/chat/completions", json={{"model": "a/b", "messages": [], "seed": n}})
{more}
"""


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Api]:
    with api(Places(tmp_path / "server")) as running:
        yield running


@pytest.fixture
def away(server: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The server, named in the environment as that of another host."""
    monkeypatch.setenv("HF_LEDGER_SERVER", server.url)
    monkeypatch.setenv("HF_LEDGER_KEY", server.key)
    return server


def until(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within a while."""
    deadline = time.monotonic() + 15
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def program(practice: Practice, calls: int = 1, more: str = "") -> subprocess.CompletedProcess[str]:
    code = PROGRAM.format(host=practice.host, v1=practice.v1, calls=calls, more=more)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def plain(function: Callable[[], None]) -> None:
    function()


def sender(outbox: Outbox, to: Target) -> Sender:
    return Sender(outbox.places, to, plain, lambda: None)


def test_a_program_sends_while_it_runs(away: Api, practice: Practice, places: Places) -> None:
    with recording(practice, app="remote"):
        httpx2.post(f"{practice.v1}/chat/completions", json=chat())
        assert until(lambda: [row["app"] for row in away.rows("app, ts, call_id")] == ["remote"])
        assert any(thread.name == "hf-ledger-send" for thread in threading.enumerate())
    (call,) = [line for line in recorded(places) if isinstance(line, Call)]
    assert call.provider_model, "the segment of a living process stays"


def test_what_it_sends_is_no_call_itself(away: Api, practice: Practice, places: Places) -> None:
    hf_ledger.record(hosts=[f"{practice.host}=router", away.url.removeprefix("http://")])
    try:
        httpx2.post(f"{practice.v1}/chat/completions", json=chat())
        assert until(lambda: len(away.rows("call_id")) == 1)
    finally:
        stop()
    assert len([line for line in recorded(places) if isinstance(line, Call)]) == 1


def test_hashes_are_made_with_the_key_of_the_ledger(away: Api, practice: Practice) -> None:
    with recording(practice):
        httpx2.post(f"{practice.v1}/chat/completions", json=chat())
        assert until(lambda: len(away.rows("call_id")) == 1)
        httpx2.post(f"{practice.v1}/chat/completions", json=chat())
        assert until(lambda: len(away.rows("call_id")) == 2)
    theirs = HashKey.load(away.places.keys)
    assert theirs is not None
    first, second = (row["hash_key_id"] for row in away.rows("hash_key_id, ts, call_id"))
    assert second == theirs.id != first


def test_a_short_program_has_sent_everything_when_it_ends(away: Api, practice: Practice) -> None:
    done = program(practice, 3)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(away.rows("call_id")) == 3


def test_nothing_of_the_sender_is_loaded_where_nothing_is_sent() -> None:
    code = (
        "import sys, hf_ledger; hf_ledger.record();"
        "sys.exit('hf_ledger.ingest.spool.posting' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "more", ["os._exit(0)", "os.kill(os.getpid(), 9)"], ids=["os._exit", "kill -9"]
)
def test_the_next_program_sends_what_a_killed_one_left(
    away: Api, practice: Practice, places: Places, more: str
) -> None:
    down = Target("http://127.0.0.1:1", away.key)
    os.environ["HF_LEDGER_SERVER"], up = down.url, os.environ["HF_LEDGER_SERVER"]
    try:
        program(practice, 4, more)
    finally:
        os.environ["HF_LEDGER_SERVER"] = up
    assert Outbox(places).waiting() > 0
    time.sleep(2)  # the pause after a failure, at most 1.5 s
    program(practice, 1)
    assert until(lambda: len(away.rows("call_id")) == 5)


def test_a_fork_sends_what_it_records(away: Api, practice: Practice) -> None:
    more = (
        "time.sleep(1)\n"
        "child = os.fork()\n"
        f"httpx2.post('{practice.v1}/chat/completions', json={{'model': 'c/d', 'messages': []}})\n"
        "time.sleep(3) if child == 0 else os.waitpid(child, 0)\n"
        "os._exit(0) if child == 0 else None\n"
    )
    done = program(practice, 1, more)
    assert done.returncode == 0
    assert until(lambda: len(away.rows("call_id")) == 3)


def test_a_server_that_hangs_delays_the_end_by_two_seconds_at_most(
    practice: Practice, server: Api, tmp_path: Path
) -> None:
    """Not timed against a clock: the sender is asked to finish, and says so before the server."""
    outbox = host(tmp_path)
    keep(outbox, *many(2))
    hanging, answer = threading.Event(), threading.Event()

    class Hanging(Sender):
        def _adopt_key(self) -> None:
            hanging.set()
            answer.wait(30)

    each = Hanging(outbox.places, target(server), plain, lambda: None)
    each.nudge()
    assert hanging.wait(10)
    each.finish(patience=0.05)
    assert not answer.is_set()
    answer.set()


def test_after_failures_the_end_waits_for_nothing(server: Api, tmp_path: Path) -> None:
    outbox = host(tmp_path)
    keep(outbox, *many(2))
    with between(says=(503, b"")) as busy:
        busy.headers = {"retry-after": "60"}
        each = sender(outbox, Target(busy.url, server.key))
        each.nudge()
        assert until(lambda: outbox.load().failures == 1)
        each.finish(patience=600)
    assert outbox.waiting() > 0


def test_a_program_that_records_nothing_sends_nothing_for_others(away: Api, places: Places) -> None:
    abandoned(Outbox(places), *many(3))
    done = subprocess.run(
        [sys.executable, "-c", "import hf_ledger; hf_ledger.record()"], check=True, timeout=60
    )
    assert done.returncode == 0
    assert Outbox(places).waiting() > 0
    assert not Outbox(places).folder.exists()


def test_wrong_settings_are_said_once_and_break_nothing(
    monkeypatch: pytest.MonkeyPatch, practice: Practice, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_LEDGER_SERVER", "http://ledger.example")
    monkeypatch.setenv("HF_LEDGER_KEY", "hfl_secret")
    with recording(practice):
        assert httpx2.post(f"{practice.v1}/chat/completions", json=chat()).status_code == 200
        assert active.sender is None
    assert "sends nothing: HF_LEDGER_KEY is no key" in caplog.text
    assert "hfl_secret" not in caplog.text


def test_a_refusal_is_logged_once_without_the_key(
    away: Api, practice: Practice, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    revoke_key(away.ledger.cursor(), away.key_id)
    with recording(practice):
        httpx2.post(f"{practice.v1}/chat/completions", json=chat())
        assert until(lambda: Outbox(places).load().failures >= 2)
    said = [record.getMessage() for record in caplog.records if "could not send" in record.msg]
    assert said == [
        f"hf-ledger could not send calls to {away.url} (401: the key is unknown or revoked there); "
        "they are kept and sent later"
    ]
    files = [each for each in places.root.rglob("*") if each.is_file()]
    assert not [each for each in files if away.key.encode() in each.read_bytes()]
    assert Outbox(places).waiting() > 0


# -- hf-ledger send, hf-ledger doctor ------------------------------------------------------------


def test_send_sends_what_is_left(
    away: Api, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    path = abandoned(Outbox(places), *many(3))
    assert main(["send"]) == 0
    assert capsys.readouterr().out == f"4 lines were acknowledged by {away.url}.\n"
    assert not path.exists()
    assert len(away.rows("call_id")) == 3
    assert main(["send"]) == 0


def test_send_says_what_is_in_the_way(
    away: Api, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    abandoned(Outbox(places), *many(3))
    revoke_key(away.ledger.cursor(), away.key_id)
    assert main(["send"]) == 1
    said = capsys.readouterr()
    assert "still wait for" in said.err
    assert "401: the key is unknown or revoked there." in said.err
    assert away.key not in said.out + said.err


def test_send_tries_again_while_the_server_is_busy(
    away: Api, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned(Outbox(places), *many(3))
    with between(says=(429, b"")) as busy:
        busy.headers = {"retry-after": "1"}
        monkeypatch.setenv("HF_LEDGER_SERVER", busy.url)
        assert main(["send", "--timeout", "1.5"]) == 1
    assert [path for _, path in busy.seen].count("/api/calls") == 2


def test_send_says_what_was_refused_for_good(
    away: Api, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    abandoned(Outbox(places), posted(1), posted(2, ts=5))
    assert main(["send"]) == 1
    assert "1 lines were refused for good and are kept in" in capsys.readouterr().out


def test_send_wants_to_know_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send"]) == 2
    assert "HF_LEDGER_SERVER=https://" in capsys.readouterr().err


def test_doctor_says_where_it_sends_and_what_waits(
    away: Api, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(Outbox(places), *many(3))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert away.url in said
    assert "hf-ledger send, or the next program that records" in said
    assert "none runs for this directory" not in said
    revoke_key(away.ledger.cursor(), away.key_id)
    main(["send"])
    capsys.readouterr()
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "401: the key is unknown or revoked there" in said
    assert away.key not in said


def test_doctor_says_what_is_wrong_with_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_LEDGER_SERVER", "https://ledger.example")
    assert main(["doctor", "--recorder"]) == 1
    assert "HF_LEDGER_SERVER is set without HF_LEDGER_KEY" in capsys.readouterr().out
