"""One prompt to one model, streamed, and the row that the call became. Nothing is written here.

A `Turn` lives in the session's memory alone; the ledger gets the call through the recorder, as from
any other program, with source "console".
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hf_ledger.analytics.scope import Scope
from hf_ledger.dashboard.books import Book, Shelf
from hf_ledger.ingest.doors.client import (
    Sentences,
    Target,
    inner_client,
    start_recording,
    target_named,
)
from hf_ledger.ingest.doors.hook.labels import attribute
from hf_ledger.ingest.errors import LedgerError, Usage

PRACTICE = "Practice server"
HUGGING_FACE = "Hugging Face"
AUTO = "auto"

TIMEOUT_SECONDS = 120.0
ROW_SECONDS = 3.0
TURN_TAG = "console_turn"

Row = dict[str, Any]


@dataclass
class Turn:
    """A prompt, what came back so far, and the ledger's row of the call once it is there."""

    prompt: str
    model: str
    provider: str
    target: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    answer: str = ""
    failure: str | None = None
    row: Row | None = None

    @property
    def book(self) -> str:
        return "practice" if self.target == PRACTICE else "yours"


def targets(shelf: Shelf) -> list[str]:
    """Where the console can send a prompt just now; empty where nowhere."""
    offered = [PRACTICE] if shelf.practice_url else []
    offered += [HUGGING_FACE] if os.environ.get("HF_TOKEN") else []
    return [*offered, *shelf.targets]


def target_of(turn: Turn, shelf: Shelf) -> Target:
    """Where this turn goes. Raises Usage for a target that the server does not offer."""
    if turn.target not in targets(shelf):
        raise Usage(f"{turn.target} is not offered here just now; choose another target.")
    if turn.target == PRACTICE:
        return Target("router", shelf.practice_url, routed(turn), None, "practice")
    if turn.target == HUGGING_FACE:
        provider = None if turn.provider == AUTO else turn.provider
        return Target("router", None, turn.model, provider, os.environ.get("HF_TOKEN"))
    return target_named(turn.target, shelf.places)


def routed(turn: Turn) -> str:
    """The router's own spelling of "this model at this provider"."""
    return turn.model if turn.provider == AUTO else f"{turn.model}:{turn.provider}"


def speak(turn: Turn, shelf: Shelf) -> Iterator[str]:
    """The answer in pieces; they are kept in the turn, and so is a failure, as one sentence.

    This is the only place that calls a model. Leaving it early closes the stream.
    """
    try:
        target = target_of(turn, shelf)
        start_recording(target, shelf.places)
        with (
            attribute(app="console", source="console", tags={TURN_TAG: turn.id}),
            Sentences(target),
        ):
            for piece in pieces(turn, target):
                turn.answer += piece
                yield piece
    except LedgerError as failed:
        turn.failure = str(failed)


def pieces(turn: Turn, target: Target) -> Iterator[str]:
    client = inner_client(target, TIMEOUT_SECONDS, {}, None)
    stream = client.chat_completion(
        [{"role": "user", "content": turn.prompt}],
        model=target.model,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                yield str(choice.delta.content)


def find_row(turn: Turn, book: Book, seconds: float = ROW_SECONDS) -> Row | None:
    """The call's own row, known by its tag; None if it has not arrived in time."""
    deadline = time.monotonic() + seconds
    while True:
        for call_id in recent(turn, book):
            row: Row = book.ask("call", call_id=call_id).to_pylist()[0]
            if (TURN_TAG, turn.id) in (row["tags"] or []):
                return row
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.1)


def recent(turn: Turn, book: Book) -> list[str]:
    """The console's calls since the turn began, newest first."""
    since, until = turn.began - timedelta(seconds=1), turn.began + timedelta(days=1)
    scope = Scope(since, until, "UTC", book.origins, {"source": ("console",)})
    found: list[str] = book.ask("calls", scope, limit=20)["call_id"].to_pylist()
    return found
