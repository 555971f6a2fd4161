"""Answers as a target would give them, without one: each test says what becomes of which chunk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hf_ledger.ingest.doors.documents.job import Job
from hf_ledger.ingest.doors.router.routed import Routed
from hf_ledger.ingest.doors.router.target import Target

PRICE = Decimal("0.000125")
TARGET = Target(name="tests")

#: A text of sentences whose chunks of 40 characters are all different.
BOOK = " ".join(f"Sentence {number} tells of nothing." for number in range(40))


def job(task: str = "translation", **said: Any) -> Job:
    """A job that waits for nothing between two tries."""
    return Job(**{"task": task, "size": 40, "backoff_s": 0.0, **said})


def routed(value: Any, cost: Decimal | None = PRICE) -> Routed[Any]:
    return Routed(value=value, target=TARGET, attempts=(), operation_id="o", cost=cost)


def sent_text(task: str, inputs: Mapping[str, Any]) -> str:
    """The chunk in a call's inputs."""
    if task == "chat-completion":
        return str(inputs["messages"][-1]["content"])
    return str(next(inputs[name] for name in ("text", "prompt", "context") if name in inputs))


@dataclass
class Echo:
    """Answers each text with itself in capitals, out of order, and counts what it was asked.

    `fate` may raise for a text, or give another answer; it is told how often it was asked before.
    """

    fate: Callable[[str, int], Any] = lambda text, before: None
    delay_s: float = 0.0
    cost: Decimal | None = PRICE
    seed: int = 0
    asked: list[str] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def __call__(
        self, task: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Routed[Any]:
        text = sent_text(task, inputs)
        before = self.asked.count(text)
        self.asked.append(text)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self._random.random() * self.delay_s)
            said = self.fate(text, before)
        finally:
            self.under_way -= 1
        return routed(text.upper() if said is None else said, self.cost)
