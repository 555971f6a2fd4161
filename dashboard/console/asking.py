"""One call of a column through the engine, waited for, and what an evaluation keeps of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from hf_ledger.dashboard.console import findings
from hf_ledger.dashboard.console.column import AUTO, PRACTICE, Column, Question, Run
from hf_ledger.dashboard.console.engine import Engine
from hf_ledger.dashboard.format import short_model
from hf_ledger.ingest.call import HostKind, Origin
from hf_ledger.ingest.doors.evaluation.running import Answer
from hf_ledger.ingest.places import Places

Row = dict[str, Any]

LOOK_SECONDS = 1.0
#: So long a call may take with all that is in front of it; then it counts as taken back.
MOST_SECONDS = 900.0


@dataclass(frozen=True)
class Bench:
    """What the page hands over: its columns, and the way to have them asked."""

    columns: Sequence[Column]
    task: str
    team: str | None
    listed: Sequence[Row]  # prices of now
    targets: Sequence[str]
    kind_of: Callable[[str], HostKind]  # of a target's name
    engine: Engine
    session: str
    places: Places
    now: datetime

    def question(self, inputs: Any) -> Question:
        return Question(task=self.task, inputs=inputs, team=self.team)


def waited(engine: Engine, session: str, run: Run) -> Run:
    """Have the run sent, and give it back when nothing of it changes any more."""
    deadline = time.monotonic() + MOST_SECONDS
    engine.start([run], session)
    seen = -1
    while not run.settled:
        if time.monotonic() > deadline:
            engine.stop(run)
            run.state = "stopped"
            break
        seen = engine.wait([run], seen, LOOK_SECONDS)
    return run


def answer_of(run: Run) -> Answer | None:
    """What the run came to; None where it was taken back."""
    if run.state == "stopped":
        return None
    return Answer(
        text=said_of(run) if run.state == "done" else None,
        failure=run.failure,
        was_cut=run.finish_reason == "length",
        call_id=run.call_id,
        ts=int(run.began.timestamp() * 1_000_000),
        model=asked_name(run),
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        latency_ms=run.latency_ms,
        cost=run.cost,
        origin=origin_of(run),
    )


def said_of(run: Run) -> str:
    """The answer as a text to compare: of labels the surest one, of other results their JSON."""
    text = run.text or findings.text_of(run.value)
    if text is not None:
        return text
    labels, answers = findings.scores_of(run.value), findings.answers_of(run.value)
    if answers:
        return answers[0][0].label
    if labels and run.question.task != "token-classification":
        return labels[0].label
    return msgspec.json.encode(run.value, enc_hook=str).decode()


def asked_name(run: Run) -> str:
    """The model as it was asked for, with its suffix; of a policy the one that served."""
    column, row = run.column, run.row or {}
    model = column.model or str(row.get("model") or "")
    named = run.provider if column.policy is not None else column.provider
    return f"{model}:{named}" if model and named and named != AUTO else model


def origin_of(run: Run) -> Origin:
    """No model ran where the practice server answered, whatever name it was reached by."""
    if run.column.target == PRACTICE or (run.row or {}).get("origin") == "practice":
        return "practice"
    return "live"


def same_but_parameters(one: Column, other: Column) -> bool:
    """Whether two columns ask one model in two ways: that says nothing of two models."""
    names = [(each.target, each.model, each.provider, each.policy) for each in (one, other)]
    return names[0] == names[1] and dict(one.parameters) != dict(other.parameters)


def label_of(column: Column, number: int) -> str:
    """A column for tables: its number, and what is asked."""
    who = column.policy if column.policy is not None else short_model(column.model)
    via = column.target if column.policy is not None else column.provider
    return f"{number} · {who} · {via}"
