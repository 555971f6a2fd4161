"""Whoever sends a call may look on: what left, what came, and the row that it becomes.

The router and the console decide and show by the same figures that the ledger will have. A witness
lives in the caller's own context; what it sees stays in memory, and the token is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.hook.flight import CALL_ID_HEADER, Flight, Take, ending_of, kind_of
from hf_ledger.ingest.wire.exchange import Asked
from hf_ledger.ingest.wire.reply import fail

if TYPE_CHECKING:
    from hf_ledger.ingest.doors.hook.hook import Hook
    from hf_ledger.ingest.doors.hook.labels import Labels
    from hf_ledger.ingest.doors.hook.polls import Awaited
    from hf_ledger.ingest.wire.request import Way

#: Headers that could let somebody else call, or that say who somebody is.
SECRET = frozenset({"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"})
BLANK = "…"


class Witness(Protocol):
    """Sees the calls made in its context. It may not raise, and may be called in other threads."""

    def left(self, call: Call, url: str, headers: dict[str, str], body: bytes | None) -> None:
        """The request is on its way; what is set on `call` here stands in its row."""

    def answered(self, call: Call, status: int, headers: dict[str, str]) -> None:
        """The head of the reply is here."""

    def came(self, piece: bytes) -> None:
        """The reply's next bytes, as they came (packed, where the server packs)."""

    def ended(self, call: Call) -> None:
        """The call is over, and is as its row will be; told once."""


witness: ContextVar[Witness | None] = ContextVar("hf_ledger_witness", default=None)


@contextmanager
def seen_by(seen: Witness) -> Iterator[None]:
    """Calls made inside are told to this witness."""
    token = witness.set(seen)
    try:
        yield
    finally:
        witness.reset(token)


class Witnessed(Flight):
    """A flight that tells; where a gateway of ours keeps the row, the witness still sees all."""

    def __init__(self, seen: Witness, hook: Hook, request: Any, way: Way, labels: Labels) -> None:
        super().__init__(hook, request, way, labels)
        self._seen = seen
        self._theirs = False  # a gateway keeps the row
        self._told = False

    def _read_request(self) -> Asked:
        request = self._request
        call = super()._read_request()
        if request is not None:
            headers = blanked(request.headers.raw)
            self._seen.left(call, str(request.url), headers, self.body)
        return call

    def wants(self, status: int, headers: dict[str, str]) -> bool:
        told = dict(headers)
        named = told.pop(CALL_ID_HEADER, None)
        if named is not None and self in self.hook.open:
            self.hook.stand_back(self)
            self.hook.open[self] = self._theirs = True  # still to be ended, and not to be kept
            self.call.call_id = named
        wanted = super().wants(status, told)
        if wanted:
            self._seen.answered(self.call, status, headers)
        return wanted

    def taker(self) -> Take:
        return self.feed

    def feed(self, chunk: bytes) -> None:
        super().feed(chunk)
        self.may_wait = False  # each piece is told as it comes
        self._seen.came(chunk)

    def failed(self, error: BaseException | None) -> None:
        super().failed(error)
        if not self._told:
            # A gateway of ours has it, and we heard nothing: what we know is that it failed.
            given_up = ending_of(error) in ("cancelled", "closed")
            fail(self.call, kind_of(error), self.started, perf_counter_ns, cancelled=given_up)
            self._tell()

    def keep(self, ended: Flight | Awaited) -> None:
        if not self._theirs:
            super().keep(ended)
        self._tell()

    def _tell(self) -> None:
        self._told = True
        self._seen.ended(self.call)


def blanked(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers for people to read: names in lower case, what is secret left out."""
    pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw)
    return {name: BLANK if name in SECRET else value for name, value in pairs}
