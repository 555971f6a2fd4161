"""`hf-ledger doctor`: what it finds, and when it asks for a hand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from factories_practice import Practice, chat, practice_server, recording

from hf_ledger.cli import doctor
from hf_ledger.ingest.call import Call, Noticed
from hf_ledger.ingest.doors.hook import examine
from hf_ledger.ingest.doors.hook.examine import Finding
from hf_ledger.ingest.ledger.owner import announce
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.segments import Segments


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


def looked_at(places: Places) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine.examine(places)}


def test_before_the_first_call_nothing_is_wrong(places: Places) -> None:
    found = looked_at(places)
    assert {finding.state for finding in found.values()} <= {"ok", "note"}
    assert found["last call"].value == "none yet"
    assert found["hash key"].value == "made with the first call"
    assert not places.root.exists(), "looking makes nothing"


def test_clients_are_named_with_their_versions(places: Places) -> None:
    found = looked_at(places)
    assert found["httpx2"] == Finding("httpx2", f"{examine.installed('httpx2')}, covered")
    assert found["huggingface-hub"].value.endswith(", covered")
    assert found["openai"].value.endswith(", covered")
    for name in ("requests", "aiohttp"):
        assert found[name] == Finding(name, f"{examine.installed(name)}, covered")
    assert found["not covered"].value == "calls made directly with urllib3"


def test_an_aiohttp_that_cannot_be_hooked_asks_for_a_hand(
    monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    monkeypatch.delattr("aiohttp.ClientMiddlewareType")
    found = looked_at(places)["aiohttp"]
    assert (found.state, found.value.partition(" ")[2]) == (
        "problem",
        "is not covered; update it, or hf-ledger",
    )


def test_an_environment_without_any_client(monkeypatch: pytest.MonkeyPatch, places: Places) -> None:
    monkeypatch.setattr(examine, "installed", lambda name: None)
    said = "none of httpx, httpx2, requests, aiohttp is installed in this environment"
    assert looked_at(places)["clients"] == Finding("clients", said, "note")


def test_riders_older_than_the_tried_ones_are_named(
    monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    monkeypatch.setattr(examine, "RIDERS", {"openai": (99, 0)})
    assert looked_at(places)["openai"].value.endswith(" is older than what was tried (99.0)")
    assert examine.numbers("0.36.2rc1") == (0, 36)


def test_a_running_program_and_its_last_call(server: Practice, places: Places) -> None:
    with recording(server, app="shop"):
        httpx2.post(f"{server.v1}/chat/completions", json=chat(model="practice/402"))
        found = looked_at(places)
        assert found["hook"].value == f"on in shop (pid {os.getpid()})"
        assert found["last call"].value.endswith(" UTC, practice/402, error")
        assert found["hash key"].value.startswith("readable, id ")


def test_a_program_that_is_gone_is_not_running(server: Practice, places: Places) -> None:
    code = f"""
import hf_ledger, httpx2
hf_ledger.record(hosts=["{server.host}=router"])
httpx2.post("{server.v1}/chat/completions", json={{"model": "a/b", "messages": []}})
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    found = looked_at(places)
    assert found["hook"].value == "no running process has recorded a call yet"
    assert "a/b, ok" in found["last call"].value


def test_what_was_left_out_is_summed(places: Places) -> None:
    segments = Segments(places.spool)
    segments.write(Noticed(ts=1, counts={"mapping": 2, "poll": 1}))
    segments.write(Noticed(ts=2, counts={"mapping": 3}))
    segments.close()
    assert looked_at(places)["seen, no call"] == Finding("seen, no call", "mapping 5, poll 1")


@pytest.mark.parametrize("reason", ["recorder_error", "not_spooled"])
def test_losses_ask_for_a_hand(places: Places, reason: str) -> None:
    segments = Segments(places.spool)
    segments.write(Noticed(ts=1, counts={reason: 1}))
    segments.close()
    assert looked_at(places)["seen, no call"].state == "problem"


def test_broken_lines_and_strange_files_are_passed_over(places: Places) -> None:
    segments = Segments(places.spool)
    segments.write(Call(call_id="c", ts=1_000_000, requested_model="a/b"))
    segments.close()
    (places.spool / "notes.ndjson").write_text("no line of ours\n")
    with next(places.spool.glob("1*.ndjson")).open("ab") as file:
        file.write(b'{"kind":"call","torn')
    found = looked_at(places)
    assert found["last call"].value == "1970-01-01 00:00:01 UTC, a/b, ok"


def test_a_file_where_the_folder_should_be(places: Places) -> None:
    places.root.write_text("")
    found = looked_at(places)["directory"]
    assert (found.state, found.value.endswith("is not writable; set HF_LEDGER_DIR")) == (
        "problem",
        True,
    )


def test_a_key_that_cannot_be_read(places: Places) -> None:
    places.make(places.keys)
    (places.keys / "fingerprint.key").write_bytes(b"too short")
    assert looked_at(places)["hash key"].state == "problem"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "hf_ledger.cli", "doctor", *options]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def test_without_a_server_it_exits_1_and_says_what_to_do(places: Places) -> None:
    done = run()
    assert done.returncode == 1
    assert "FAIL  server" in done.stdout
    assert "start it with hf-ledger serve" in done.stdout


def test_the_recorder_alone_is_in_order(places: Places) -> None:
    done = run("--recorder", "--format", "json")
    assert done.returncode == 0
    names = [finding["name"] for finding in json.loads(done.stdout)]
    assert names[0] == "directory"
    assert "server" not in names


def test_the_base_install_is_enough_for_the_recorder(places: Places, tmp_path: Path) -> None:
    code = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("duckdb", "typer", "pydantic", "pyarrow", "rich", "click"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
from hf_ledger.cli import main
sys.exit(main(["doctor", "--recorder"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_port_that_answers_and_one_that_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert doctor.reachable(address) == Finding("server", f"answers at {address}")
    assert doctor.reachable(address).state == "problem"


def test_an_owner_whose_page_is_gone(places: Places) -> None:
    announce(places, None, "http://127.0.0.1:9")
    first = next(doctor.server(places))
    assert (first.name, first.state) == ("server", "problem")
    assert "restart hf-ledger serve" in first.value


def test_a_running_server_tells_the_health_of_the_ledger(places: Places) -> None:
    line = [sys.executable, "-m", "hf_ledger.cli", "serve", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        deadline = time.monotonic() + 60
        while run().returncode and time.monotonic() < deadline and serving.poll() is None:
            time.sleep(0.5)
        done = run()
        serving.terminate()
        serving.wait(timeout=30)
    assert done.returncode == 0, done.stdout
    assert "answers at http://127.0.0.1:" in done.stdout
    assert "ledger, calls" in done.stdout


def test_the_table_is_aligned_and_signed() -> None:
    text = doctor.as_table([Finding("a", "x"), Finding("longer", "y", "problem")])
    assert text == "ok    a       x\nFAIL  longer  y"
