"""Other people's clients in environments of their own, driven against a practice server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clients_program
import pytest
from factories_practice import CHAT_MODEL, calls, counted, practice_server

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.places import Places

CHECKOUT = Path(__file__).resolve().parent.parent
#: These ask hub for the provider by name; the others leave it to the router.
BY_NAME = ("langchain", "smolagents sync", "hub provider route")
PROMPT, TOKEN = b"one two", clients_program.TOKEN.encode()


@dataclass(frozen=True)
class Driven:
    """What a program said of each case, and what was recorded of it."""

    places: Places
    said: dict[str, dict[str, Any]]

    def rows(self, case: str) -> list[Call]:
        return [call for call in calls(self.places) if call.user_id == case]


def cases(*without: str) -> list[str]:
    """The names of the cases for an environment that lacks these clients."""
    return [name for name in clients_program.CASES if not name.startswith(without or ("no one",))]


def interpreter(number: int) -> Path:
    """The environment's Python; where it is missing the test is skipped, in CI it fails."""
    found = CHECKOUT / f".venv-clients-{number}" / "bin" / "python"
    if not found.exists():
        missing = f"there is no {found.parent.parent.name} here: `make test` makes it"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return found


@contextmanager
def driven(number: int, root: Path, names: list[str]) -> Iterator[Driven]:
    """One run of the program in that environment, through all these cases."""
    places = Places(root / "ledger")
    with practice_server() as server:
        said = driven_at(number, places, server.url, names)
    yield Driven(places, said)


def driven_at(
    number: int, places: Places, url: str, names: list[str], token: str = "hf_practice"
) -> dict[str, dict[str, Any]]:
    """What the program says of these cases, run toward this server with this token."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "HF_LEDGER_DIR": str(places.root),
        "HF_ENDPOINT": url.replace("127.0.0.1", "localhost"),
        "HF_HOME": str(places.root.parent / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PRACTICE_TOKEN": token,
    }
    done = subprocess.run(
        [interpreter(number), clients_program.__file__, url, *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return said


# -- what each case must have become ---------------------------------------------------------------


def check(run: Driven, case: str) -> None:
    """The case's rows: exactly as many as attempts were made, each of them right."""
    said, rows = run.said[case], run.rows(case)
    if case.endswith("retried"):
        check_retried(said, rows)
        return
    assert len(rows) == 1, f"{len(rows)} rows for one call; the client said {said}"
    (row,) = rows
    assert (row.attempt, row.operation_id) == (1, None)
    assert (row.app, row.source, row.origin) == ("clients", "hook", "practice")
    assert row.stream is (" stream" in case)
    assert row.input_hash is not None
    if case.endswith("failing"):
        check_failed(said, row, case)
    elif case.endswith("timeout"):
        assert (row.outcome, row.error_kind, row.status) == ("error", "timeout", None)
        assert "error" in said
    else:
        check_answered(said, row, case)


def check_answered(said: dict[str, Any], row: Call, case: str) -> None:
    assert "error" not in said, said
    assert (row.outcome, row.status, row.error_kind) == ("ok", 200, None)
    assert row.task == task_of(case)
    assert row.request_id
    assert (row.ttft_ms is not None) is row.stream
    if row.task == "chat-completion":
        assert (row.input_tokens, row.output_tokens, row.tokens_source) == (3, 6, "usage")
        by_name = case.startswith(BY_NAME)
        assert row.requested_model == CHAT_MODEL
        assert row.provider == ("novita" if by_name else "cerebras")
        assert row.provider_model == (CHAT_MODEL.lower() if by_name else "llama-3.1-8b-instruct")
    elif row.task == "text-generation":
        assert (row.input_tokens, row.output_tokens) == (3, 6)
    else:
        assert row.provider == "hf-inference"


def task_of(case: str) -> str:
    named = {
        "generation": "text-generation",
        "summary": "summarization",
        "embedding": "feature-extraction",
    }
    return next((task for word, task in named.items() if word in case), "chat-completion")


def check_failed(said: dict[str, Any], row: Call, case: str) -> None:
    """A refusal, or an error inside a 200 stream, which bare clients do not notice."""
    if row.stream:
        assert (row.outcome, row.status, row.error_kind) == ("error", 200, "overloaded")
    else:
        assert (row.outcome, row.status, row.error_kind) == ("error", 402, "quota")
    assert row.output_tokens is None
    assert ("error" in said) is not (row.stream and case.startswith("bare"))


def check_retried(said: dict[str, Any], rows: list[Call]) -> None:
    """The client's own retries: attempts of one operation, only the last one answered."""
    assert "error" not in said, said
    assert len(rows) > 1
    assert [row.attempt for row in rows] == list(range(1, len(rows) + 1))
    assert {row.operation_id for row in rows[1:]} == {rows[0].call_id}
    assert [row.outcome for row in rows] == ["error"] * (len(rows) - 1) + ["ok"]
    assert {row.status for row in rows[:-1]} == {503}
    assert rows[-1].output_tokens == said["said"]


def check_whole(run: Driven, names: list[str]) -> None:
    """Nothing that no case asked for, no failure of ours, and no text."""
    assert {call.user_id for call in calls(run.places)} == set(names)
    assert counted(run.places)["recorder_error"] == 0
    assert run.said[""] == {"loaded by record()": []}
    for segment in run.places.spool.glob("*.ndjson"):
        kept = segment.read_bytes()
        assert PROMPT not in kept
        assert TOKEN not in kept
