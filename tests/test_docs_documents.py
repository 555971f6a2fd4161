"""docs/documents.md says what the code does: its snippets run, its figures are the code's."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from factories_echo import Echo

from hf_ledger.ingest.doors import documents
from hf_ledger.ingest.doors.documents import caching, journal, programs
from hf_ledger.ingest.doors.documents.document import MOST_CHARACTERS
from hf_ledger.ingest.doors.documents.job import CHUNK_INPUT, JOINED, OVERLAPPED, Job
from hf_ledger.ingest.doors.documents.parts import DocumentFailed, Processed
from hf_ledger.ingest.doors.gateway import unread

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "documents.md").read_text(encoding="utf-8")
GATEWAY = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
PROGRAM, COROUTINE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^hf-ledger (.*)$", TEXT, re.MULTILINE)
UNSAID = {"task", "inputs", "model", "provider", "target", "version", "name"}


@pytest.fixture
def echoed(monkeypatch: pytest.MonkeyPatch) -> Echo:
    """Whoever a snippet names, this one answers."""
    echo = Echo()

    @asynccontextmanager
    async def always(job: Job, **_said: Any) -> Any:
        yield echo

    monkeypatch.setattr(programs, "answering", always)
    monkeypatch.setattr(documents, "answering", always, raising=False)
    return echo


def test_the_program_runs(
    echoed: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("contract.txt").write_text("One sentence.", encoding="utf-8")
    exec(PROGRAM.replace(".pdf", ".txt"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "ONE SENTENCE."
    assert said[1].startswith("0.000125 1.0 ")


def test_the_coroutine_runs(echoed: Echo, capsys: Any) -> None:
    names: dict[str, Any] = {}
    exec(COROUTINE, names)
    asyncio.run(names["translate"]("Two. Sentences."))
    assert capsys.readouterr().out.split() == ["TWO.", "SENTENCES."] * 2


def test_the_commands_have_the_options_they_are_given() -> None:
    from hf_ledger.cli.group import load

    command = load("document")
    known = {option for parameter in command.params for option in parameter.opts}
    used = {word for line in COMMANDS for word in line.split() if word.startswith("--")}
    assert used - known == set()
    assert set(re.findall(r"`(--[a-z-]+)", TEXT)) - known == set()


@pytest.mark.parametrize("task", CHUNK_INPUT)
def test_each_task_is_in_the_table_with_its_overlap(task: str) -> None:
    [row] = [line for line in TEXT.splitlines() if line.startswith("|") and f"`{task}`" in line]
    assert ("a fifth" in row) == (task in OVERLAPPED)
    assert ("| none |" in row) == (task not in OVERLAPPED)
    assert ("between the spaces" in row) == (task in JOINED)


@pytest.mark.parametrize("name", [each.name for each in fields(Job) if each.name not in UNSAID])
def test_each_field_of_a_job_is_named(name: str) -> None:
    assert re.search(rf"`{name}[`=]", TEXT)


@pytest.mark.parametrize(
    "name", ["value", "cost", "coverage", "operation_id", "failed", "asked_again", "notes"]
)
def test_what_comes_back_is_explained(name: str) -> None:
    assert name in {each.name for each in fields(Processed)}
    assert re.search(rf"`{name}`|done\.{name}", TEXT)


def test_figures_are_the_codes() -> None:
    standard = Job(task="translation")
    figures = [
        f"{standard.size:,} characters",
        f"may take {standard.timeout_s:g} s",
        f"{standard.backoff_s} s",
        f"the last {caching.MOST_REMEMBERED} answers",
        f"{journal.KEPT_DAYS} days",
        f"above {journal.MOST_BYTES >> 20} MiB",
        f"{MOST_CHARACTERS // 1_000_000} million characters",
    ]
    assert [figure for figure in figures if figure not in TEXT] == []
    held = [
        f"{unread.KEPT_SECONDS / 60:.0f} minutes",
        f"{unread.MOST_BYTES >> 20} MiB in all",
        f"{unread.MOST_REPLY_BYTES >> 20} MiB each",
    ]
    assert [figure for figure in held if figure not in GATEWAY] == []
    assert "Ten calls" in TEXT and standard.at_once == 10
    assert "again twice" in TEXT and standard.retries == 2


def test_every_public_name_is_there() -> None:
    assert {name for name in documents.__all__ if not hasattr(documents, name)} == set()
    assert documents.DocumentFailed is DocumentFailed
    assert callable(documents.answering)
    with pytest.raises(AttributeError):
        documents.nothing  # noqa: B018
