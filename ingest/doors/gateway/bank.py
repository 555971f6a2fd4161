"""The owner's side of limits: what each gateway process was granted, spent and gave back.

The law: for each budget and period, settled + outstanding ≤ limit, where outstanding is what was
granted and neither spent nor returned. A grant is in the journal before it is answered, so an
owner killed at any moment comes back with the same sums.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from hf_ledger.ingest.doors.gateway.exchanging import Exchange, Granted, Lent, Reply, Said
from hf_ledger.ingest.doors.gateway.journal import Entry, Journal, Share, files, read_entries
from hf_ledger.ingest.doors.gateway.lending import Lender, later
from hf_ledger.ingest.doors.gateway.money import nano
from hf_ledger.ingest.doors.gateway.periods import Calendar, first_day
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import is_gone

SECOND = 10**9
#: A gateway that hears nothing for so long hands out nothing more.
EXPIRY_NS = 10 * SECOND
#: So long after somebody was short, all are asked to return what they do not hold for a request.
SHORT_NS = SECOND
SWEEP_NS = SECOND
#: Clocks of two processes may see midnight at different moments.
SKEW_SECONDS = 60.0
KEPT = timedelta(days=100)
#: The gateway name under which all that are gone stand in a new journal.
PAST = ""


@dataclass(slots=True)
class Holder:
    """A gateway process as the owner knows it."""

    gateway: str
    host: str
    pid: int
    process_start: str
    heard: int = -EXPIRY_NS  # monotonic ns
    session: str = ""
    gone: bool = False

    @property
    def ended(self) -> bool:
        return is_gone(self.host, self.pid, self.process_start)


@dataclass(slots=True)
class Account:
    """One budget's period: its shares and their sums, nano-USD."""

    shares: dict[str, Share] = field(default_factory=dict)
    spent: int = 0
    outstanding: int = 0
    short_until: int = 0

    def put(self, gateway: str, share: Share) -> None:
        """Replace a gateway's share; the sums follow."""
        old = self.shares.get(gateway)
        self.spent += share.spent - (old.spent if old else 0)
        self.outstanding += share.outstanding - (old.outstanding if old else 0)
        self.shares[gateway] = share


class Standing(msgspec.Struct, frozen=True):
    """What a budget's period has come to, nano-USD; `unaccounted` is part of `settled`."""

    budget_id: str
    period: str
    limit: int
    settled: int
    reserved: int
    unaccounted: int


