"""What a gateway process holds of limits: shares of budgets, tokens of buckets. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass

from hf_ledger.ingest.doors.gateway.limits.exchanging import Drawn, Granted, Lent, Said
from hf_ledger.ingest.doors.gateway.state import Budget

#: With a beat of a quarter of a second, two seconds.
IDLE_EXCHANGES = 8


@dataclass(slots=True, eq=False)
class Account:
    """This process's share of one budget's period, nano-USD."""

    budget: Budget
    period: str
    granted: int = 0
    spent: int = 0
    returned: int = 0
    reserved: int = 0
    left: int | None = None  # limit less what is settled, as the owner said last
    told_spent: int = 0
    told_returned: int = 0
    recalled: bool = False  # others are short
    idle: int = 0  # exchanges since something was reserved
    needed: int = 0  # what waiting requests need, and the least of them
    least: int = 0

    @property
    def free(self) -> int:
        return self.granted - self.spent - self.returned - self.reserved

    @property
    def has_news(self) -> bool:
        return self.spent != self.told_spent or self.returned != self.told_returned

    @property
    def matters(self) -> bool:
        """Whether the owner has something to hear of it, or could want it back."""
        return bool(self.needed or self.reserved or self.free > 0 or self.has_news)

    @property
    def left_now(self) -> int | None:
        """What is left as far as this process can tell; None before the owner said anything."""
        if self.left is None:
            return None
        return self.left - (self.spent - self.told_spent) - self.reserved

    def need(self, amount: int) -> None:
        """A request of this amount waits."""
        self.needed += amount
        self.least = min(self.least, amount) if self.least else amount

    def say(self) -> Said:
        """What goes to the owner now; needs are said once, and what lies idle goes back."""
        self.idle += 1
        if self.idle > IDLE_EXCHANGES and not self.needed:
            self.give_back()
        wanted, least = self.needed - self.free, self.least - self.free
        if not self.needed:
            wanted = least = 0
        self.needed = self.least = 0
        return Said(
            self.budget.budget_id,
            self.period,
            self.granted,
            self.spent,
            self.returned,
            max(0, wanted),
            max(0, least),
        )

    def hear(self, said: Said, granted: Granted) -> None:
        """What the owner answered to what was said."""
        self.told_spent, self.told_returned = said.spent, said.returned
        self.granted = max(self.granted, granted.granted)
        self.left = granted.left
        self.recalled = granted.recall

    def give_back(self) -> None:
        """Return what no request holds; the owner hears of it with the next exchange."""
        self.returned += max(0, self.free)


@dataclass(slots=True, eq=False)
class Tokens:
    """This process's tokens of one bucket, within one session with the owner."""

    name: str
    model: str
    capacity: int
    per_second: float
    granted: int = 0
    used: int = 0
    returned: int = 0
    level: int = 0  # with the owner, as it said last
    empty_until: int = 0  # monotonic ns; the owner has none before
    waiting: int = 0
    touched: bool = False
    told: tuple[int, int] = (0, 0)  # used and returned, as the owner knows them

    @property
    def have(self) -> int:
        return self.granted - self.used - self.returned

    @property
    def matters(self) -> bool:
        """Whether the owner has something to hear of it, or could want it back."""
        return bool(self.waiting or self.have > 0 or (self.used, self.returned) != self.told)

    def take(self) -> bool:
        """Use one token where there is one."""
        if self.have <= 0:
            return False
        self.used += 1
        self.touched = True
        return True

    def say(self) -> Drawn:
        """What goes to the owner now; tokens nobody used since the last time go back."""
        if not self.touched and not self.waiting:
            self.returned += max(0, self.have)
        wanted, self.waiting, self.touched = max(0, self.waiting - self.have), 0, False
        return Drawn(
            self.name,
            self.model,
            self.capacity,
            self.per_second,
            self.granted,
            self.used,
            self.returned,
            wanted,
        )

    def hear(self, said: Drawn, lent: Lent, now: int) -> None:
        """What the owner answered to what was said."""
        self.told = (said.used, said.returned)
        self.granted = max(self.granted, lent.granted)
        self.level = lent.level
        self.empty_until = now + lent.wait_ns

    def drop(self) -> None:
        """A new session: what was lent before is worth nothing."""
        self.granted = self.used = self.returned = self.level = 0
        self.told = (0, 0)
