"""The console's calls for tests: a desk with a practice server, and runs sent from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from factories_dashboard import lay
from factories_practice import practice_server

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console import running
from hf_ledger.dashboard.console.column import PRACTICE, Column, Question, Run
from hf_ledger.ingest.doors.hook import recording
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.polling import CollectorThread

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
PATIENCE = 15.0
CHAT = "chat-completion"


@contextmanager
def collected(places: Places) -> Iterator[Ledger]:
    """A real ledger whose collector runs, as in the server."""
    recording.record(places=places)
    with closing(Ledger.open(places)) as opened:
        collector = CollectorThread(opened, places)
        collector.start()
        try:
            yield opened
        finally:
            collector.stop()


@contextmanager
def desk_of(places: Places, **more: Any) -> Iterator[Shelf]:
    """Books over one ledger, a practice server, and the console's engine ended at the end."""
    with practice_server() as practice, collected(places) as ledger:
        laid = {"yours": ledger, "practice": ledger}
        try:
            yield lay(laid, practice_url=practice.url, places=places, **more)
        finally:
            running.close()


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def run_of(
    text: str = "Hello there",
    model: str = MODEL,
    *,
    target: str = PRACTICE,
    provider: str = "auto",
    task: str = CHAT,
    inputs: Mapping[str, Any] | None = None,
    team: str | None = None,
    **parameters: Any,
) -> Run:
    column = Column(target=target, model=model, provider=provider, parameters=parameters)
    asked = said(text) if inputs is None else inputs
    return Run(column=column, question=Question(task=task, inputs=asked, team=team))


def begin(*runs: Run) -> None:
    running.engine().start(runs, "a session")


def sent(*runs: Run) -> None:
    """Send them all at once, and wait until nothing of them changes any more."""
    begin(*runs)
    until(lambda: all(run.settled for run in runs))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)