class Bank:
    """Grants shares of budgets and lends tokens of buckets, to any number of gateway processes."""

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
        self._holders: dict[str, Holder] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._swept = clock()
        self.adopt(state or State())
        for entry in read_entries(places):
            self._replay(entry)
        # Shares of gateways that are gone stay, as nobody's.
        self._holders = {name: each for name, each in self._holders.items() if not each.ended}
        self._lender = Lender(clock(), self._holders, fresh=not files(places), expiry_ns=EXPIRY_NS)
        self._journal = Journal(places, self._past())

    def adopt(self, state: State) -> None:
        """Budgets and zone as they are from now on."""
        budgets = {each.budget_id: each for each in state.budgets}
        limits = {each.budget_id: nano(each.usd) for each in state.budgets}
        calendar = Calendar(state.zone)
        with self._lock:
            self._budgets, self._limits, self._calendar = budgets, limits, calendar

    def close(self) -> None:
        """Bring the journal to the disk and let go of it."""
        self._journal.close()

    def answer(self, payload: bytes) -> bytes:
        """One exchange as it crosses the socket."""
        try:
            message = msgspec.json.decode(payload, type=Exchange)
        except msgspec.MsgspecError as error:
            raise Usage(f"not an exchange of a gateway: {error}.") from error
        return msgspec.json.encode(self.exchange(message))

    def exchange(self, message: Exchange) -> Reply:
        """Take in a gateway's word and grant what there is.

        Raises `Unusable` where the journal can't be written: then nothing has changed.
        """
        with self._lock:
            now = self._clock()
            holder = self._holders.get(message.gateway) or _holder(message)
            shares = [self._weighed(holder, said, now) for said in message.accounts]
            self._keep(holder, shares, closed=message.closing)
            self._heard(holder, now)
            granted = [self._granted(each, now) for each in shares]
            lent = self._lent(holder, message, now)
            if message.closing:
                self._close(holder)
            return Reply(holder.session, EXPIRY_NS // 10**6, granted, lent)

    def standings(self) -> list[Standing]:
        """Every budget in its current period."""
        with self._lock:
            self._sweep(self._clock())
            now = self._wall()
            return [
                self._standing(each, self._calendar.current(each.period, now))
                for each in self._budgets.values()
            ]

    # -- money -----------------------------------------------------------------------------------

    def _weighed(self, holder: Holder, said: Said, now: int) -> Share:
        """The gateway's share after its word and what it can be granted."""
        share = told(self._share(holder, said), said)
        # What it was granted without hearing of it is there for what it wants now.
        unheard = share.granted - said.granted
        wanted = said.wanted - unheard
        if wanted <= 0 or not self._is_current(said):
            return share
        room = self._room(holder, share)
        account = self._account(said)
        if room < max(1, said.least - unheard):
            account.short_until = now + SHORT_NS
            return share
        # Near the limit, or where others are short, nobody gets more than what is asked for.
        slice_ = 0 if now < account.short_until else room // (2 * self._alive(now))
        share.granted += min(room, max(wanted, slice_))
        return share

    def _room(self, holder: Holder, share: Share) -> int:
        """What is neither settled nor outstanding, were this the gateway's share."""
        account, old = self._account(share), self._share(holder, share)
        others = account.spent + account.outstanding - old.spent - old.outstanding
        return self._limits[share.budget_id] - others - share.spent - share.outstanding

    def _is_current(self, said: Said) -> bool:
        budget = self._budgets.get(said.budget_id)
        if budget is None:
            return False
        now = self._wall()
        if self._calendar.current(budget.period, now) == said.period:
            return True
        near = (now - SKEW_SECONDS, now + SKEW_SECONDS)
        return said.period in [self._calendar.current(budget.period, each) for each in near]

    def _keep(self, holder: Holder, shares: list[Share], *, closed: bool) -> None:
        """Write down what is new, then believe it."""
        changed = [each for each in shares if each != self._share(holder, each)]
        if changed or closed or holder.gateway not in self._holders:
            self._journal.write(_entry(holder, changed, closed=closed))
        for each in changed:
            self._account(each).put(holder.gateway, each)

    def _granted(self, share: Share, now: int) -> Granted:
        account = self._account(share)
        recall = now < account.short_until
        if recall:
            self._sweep(now)  # perhaps it is held by one that is gone
        limit = self._limits.get(share.budget_id)
        left = None if limit is None else limit - account.spent - self._unaccounted(account)
        return Granted(share.budget_id, share.period, share.granted, left, recall)

    def _standing(self, budget: Budget, period: str) -> Standing:
        account = self._accounts.get((budget.budget_id, period), Account())
        lost = self._unaccounted(account)
        return Standing(
            budget_id=budget.budget_id,
            period=period,
            limit=self._limits[budget.budget_id],
            settled=account.spent + lost,
            reserved=account.outstanding - lost,
            unaccounted=lost,
        )

    def _unaccounted(self, account: Account) -> int:
        """Held by processes that are gone: nobody can say what of it was spent."""
        return sum(
            share.outstanding
            for gateway, share in account.shares.items()
            if gateway not in self._holders or self._holders[gateway].gone
        )

    def _account(self, of: Said | Share) -> Account:
        return self._accounts.setdefault((of.budget_id, of.period), Account())

    def _share(self, holder: Holder, of: Said | Share) -> Share:
        known = self._account(of).shares.get(holder.gateway)
        return known or Share(of.budget_id, of.period)

    # -- gateways --------------------------------------------------------------------------------

    def _heard(self, holder: Holder, now: int) -> None:
        self._holders[holder.gateway] = holder
        if not holder.session or now - holder.heard >= EXPIRY_NS:
            self._lender.forget(holder.gateway)
            self._sessions += 1
            holder.session = f"{self._id}/{self._sessions}"
        holder.heard, holder.gone = now, False
        self._sweep(now)

    def _lent(self, holder: Holder, message: Exchange, now: int) -> list[Lent]:
        if message.session != holder.session:
            return later(message.buckets)
        return self._lender.lend(holder.gateway, message.buckets, now, self._alive(now))

    def _sweep(self, now: int) -> None:
        """Look which gateways are gone or silent, at most once a second."""
        if now - self._swept < SWEEP_NS:
            return
        self._swept = now
        for each in self._holders.values():
            if now - each.heard >= SWEEP_NS:
                each.gone = each.ended
            if now - each.heard >= EXPIRY_NS:
                self._lender.forget(each.gateway)
        self._lender.tidy(now)

    def _alive(self, now: int) -> int:
        heard = [each for each in self._holders.values() if now - each.heard < EXPIRY_NS]
        return max(1, len(heard))

    def _close(self, holder: Holder) -> None:
        self._lender.forget(holder.gateway)
        del self._holders[holder.gateway]

    # -- the journal -----------------------------------------------------------------------------

    def _replay(self, entry: Entry) -> None:
        for share in entry.shares:
            self._account(share).put(entry.gateway, share)
        if entry.closed:
            self._holders.pop(entry.gateway, None)
        elif entry.gateway != PAST:
            self._holders[entry.gateway] = _holder(entry)

    def _past(self) -> list[Entry]:
        """All that is known, as the first lines of a new journal."""
        oldest = (datetime.fromtimestamp(self._wall(), UTC) - KEPT).date()
        self._accounts = {
            key: account for key, account in self._accounts.items() if first_day(key[1]) >= oldest
        }
        for account in self._accounts.values():
            self._merge(account)
        entries = {PAST: Entry(PAST)} | {
            name: _entry(each, [], closed=False) for name, each in self._holders.items()
        }
        for account in self._accounts.values():
            for gateway, share in account.shares.items():
                entries[gateway].shares.append(share)
        return list(entries.values())

    def _merge(self, account: Account) -> None:
        """Add up the shares of those that are gone: there is one of them all."""
        gone = [name for name in account.shares if name not in self._holders]
        shares = [account.shares.pop(name) for name in gone]
        if shares:
            account.shares[PAST] = added(shares)


def told(known: Share, said: Said) -> Share:
    """A share after a gateway's word: counters only grow, and what was spent was granted."""
    spent = max(known.spent, said.spent)
    returned = max(known.returned, said.returned)
    granted = max(known.granted, said.granted, spent + returned)
    return Share(known.budget_id, known.period, granted, spent, returned)


def added(shares: list[Share]) -> Share:
    """The sum of shares of one account."""
    return Share(
        shares[0].budget_id,
        shares[0].period,
        sum(each.granted for each in shares),
        sum(each.spent for each in shares),
        sum(each.returned for each in shares),
    )


def _holder(of: Exchange | Entry) -> Holder:
    return Holder(of.gateway, of.host, of.pid, of.process_start)


def _entry(holder: Holder, shares: list[Share], *, closed: bool) -> Entry:
    return Entry(
        holder.gateway, holder.host, holder.pid, holder.process_start, closed=closed, shares=shares
    )
