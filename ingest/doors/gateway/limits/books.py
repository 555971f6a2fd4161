"""What every gateway process was granted, spent and gave back: the sums, without lock or journal.

The law: for each budget and period, settled + outstanding ≤ limit, where outstanding is what was
granted and neither spent nor returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from hf_ledger.ingest.doors.gateway.limits.exchanging import Exchange, Said
from hf_ledger.ingest.doors.gateway.limits.journal import Entry, Share, read_entries
from hf_ledger.ingest.doors.gateway.limits.money import nano
from hf_ledger.ingest.doors.gateway.limits.periods import Calendar, first_day
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.process import is_gone

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
    heard: int | None = None  # monotonic ns; None: not since this owner began
    session: str = ""
    gone: bool = False

    @property
    def ended(self) -> bool:
        return is_gone(self.host, self.pid, self.process_start)

    def entry(self, shares: list[Share], *, closed: bool = False) -> Entry:
        """Its line in the journal."""
        return Entry(
            self.gateway, self.host, self.pid, self.process_start, closed=closed, shares=shares
        )


@dataclass(slots=True)
class Account:
    """One budget's period: its shares and their sums, nano-USD."""

    shares: dict[str, Share] = field(default_factory=dict)
    spent: int = 0
    outstanding: int = 0
    short_until: int = 0  # monotonic ns

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


class Books:
    """The accounts of all budgets and the gateways that hold shares of them."""

    def __init__(self, state: State) -> None:
        self.holders: dict[str, Holder] = {}
        self.accounts: dict[tuple[str, str], Account] = {}
        self.adopt(state)

    @classmethod
    def read(cls, places: Places, state: State) -> Books:
        """As the journal has them; changes nothing there."""
        books = cls(state)
        for entry in read_entries(places):
            books.replay(entry)
        # Shares of gateways that are gone stay, as nobody's.
        books.holders = {name: each for name, each in books.holders.items() if not each.ended}
        return books

    def adopt(self, state: State) -> None:
        """Budgets and zone as they are from now on."""
        self.state = state
        self._limits = {each.budget_id: nano(each.usd) for each in state.budgets}
        self._budgets = {each.budget_id: each for each in state.budgets}
        self._calendar = Calendar(state.zone)

    def replay(self, entry: Entry) -> None:
        """Believe a line of the journal."""
        for share in entry.shares:
            self.account(share).put(entry.gateway, share)
        if entry.closed:
            self.holders.pop(entry.gateway, None)
        elif entry.gateway != PAST:
            self.holders[entry.gateway] = holder_of(entry)

    def account(self, of: Said | Share) -> Account:
        return self.accounts.setdefault((of.budget_id, of.period), Account())

    def share(self, gateway: str, of: Said | Share) -> Share:
        """A gateway's share as it stands."""
        known = self.account(of).shares.get(gateway)
        return known or Share(of.budget_id, of.period)

    def room(self, gateway: str, share: Share) -> int:
        """What is neither settled nor outstanding, were this the gateway's share."""
        account, old = self.account(share), self.share(gateway, share)
        others = account.spent + account.outstanding - old.spent - old.outstanding
        return self._limits[share.budget_id] - others - share.spent - share.outstanding

    def budget(self, budget_id: str) -> Budget | None:
        """The budget of this id, if there is one now."""
        return self._budgets.get(budget_id)

    def left(self, share: Share) -> int | None:
        """Limit less what is settled; None where there is no such budget."""
        limit = self._limits.get(share.budget_id)
        if limit is None:
            return None
        account = self.account(share)
        return limit - account.spent - self.unaccounted(account)

    def is_current(self, said: Said, now: float) -> bool:
        """Whether a budget's period is the one of now (seconds since 1970), give or take a
        minute."""
        budget = self._budgets.get(said.budget_id)
        if budget is None:
            return False
        if self._calendar.current(budget.period, now) == said.period:
            return True
        near = (now - SKEW_SECONDS, now + SKEW_SECONDS)
        return said.period in [self._calendar.current(budget.period, each) for each in near]

    def standings(self, now: float) -> list[Standing]:
        """Every budget in its current period."""
        return [
            self._standing(each, self._calendar.current(each.period, now))
            for each in self._budgets.values()
        ]

    def unaccounted(self, account: Account) -> int:
        """Held by processes that are gone: nobody can say what of it was spent."""
        return sum(
            share.outstanding
            for gateway, share in account.shares.items()
            if gateway not in self.holders or self.holders[gateway].gone
        )

    def past(self, now: float) -> list[Entry]:
        """All that is known, as the first lines of a new journal; old periods are dropped."""
        oldest = (datetime.fromtimestamp(now, UTC) - KEPT).date()
        self.accounts = {
            key: account for key, account in self.accounts.items() if first_day(key[1]) >= oldest
        }
        entries = {PAST: Entry(PAST)}
        entries |= {name: each.entry([]) for name, each in self.holders.items()}
        for account in self.accounts.values():
            self._merge(account)
            for gateway, share in account.shares.items():
                entries[gateway].shares.append(share)
        return list(entries.values())

    def _merge(self, account: Account) -> None:
        """Add up the shares of those that are gone: there is one of them all."""
        gone = [name for name in account.shares if name not in self.holders]
        shares = [account.shares.pop(name) for name in gone]
        if shares:
            account.shares[PAST] = added(shares)

    def _standing(self, budget: Budget, period: str) -> Standing:
        account = self.accounts.get((budget.budget_id, period), Account())
        lost = self.unaccounted(account)
        return Standing(
            budget_id=budget.budget_id,
            period=period,
            limit=self._limits[budget.budget_id],
            settled=account.spent + lost,
            reserved=account.outstanding - lost,
            unaccounted=lost,
        )


def holder_of(said: Exchange | Entry) -> Holder:
    return Holder(said.gateway, said.host, said.pid, said.process_start)


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
