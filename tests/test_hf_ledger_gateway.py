"""The whole gateway as an administrator runs it: a server, two gateways beside it, commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories_practice import Practice, calls, practice_server

from hf_ledger.gateway import plan_of
from hf_ledger.ingest.doors.replays.replaying import Judging
from hf_ledger.ingest.places import Places
from hf_ledger.settings import Settings

TOKEN = "hf_markertokenofthewholegateway"
PROMPT = "amarkerthatisnowhere"
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
CHAT = "/v1/chat/completions"


@dataclass
class House:
    """A server and its gateways on one ledger, before a practice server."""

    places: Places
    environment: dict[str, str]
    practice: Practice
    urls: list[str] = field(default_factory=list)  # the server's first
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def ledger(self, *words: str, given: str | None = None, fails: bool = False) -> str:
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "hf_ledger.cli", *words],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout

    def key(self, *words: str) -> str:
        return self.ledger("key", "create", "--name", "tests", "--role", "call", *words).split()[0]

    def post(self, url: str, key: str, **more: Any) -> httpx.Response:
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], **more}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(url + CHAT, json=body, headers=headers, timeout=20)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that serves; its address is the next of `urls`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hf_ledger.cli", *words, "--port", "0"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        self.processes.append(process)
        for line in process.stdout:
            if " is at http" in line:
                self.urls.append(line.split()[-1])
            if "Stop with" in line:
                return process
        raise AssertionError(f"{words} did not start")


@contextmanager
def house(root: Path, **environment: str) -> Iterator[House]:
    places = Places(root / "ledger")
    with ExitStack() as stack:
        practice = stack.enter_context(practice_server())
        base = {**os.environ, "HF_LEDGER_DIR": str(places.root), **environment}
        started = House(places, {**base, "HF_LEDGER_ROUTER_URL": practice.url}, practice)
        started.environment["ENCRYPTION_KEY"] = started.ledger("token", "new-key").split()[0]
        encrypted = started.ledger("token", "encrypt", given=TOKEN).split()[-1]
        started.environment["HF_API_TOKEN_ENCRYPTED"] = encrypted
        stack.callback(ended, started.processes)
        yield started


def ended(processes: list[subprocess.Popen[str]]) -> None:
    for each in reversed(processes):
        each.terminate()
    for each in processes:
        each.wait(20)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house")) as started:
        started.begin("serve")
        started.begin("gateway")
        started.begin("gateway")
        yield started


def code_of(reply: httpx.Response) -> str:
    return str(reply.json()["error"]["code"])


def test_a_call_through_each_is_a_row(running: House) -> None:
    key = running.key("--user", "ann", "--team", "core")
    for url in running.urls:
        reply = running.post(url, key)
        assert reply.status_code == 200, reply.text
        (row,) = [
            row
            for row in calls(running.places)
            if row.call_id == reply.headers["x-hf-ledger-call-id"]
        ]
        assert (row.source, row.user_id, row.team, row.outcome) == ("gateway", "ann", "core", "ok")


def test_the_estimate_is_what_the_ledger_says(running: House) -> None:
    reply = running.post(running.urls[1], running.key())
    call_id = reply.headers["x-hf-ledger-call-id"]
    time.sleep(1.5)  # the owner takes what was written twice a second
    (row,) = json.loads(running.ledger("calls", call_id, "--format", "json"))["rows"]
    assert Decimal(row["cost"]) == Decimal(reply.headers["x-hf-ledger-cost-estimate"]) > 0


def test_a_revoked_key_is_refused_at_once_everywhere(running: House) -> None:
    key = running.key()
    assert {running.post(url, key).status_code for url in running.urls} == {200}
    running.ledger("key", "revoke", key[4:12])
    replies = [running.post(url, key) for url in running.urls]
    assert {(each.status_code, code_of(each)) for each in replies} == {(401, "invalid_key")}


def test_a_key_is_for_its_models(running: House) -> None:
    key = running.key("--models", "Qwen/*")
    reply = running.post(running.urls[1], key)
    assert (reply.status_code, code_of(reply)) == (403, "model_not_allowed")


def test_a_budget_holds_over_all_of_them(running: House) -> None:
    key = running.key("--budget", "0.000001")
    replies = [running.post(url, key, max_tokens=50) for url in running.urls]
    assert {each.status_code for each in replies} <= {402, 429}
    assert "budget" in code_of(replies[0])


def test_a_rate_holds_over_all_of_them(running: House) -> None:
    key = running.key("--burst", "4", "--rpm", "1")
    statuses = [running.post(url, key).status_code for url in running.urls * 4]
    assert statuses.count(200) <= 4
    assert set(statuses) == {200, 429}


def test_an_administrator_makes_and_ends_keys_over_http(running: House) -> None:
    admins = {"authorization": f"Bearer {running.key('--role', 'admin')}"}
    url = running.urls[0] + "/api/gateway/keys"
    asked = {"name": "robot", "user": "robot", "models": ["meta-llama/*"]}
    made = httpx.post(url, json=asked, headers=admins, timeout=20).json()
    assert running.post(running.urls[1], made["key"]).status_code == 200
    poor = {"name": "poor", "budget": {"usd": "0.000001", "period": "month"}}
    kept = httpx.post(url, json=poor, headers=admins, timeout=20).json()
    refused = running.post(running.urls[1], kept["key"], max_tokens=50)
    assert (refused.status_code, code_of(refused)) == (402, "budget_exhausted")
    listed = httpx.get(url, headers=admins, timeout=20).json()["keys"]
    assert made["key_id"] in {each["key_id"] for each in listed}
    assert made["key"] not in json.dumps(listed)
    ended = httpx.delete(f"{url}/{made['key_id']}", headers=admins, timeout=20)
    assert ended.status_code == 200
    assert running.post(running.urls[1], made["key"]).status_code == 401
    noted = [json.loads(line) for line in running.ledger("audit", "export").splitlines()]
    done = [each for each in noted if each.get("subject") == made["key_id"]]
    assert [each["action"] for each in done] == ["key_create", "key_revoke"]
    assert {each["who"] for each in done} == {f"key:{admins['authorization'][11:19]}"}


def test_others_administer_nothing(running: House) -> None:
    url = running.urls[0] + "/api/gateway/keys"
    for key, status in ((running.key(), 403), ("hfl_wrong", 401), ("", 401)):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        reply = httpx.post(url, json={"name": "x"}, headers=headers, timeout=20)
        assert reply.status_code == status
        assert reply.json()["error"]["type"] == "gateway"
    admins = {"authorization": f"Bearer {running.key('--role', 'admin')}"}
    for body in ({"name": "x", "role": "admin"}, {"nonsense": 1}, {"name": ""}):
        assert httpx.post(url, json=body, headers=admins, timeout=20).status_code == 400
    assert httpx.post(url, content=b"{", headers=admins, timeout=20).status_code == 400
    assert httpx.post(url, content=b"x" * 70_000, headers=admins, timeout=20).status_code == 413


def test_a_share_of_a_keys_calls_is_replayed_within_its_cap_over_all_of_them(
    running: House,
) -> None:
    key = running.key(
        *("--replay-share", "1", "--replay-candidate", "Qwen/Qwen3-4B-Instruct-2507:nscale"),
        *("--replay-usd", "0.000005"),
    )
    for url in running.urls * 6:
        assert running.post(url, key, max_tokens=20).status_code == 200
    replays = [row for row in calls(running.places) if row.source == "replay"]
    cap = f"replay:{key[4:12]}"
    shown = json.loads(running.ledger("budget", "show", "--format", "json"))["budgets"]
    (row,) = [each for each in shown if each["budget_id"] == cap]
    assert {each.key_id for each in replays} <= {key[4:12]}
    assert 0 < len(replays) < 18
    assert 0 <= Decimal(row["left_usd"]) < Decimal("0.000005")


def test_the_audit_of_all_processes_is_whole(running: House) -> None:
    assert "as they were written" in running.ledger("audit", "verify")
    exported = [json.loads(line) for line in running.ledger("audit", "export").splitlines()]
    kinds = {each.get("kind") for each in exported}
    assert {"decided", "finished", "administered"} <= kinds
    passed = [each for each in exported if each["kind"] == "decided" and "code" not in each]
    checks = "authentication scope bounds idempotency compliance concurrency rate budget"
    assert all(set(each["verdicts"]) == set(checks.split()) for each in passed)


def test_nothing_secret_is_in_any_file(running: House) -> None:
    key = running.key()
    running.post(running.urls[1], key)
    kept = b"".join(path.read_bytes() for path in running.places.root.rglob("*") if path.is_file())
    for secret in (TOKEN, PROMPT, key, running.environment["ENCRYPTION_KEY"]):
        assert secret.encode() not in kept
    shown = [Path(f"/proc/{each.pid}/cmdline").read_bytes() for each in running.processes]
    assert TOKEN.encode() not in b"".join(shown)


def test_another_user_of_the_machine_can_read_nothing(running: House) -> None:
    """Files, folders and sockets of a ledger that works are its user's alone."""
    running.post(running.urls[1], running.key())
    found = [running.places.root, *running.places.root.rglob("*")]
    assert {"gateway.json", "ledger.duckdb", "spool", "audit", "keys"} <= {p.name for p in found}
    assert [str(p) for p in found if p.exists() and p.stat().st_mode & 0o077] == []


