"""What stands at the head of a column, what is asked, and one call that came of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

PRACTICE = "Practice server"
HUGGING_FACE = "Hugging Face"
AUTO = "auto"
MOST_COLUMNS = 4

#: Where a run stands.
State = Literal["waiting", "running", "done", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A model at a provider, or by a policy of the router, with its parameters.

    `target` is the practice server, Hugging Face, or a name of the settings; `provider` is a
    provider's name, `auto`, or the router's own policies (fastest, cheapest, preferred). With
    `policy` the router of this ledger chooses among the settings' targets, and the rest is unused.
    """

    target: str
    model: str
    provider: str = AUTO
    policy: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # max_tokens, temperature, …


@dataclass(frozen=True, kw_only=True)
class Question:
    """What all columns are asked: a task of `ingest/doors/router/tasks.py` and its inputs."""

    task: str
    inputs: Mapping[str, Any]
    team: str | None = None
    in_chunks: bool = False  # a text longer than a column's model takes, cut as was agreed to


@dataclass(eq=False, kw_only=True)
class Run:
    """One call of one column. It lives in the session's memory alone; a thread fills it in."""

    column: Column
    question: Question
    purpose: Literal["work", "evaluation", "judge"] = "work"
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_s: float = field(default_factory=time.monotonic)
    state: State = "waiting"
    text: str = ""  # the answer so far, where it is text
    value: Any = None  # the task's result, once it is whole
    failure: str | None = None  # one sentence
    finish_reason: str | None = None
    call_id: str | None = None  # its row, known as soon as it is sent
    provider: str | None = None  # who served it
    input_tokens: int | None = None
    output_tokens: int | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    cost: Decimal | None = None  # USD, as the ledger will price it
    cost_basis: str | None = None
    sent: str | None = None  # the request for people to read, token blanked
    received: str | None = None
    attempts: tuple[Any, ...] = ()  # of the router, where a policy chose
    row: Mapping[str, Any] | None = None  # the ledger's own, once it is there
    settled: bool = False  # nothing of this changes any more
    changes: int = 0  # grows with each of them

    @property
    def over(self) -> bool:
        return self.state in ("done", "stopped", "failed")

    @property
    def book(self) -> str:
        return "practice" if self.column.target == PRACTICE else "yours"
