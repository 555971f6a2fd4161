"""What became of a routed request: which target answered, and why the others did not."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Literal, TypeVar

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable

T = TypeVar("T")

#: What the router did after an attempt.
Next = Literal["done", "retry", "next", "give_up", "hedged", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, as its row in the ledger has it. `call` is None where nothing was sent."""

    target: Target
    number: int  # from 1, over all targets
    began_s: float  # since the start of the operation
    took_s: float
    then: Next
    why: str  # one clause: "ok", "rate limited (429), asked to wait 2 s", …
    call: Call | None = None
    cost: Decimal | None = None  # USD; None: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(Generic[T]):
    """The answer, and how it came about. `cost` is of all attempts, None if one is unknown."""

    value: T
    target: Target
    attempts: tuple[Attempt, ...]
    operation_id: str
    cost: Decimal | None
    excluded: tuple[tuple[str, str], ...] = ()  # target → why it was not considered


class RouteFailed(Unusable):
    """No target answered; one sentence, and the attempts behind it."""

    def __init__(self, sentence: str, attempts: tuple[Attempt, ...] = ()) -> None:
        super().__init__(sentence)
        self.attempts = attempts