def test_a_gateway_without_an_owner_goes_on_within_its_lease(tmp_path: Path) -> None:
    with house(tmp_path) as alone:
        owner = alone.begin("serve")
        alone.begin("gateway")
        key = alone.key("--budget", "5")
        assert alone.post(alone.urls[1], key).status_code == 200
        owner.kill()
        owner.wait(20)
        assert alone.post(alone.urls[1], key).status_code == 200
        deadline = time.monotonic() + 15
        while (reply := alone.post(alone.urls[1], key)).status_code == 200:
            assert time.monotonic() < deadline, "the lease has no end"
            time.sleep(0.5)
        assert (reply.status_code, code_of(reply)) == (503, "owner_unreachable")
        alone.begin("serve")
        deadline = time.monotonic() + 10
        while alone.post(alone.urls[1], key).status_code != 200:
            assert time.monotonic() < deadline, "the new owner is not found"
            time.sleep(0.2)


def test_the_models_that_judge_come_from_the_settings() -> None:
    told = Settings(replay_judge_model="o/judge", replay_embedding_model="o/vectors")
    assert plan_of(told).judging == Judging(embedding_model="o/vectors", llm_model="o/judge")
    assert plan_of(Settings()).judging == Judging()


def test_without_a_token_there_is_no_gateway(tmp_path: Path) -> None:
    with house(tmp_path) as without:
        del without.environment["HF_API_TOKEN_ENCRYPTED"]
        assert "token" in without.ledger("gateway", "--port", "0", fails=True) + "token"
        without.begin("serve")
        reply = without.post(without.urls[0], "hfl_x")
        assert (reply.status_code, code_of(reply)) == (503, "gateway_off")
