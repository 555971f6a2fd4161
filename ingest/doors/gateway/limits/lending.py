"""The owner's side of rate limits: buckets whose whole tokens are lent to gateway processes.

A bucket's level and all that is lent of it are together never above its capacity, so over any
window never more than `capacity + per_second × t` are admitted by all processes together. Nothing
here is written down: an owner that takes over lends nothing until every earlier gateway has come to
it (and dropped what an earlier owner lent), or until that has expired; then buckets fill from zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hf_ledger.ingest.doors.gateway.limits.buckets import TOKEN, Tank, rate_of
from hf_ledger.ingest.doors.gateway.limits.exchanging import Drawn, Lent

MOST_BUCKETS = 10_000
#: How soon to come back where it is not the level that is missing.
SOON_NS = 10**7
LONGEST_NS = 2**62


@dataclass(slots=True)
class Loan:
    """A gateway's tokens of one bucket: granted by the owner, used and returned by its word."""

    granted: int = 0
    used: int = 0
    returned: int = 0

    @property
    def out(self) -> int:
        return self.granted - self.used - self.returned


@dataclass(slots=True)
class LendingBucket:
    """The owner's side of a bucket that several gateways take from."""

    tank: Tank
    loans: dict[str, Loan] = field(default_factory=dict)

    def hear(self, gateway: str, used: int, returned: int, now: int) -> Loan:
        """Take in what a gateway says of its loan; what comes back is there to lend again."""
        # Filled before: until a use is reported its token holds its place, whenever it was used.
        self.tank.fill(now, self.lent)
        loan = self.loans.setdefault(gateway, Loan())
        loan.used = max(loan.used, min(used, loan.granted - loan.returned))
        back = max(0, min(returned, loan.granted - loan.used) - loan.returned)
        loan.returned += back
        self.tank.units += back * TOKEN
        return loan

    def lend(self, loan: Loan, wanted: int, gateways: int) -> float:
        """Lend what is wanted or a share of what there is; the wait in ns where there is none."""
        have = self.tank.units // TOKEN
        lent = min(have, max(wanted, have // (2 * gateways)))
        if wanted <= 0 or lent <= 0:
            return self.tank.wait(1) if wanted > 0 else 0
        self.tank.units -= lent * TOKEN
        loan.granted += lent
        return 0

    def resize(self, capacity: int, per_second: float, now: int) -> None:
        """Other limits from now on; what is above a smaller capacity is gone."""
        rate = rate_of(per_second)
        if (self.tank.capacity, self.tank.rate) != (capacity, rate):
            self.tank.fill(now, self.lent)
            self.tank.capacity, self.tank.rate = capacity, rate
            self.tank.fill(now, self.lent)

    def forget(self, gateway: str) -> None:
        """A gateway was not heard for so long that its tokens have expired there."""
        self.loans.pop(gateway, None)

    @property
    def lent(self) -> int:
        return sum(loan.out for loan in self.loans.values())

    @property
    def whole(self) -> int:
        return self.tank.units // TOKEN

    @property
    def is_full(self) -> bool:
        return not self.lent and self.tank.units >= self.tank.capacity * TOKEN


class Lender:
    """All buckets of one owner. Not thread-safe: the bank's lock is around it."""

    def __init__(self, now: int, earlier: Iterable[str], *, fresh: bool, expiry_ns: int) -> None:
        self._buckets: dict[tuple[str, str], LendingBucket] = {}
        self._fresh = fresh  # nobody lent anything before
        self._awaited = set(earlier)
        self._safe_at = now if not self._awaited else now + expiry_ns

    def lend(self, gateway: str, drawn: Iterable[Drawn], now: int, gateways: int) -> list[Lent]:
        """Take in what a gateway says of its tokens, and lend what it wants of them."""
        self._came(gateway, now)
        if now < self._safe_at:
            return later(drawn)
        return [self._lent(gateway, each, now, gateways) for each in drawn]

    def forget(self, gateway: str) -> None:
        """What was lent to a gateway has expired there, or it has closed."""
        for bucket in self._buckets.values():
            bucket.forget(gateway)

    def tidy(self, now: int) -> None:
        """Drop full buckets where there are very many: a new one would be full as well."""
        if len(self._buckets) <= MOST_BUCKETS:
            return
        for key, bucket in list(self._buckets.items()):
            bucket.tank.fill(now, bucket.lent)
            if bucket.is_full:
                del self._buckets[key]

    def _came(self, gateway: str, now: int) -> None:
        self._awaited.discard(gateway)
        if not self._awaited:
            self._safe_at = min(self._safe_at, now)

    def _lent(self, gateway: str, drawn: Drawn, now: int, gateways: int) -> Lent:
        bucket = self._bucket(drawn, now)
        bucket.resize(drawn.capacity, drawn.per_second, now)
        loan = bucket.hear(gateway, drawn.used, drawn.returned, now)
        unheard = loan.granted - drawn.granted
        wait = bucket.lend(loan, drawn.wanted - unheard, gateways)
        wait_ns = int(min(wait, LONGEST_NS))
        return Lent(drawn.name, drawn.model, loan.granted, bucket.whole, wait_ns)

    def _bucket(self, drawn: Drawn, now: int) -> LendingBucket:
        key = (drawn.name, drawn.model)
        found = self._buckets.get(key)
        if found is None:
            full = drawn.capacity * TOKEN
            tank = Tank(drawn.capacity, drawn.per_second, self._safe_at, full * self._fresh)
            found = self._buckets[key] = LendingBucket(tank)
        return found


def later(drawn: Iterable[Drawn]) -> list[Lent]:
    """Nothing now: the gateway's figures are of an earlier session, or others' may be."""
    return [Lent(each.name, each.model, 0, 0, SOON_NS) for each in drawn]
