"""A request of our own: what is asked of whoever sends, and what is wanted back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from hf_ledger.ingest.call import Call, Purpose


@dataclass(frozen=True, slots=True)
class Errand:
    """One request to send in the background; it becomes a call of source `replay`.

    Purposes: `replay` asks the candidate, `evaluation` the same model again, `judge` a judge.
    """

    purpose: Purpose
    model: str
    path: str  # as "/v1/chat/completions"
    of: Call  # the call it is made for, whose key and labels its own row has
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `status` is 0 where nothing did. `call` is the row as recorded."""

    status: int
    body: bytes = field(default=b"", repr=False)
    call: Call | None = None
    cost: Decimal | None = None  # USD; None: unknown


#: Sends, records and waits. Whatever the network does is a `Reply`, never raised.
Send = Callable[[Errand], Awaitable[Reply]]
#: The most that an errand can cost, USD; 0 for what is free, None where nobody knows a price.
Worst = Callable[[Errand], Decimal | None]
