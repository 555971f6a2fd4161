"""`hf-ledger document`: the estimate, the result, the cost, and what each ending says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories_echo import BOOK
from factories_practice import CHAT_MODEL, Practice, calls, practice_server

from hf_ledger.cli import main
from hf_ledger.cli.document_output import as_text, cost_line, estimate_line
from hf_ledger.ingest.doors.documents.estimating import Estimate
from hf_ledger.ingest.doors.documents.parts import Spent
from hf_ledger.ingest.doors.gateway.state import Price, State
from hf_ledger.ingest.doors.gateway.state_file import publish
from hf_ledger.ingest.doors.hook.recording import stop
from hf_ledger.ingest.places import Places

CHAT = ("--task", "chat-completion", "--instruction", "Say it again.", "--size", "200")
PRICE = Price(provider="cerebras", model=CHAT_MODEL, price_id="p", input="10", output="20")


@pytest.fixture(scope="module")
def server() -> Iterator[Practice]:
    with practice_server() as running:
        yield running


@pytest.fixture
def book(
    server: Practice, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A book, and a ledger whose targets are the practice server, well and ill."""
    monkeypatch.setenv("HF_TOKEN", "hf_SECRET")
    places.make()
    targets = {"good": CHAT_MODEL, "slow": "practice/slow=0.3", "broken": "practice/402"}
    places.config.write_text(
        "\n".join(
            f'[targets.{name}]\nurl = "{server.url}/v1"\nkind = "router"\nmodel = "{model}"\n'
            f'provider = "cerebras"\ntasks = ["chat-completion"]\n'
            for name, model in targets.items()
        ),
        encoding="utf-8",
    )
    publish(places, State(prices=(PRICE,)))
    path = tmp_path / "book.txt"
    path.write_text(BOOK, encoding="utf-8")
    yield path
    stop()


class Ran:
    """What a command wrote and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.code = main(["document", *arguments])
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def test_the_result_and_then_its_cost(
    capsys: pytest.CaptureFixture[str], book: Path, places: Places
) -> None:
    ran = Ran(capsys, str(book), *CHAT, "--target", "good", "--format", "json")
    rows = calls(places)
    said = ran.json
    assert ran.code == 0
    assert said["value"].startswith("Practice server, no model ran. You wrote: Sentence 0")
    assert [part["index"] for part in said["parts"]] == list(range(len(rows)))
    assert {row.operation_id for row in rows} == {said["operation_id"]}
    assert {row.operation for row in rows} == {"document chat-completion"}
    spent = sum(10 * (r.uncached_input_tokens or 0) + 20 * (r.output_tokens or 0) for r in rows)
    assert Decimal(said["cost"]) == Decimal(spent) / 1_000_000
    assert said["coverage"] == 1.0
    assert f"100 % of {len(rows)} requests have a known cost" in ran.err
    assert "Estimated cost: $" in ran.err


def test_a_dry_run_sends_nothing(
    capsys: pytest.CaptureFixture[str], book: Path, places: Places
) -> None:
    limit = ("--parameters", '{"max_tokens": 100}')
    ran = Ran(capsys, str(book), *CHAT, *limit, "--target", "good", "--dry-run", "--format", "json")
    assert ran.code == 0
    assert ran.json["chunks"] == ran.json["calls"] > 1
    assert Decimal(ran.json["low"]) < Decimal(ran.json["cost"]) < Decimal(ran.json["high"])
    assert calls(places) == []


def test_on_disk_it_is_paid_for_once(
    capsys: pytest.CaptureFixture[str], book: Path, places: Places
) -> None:
    asked = (str(book), *CHAT, "--target", "good", "--cache", "disk")
    first, again = Ran(capsys, *asked), Ran(capsys, *asked)
    assert first.out == again.out
    assert "nothing was sent" in again.err
    assert "had been answered before" in again.err


def test_what_is_skipped_is_marked_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], book: Path
) -> None:
    ran = Ran(capsys, str(book), *CHAT, "--target", "broken", "--on-failure", "skip")
    assert ran.code == 1
    assert ran.out.startswith("[part 1 of ")
    assert "Part 1 is missing" in ran.err
    assert "402" in ran.err


def test_what_fails_says_what_was_paid(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    ran = Ran(capsys, str(book), *CHAT, "--target", "broken", "--on-failure", "fail")
    assert (ran.code, ran.out) == (1, "")
    assert "Cost: $0.00" in ran.err


def test_a_file_for_the_result(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    output = book.with_name("said.txt")
    ran = Ran(capsys, str(book), *CHAT, "--target", "good", "--output", str(output))
    assert (ran.code, ran.out) == (0, "")
    assert "You wrote: Sentence 0" in output.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--target", "nobody"),
        (),
        ("--target", "good", "--model", "o/m"),
        ("--target", "good", "--parameters", "["),
        ("--target", "good", "--parameters", "[]"),
        ("--target", "good", "--language-pair", "de"),
        ("--target", "good", "--ask-above", "much"),
        ("--target", "good", "--overlap", "10"),
    ],
)
def test_used_wrongly_it_ends_with_2_and_one_sentence(
    capsys: pytest.CaptureFixture[str], book: Path, wrong: tuple[str, ...]
) -> None:
    ran = Ran(capsys, str(book), *CHAT, *wrong)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("hf-ledger: ")


def test_a_language_pair_is_two_parameters(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    pair = ("--language-pair", "eng_Latn:deu_Latn")
    ran = Ran(capsys, str(book), "--task", "translation", *pair, "--model", "o/m", "--dry-run")
    assert ran.code == 0
    assert "not priced by tokens" in ran.out


def test_sizes_in_tokens(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    def chunks(*said: str) -> int:
        ran = Ran(
            capsys, str(book), *CHAT, *said, *("--target", "good", "--dry-run", "--format", "json")
        )
        return int(ran.json["chunks"])

    assert chunks("--unit", "tokens", "--size", "50") > chunks("--unit", "tokens", "--size", "200")


def test_ctrl_c_says_what_was_paid_and_a_second_run_goes_on(book: Path, places: Places) -> None:
    command = [sys.executable, "-m", "hf_ledger.cli", "document", str(book), *CHAT]
    command += ["--target", "slow", "--at-once", "2", "--cache", "disk"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while not list((places.root / "documents").glob("*")) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.9)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert "Stopped: " in err
    assert "is not paid again" in err
    answered = int(err.split("Stopped: ")[1].split()[0])
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert f"{answered} part" in ran.stderr


# -- in words --------------------------------------------------------------------------------------


def test_a_cost_that_is_partly_known_is_a_least_one() -> None:
    assert cost_line(Spent(4, 3, Decimal("0.03"))) == (
        "Cost: at least $0.03 (75 % of 4 requests have a known cost)."
    )
    assert "price unknown" in cost_line(Spent(4, 0, Decimal(0)))


def test_an_estimate_in_words() -> None:
    found = Estimate(3, 4, 100, None, Decimal("0.02"), Decimal("0.01"), None, "b")
    assert estimate_line(found) == (
        "3 parts, about 4 calls. Estimated cost: $0.02, between $0.01 and unknown (b)."
    )


def test_values_as_text() -> None:
    assert (
        as_text([{"label": "a", "score": 0.5}, {"label": "b", "score": 0.25}]) == "a\t0.5\nb\t0.25"
    )
    assert (as_text("text"), as_text(None), as_text([0.5])) == ("text", "", "[0.5]")
