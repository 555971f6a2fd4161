"""The owner's side of limits: grants shares of budgets and lends tokens of buckets.

A grant is in the journal before it is answered, so an owner killed at any moment comes back with
the same sums.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from hf_ledger.ingest.doors.gateway.limits.books import Books, Holder, Standing, holder_of, told
from hf_ledger.ingest.doors.gateway.limits.exchanging import (
    Exchange,
    Granted,
    Lent,
    Reply,
    Said,
    decode_exchange,
)
from hf_ledger.ingest.doors.gateway.limits.journal import Journal, Share, files
from hf_ledger.ingest.doors.gateway.limits.lending import Lender, later
from hf_ledger.ingest.doors.gateway.limits.overruns import Overruns
from hf_ledger.ingest.doors.gateway.state import State
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places

SECOND = 10**9
#: A gateway that hears nothing for so long hands out nothing more.
EXPIRY_NS = 10 * SECOND
#: So long after somebody was short, all are asked to return what they do not hold for a request.
SHORT_NS = SECOND
SWEEP_NS = SECOND
#: A slice is at most so many times what is wanted: what a killed gateway holds counts as spent.
AHEAD = 16


_open_here: dict[Path, Bank] = {}


class Bank:
    """What any number of gateway processes may hand out; one lock, some 20 µs an exchange."""

    def __init__(
        self,
        places: Places,
        state: State | None = None,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()
        self._id = secrets.token_hex(4)
        self._sessions = 0
        self._began = self._swept = clock()
        self._books = Books.read(places, state or State())
        self._overruns = Overruns(self._books)
        fresh = not files(places)
        self._lender = Lender(self._began, self._books.holders, fresh=fresh, expiry_ns=EXPIRY_NS)
        self._journal = Journal(places, self._books.past(wall()))
        self._root = places.root
        _open_here[self._root] = self

    @property
    def state(self) -> State:
        """What was adopted last."""
        return self._books.state

    def adopt(self, state: State) -> None:
        """Budgets and zone as they are from now on."""
        with self._lock:
            self._books.adopt(state)

    def close(self) -> None:
        """Bring the journal to the disk and let go of it."""
        _open_here.pop(self._root, None)
        self._journal.close()

    def answer(self, payload: bytes) -> bytes:
        """One exchange as it crosses the socket."""
        try:
            message = decode_exchange(payload)
        except msgspec.MsgspecError as error:
            raise Usage(f"not an exchange of a gateway: {error}.") from error
        return msgspec.json.encode(self.exchange(message))

    def exchange(self, message: Exchange) -> Reply:
        """Take in a gateway's word and grant what there is.

        Raises `Unusable` where the journal can't be written: then nothing has changed.
        """
        with self._lock:
            now = self._clock()
            holder = self._books.holders.get(message.gateway) or holder_of(message)
            shares = [self._weighed(holder, said, now) for said in message.accounts]
            changed = self._keep(holder, shares, closed=message.closing)
            self._heard(holder, message.session, now)
            granted = [self._granted(each, now) for each in shares]
            lent = self._lent(holder, message, now)
            if message.closing:
                self._close(holder)
            self._overruns.tell(changed)
            return Reply(holder.session, EXPIRY_NS // 10**6, granted, lent)

    def standings(self) -> list[Standing]:
        """Every budget in its current period."""
        with self._lock:
            self._sweep(self._clock())
            return self._books.standings(self._wall())

    def _weighed(self, holder: Holder, said: Said, now: int) -> Share:
        """The gateway's share after its word and what it can be granted."""
        share = told(self._books.share(holder.gateway, said), said)
        # What it was granted without hearing of it is there for what it wants now.
        unheard = share.granted - said.granted
        wanted = said.wanted - unheard
        if wanted <= 0 or not self._books.is_current(said, self._wall()):
            return share
        room = self._books.room(holder.gateway, share)
        account = self._books.account(said)
        if room < max(1, said.least - unheard):
            account.short_until = now + SHORT_NS
            return share
        # Where others are short, nobody gets more than what is asked for.
        ahead = 0 if now < account.short_until else room // (2 * self._alive(now))
        share.granted += min(room, max(wanted, min(ahead, AHEAD * wanted)))
        return share

    def _keep(self, holder: Holder, shares: list[Share], *, closed: bool) -> list[Share]:
        """Write down what is new, then believe it; gives what was."""
        changed = [each for each in shares if each != self._books.share(holder.gateway, each)]
        if changed or closed or holder.gateway not in self._books.holders:
            self._journal.write(holder.entry(changed, closed=closed))
        for each in changed:
            self._books.account(each).put(holder.gateway, each)
        return changed

    def _granted(self, share: Share, now: int) -> Granted:
        recall = now < self._books.account(share).short_until
        if recall:
            self._sweep(now)  # perhaps it is held by one that is gone
        left = self._books.left(share)
        return Granted(share.budget_id, share.period, share.granted, left, recall)

    def _lent(self, holder: Holder, message: Exchange, now: int) -> list[Lent]:
        if message.session != holder.session:
            return later(message.buckets)
        return self._lender.lend(holder.gateway, message.buckets, now, self._alive(now))

    def _heard(self, holder: Holder, session: str, now: int) -> None:
        self._books.holders[holder.gateway] = holder
        if session != holder.session or holder.heard is None or now - holder.heard >= EXPIRY_NS:
            # Its tokens are an earlier owner's, or have expired there, or it dropped them.
            self._lender.forget(holder.gateway)
            self._sessions += 1
            holder.session = f"{self._id}/{self._sessions}"
        holder.heard, holder.gone = now, False
        self._sweep(now)

    def _sweep(self, now: int) -> None:
        """Look which gateways are gone or silent, at most once a second."""
        if now - self._swept < SWEEP_NS:
            return
        self._swept = now
        for each in self._books.holders.values():
            silent = now - (self._began if each.heard is None else each.heard)
            if silent >= SWEEP_NS:
                each.gone = each.ended
            if silent >= EXPIRY_NS:
                self._lender.forget(each.gateway)
        self._lender.tidy(now)

    def _alive(self, now: int) -> int:
        """Gateways that leases are shared among."""
        heard = [each.heard for each in self._books.holders.values() if each.heard is not None]
        return max(1, sum(now - each < EXPIRY_NS for each in heard))

    def _close(self, holder: Holder) -> None:
        self._lender.forget(holder.gateway)
        del self._books.holders[holder.gateway]


def bank_here(places: Places) -> Bank | None:
    """The bank of `places` if this very process keeps it."""
    return _open_here.get(places.root)
