"""One request on its way through the gateway, and what a check of it looks like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.state import Key, State


@dataclass(slots=True)
class Asking:
    """What is known of a request; checks read it, fill in what is theirs, or raise `Refused`."""

    request_id: str
    ts: int  # start, UTC, microseconds since 1970
    method: str
    path: str
    address: str  # of the client's host
    headers: dict[str, str]  # lower-case names; the key stands in none of them
    body: bytes
    state: State
    asked: Any = None  # the body's JSON, None where it is none
    key: Key | None = None
    call: Call | None = None  # as read off the request: provider, model, task; None: no call
    upstream: str = ""  # base URL that it goes to, without a path of its own
    token: str | None = None  # for that server, where it is not Hugging Face; "" for none
    verdicts: dict[str, str] = field(default_factory=dict)  # check → what it decided
    reserved: Decimal | None = None  # USD, the worst case that budgets hold for it
    answer: dict[str, str] = field(default_factory=dict)  # headers of ours on the reply


@dataclass(slots=True)
class Outcome:
    """How a request ended: the finished call with its cost, or the refusal's code."""

    call: Call | None = None
    cost: Decimal | None = None  # USD; None: unknown
    status: int = 0
    refused: str | None = None


class Tap(Protocol):
    """Wants the bytes of one reply on their way, and to be told how the request ended."""

    def opened(self, content_type: str, encoding: str | None) -> None:
        """The head of the reply is here."""

    def feed(self, piece: bytes) -> None: ...

    def over(self, outcome: Outcome) -> None:
        """All went back to the client; never raises, never waits."""


Cost = Callable[["Asking", Call], Decimal | None]


class Check(Protocol):
    """One thing that must hold. `finish` is called once for each request that `check` let pass."""

    name: str

    def check(self, asking: Asking) -> Awaitable[None] | None:
        """Let it pass, or raise `Refused`; an awaitable only where something must be waited for."""

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """The request is over, however it ended; never raises."""
