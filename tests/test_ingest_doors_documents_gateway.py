"""Through a gateway of one's own a killed document is paid for once: every part of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from factories_echo import BOOK
from factories_gateway import SECRET, Running, gateway

from hf_ledger.ingest.doors.gateway.checks.idempotency import Idempotency
from hf_ledger.ingest.doors.gateway.unread import Unread
from hf_ledger.ingest.places import Places

PROGRAM = Path(__file__).parent / "documents_gateway_program.py"
#: Long enough for a kill in the middle of a call.
SLOW = "practice/slow=0.4"
AT_ONCE = 4
JOB = {
    "instruction": "Say it again.",
    "target": "ours",
    "size": 160,
    "at_once": AT_ONCE,
    "backoff_s": 0.05,
}


class Sender:
    """The program against one gateway, with a ledger of its own."""

    def __init__(self, running: Running, root: Path) -> None:
        self.running, self.root = running, root
        self.places = Places(root / "client")
        self.places.make()
        self.places.config.write_text(
            f'[targets.ours]\nurl = "{running.url}/v1"\nkind = "router"\nmodel = "{SLOW}"\n'
            'token_variable = "OUR_KEY"\ntasks = ["chat-completion"]\n',
            encoding="utf-8",
        )
        self.book = root / "book.txt"
        self.book.write_text(BOOK, encoding="utf-8")

    def begin(self, **more: Any) -> subprocess.Popen[str]:
        environ = {**os.environ, "HF_LEDGER_DIR": str(self.places.root), "OUR_KEY": SECRET}
        command = [sys.executable, str(PROGRAM), str(self.book), json.dumps({**JOB, **more})]
        return subprocess.Popen(
            command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def killed_with(self, upstream: int) -> None:
        """Killed as soon as so many requests have reached the server behind the gateway."""
        running = self.begin()
        until = time.monotonic() + 60
        while len(self.running.witness.seen) < upstream and time.monotonic() < until:
            time.sleep(0.005)
        running.kill()
        running.communicate()

    def finished(self, **more: Any) -> dict[str, Any]:
        running = self.begin(**more)
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def sent_on(self) -> Counter[bytes]:
        """How often each request reached the server behind the gateway."""
        return Counter(each.asked for each in self.running.witness.seen)


@contextmanager
def started(root: Path, unread: Unread) -> Iterator[Sender]:
    checks = [Idempotency(root / "once", unread)]
    with gateway(root, checks=checks) as running:
        running.door.unread = unread
        yield Sender(running, root)


def test_killed_in_the_middle_every_part_is_sent_on_and_paid_once(tmp_path: Path) -> None:
    with started(tmp_path, Unread()) as sender:
        sender.killed_with(upstream=6)
        done = sender.finished()
        times = sender.sent_on()
    outcomes = Counter(each.call.outcome for each in sender.running.noted.ended if each.call)
    assert done["failed"] == []
    assert (done["value"].count("Practice server"), len(times)) == (done["parts"], done["parts"])
    assert set(times.values()) == {1}, "nothing reached the provider twice"
    assert outcomes == {"ok": done["parts"]}
    assert 1 <= done["asked_again"] <= AT_ONCE


def test_where_the_reply_is_gone_it_is_not_paid_again_unless_that_is_wanted(
    tmp_path: Path,
) -> None:
    with started(tmp_path, Unread(most_bytes=0)) as sender:
        sender.killed_with(upstream=6)
        time.sleep(0.8)  # the gateway ends what was under way
        held = sender.finished(on_failure="skip")
        assert set(sender.sent_on().values()) == {1}
        again = sender.finished(on_failure="skip", pay_again=True)
        times = sender.sent_on()
    assert 1 <= len(held["failed"]) <= AT_ONCE
    assert all("has paid for it already" in why for why in held["failed"])
    assert again["failed"] == []
    assert again["asked_again"] == len(held["failed"])
    assert Counter(times.values()) == {
        1: held["parts"] - len(held["failed"]),
        2: len(held["failed"]),
    }


@pytest.mark.parametrize("header", [{}, {"x-hf-ledger-keep-reply": "1"}])
def test_only_who_asks_for_it_gets_the_reply_again(tmp_path: Path, header: dict[str, str]) -> None:
    with started(tmp_path, Unread()) as sender:
        said = {"idempotency-key": "abc", **header}
        first, again = (sender.running.post(headers=said) for _ in range(2))
        assert len(sender.running.witness.seen) == 1
    if header:
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-hf-ledger-repeated"] == first.headers["x-hf-ledger-call-id"]
        assert sender.running.refused[0].refused == "idempotency_repeated"
    else:
        assert again.json()["error"]["code"] == "idempotency_answered"
