"""How often: a bucket of tokens for each user and model, the same over all gateway processes."""

from __future__ import annotations

from collections.abc import Awaitable

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.limits.buckets import CAPACITY, PER_SECOND
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.state import Key, Limits, State


class Rate:
    """Takes one token for each call; 429 `rate_limited` where there is none."""

    name = "rate"

    def __init__(
        self, purse: Purse, *, capacity: int = CAPACITY, per_second: float = PER_SECOND
    ) -> None:
        self._purse = purse
        self._standard = Limits(capacity=capacity, per_second=per_second)

    def check(self, asking: Asking) -> Awaitable[None] | None:
        if asking.key is None or asking.call is None:
            return None
        name, capacity, per_second = self._bucket(asking.key, asking.state)
        model = asking.call.requested_model or ""
        wait = self._purse.draw(name, model, capacity, per_second)
        if wait is None:
            self._passed(asking, name, model)
            return None
        return self._waited(wait, asking, name, model)

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        """A token is spent, however the request ended."""

    async def _waited(self, wait: Awaitable[None], asking: Asking, name: str, model: str) -> None:
        await wait
        self._passed(asking, name, model)

    def _passed(self, asking: Asking, name: str, model: str) -> None:
        asking.verdicts[self.name] = "ok"
        asking.answer.update(self._purse.headers(name, model))

    def _bucket(self, key: Key, state: State) -> tuple[str, int, float]:
        """Whose bucket it is: a key with limits of its own has buckets of its own.

        A user that only a header names has none: another name would be another bucket.
        """
        own, team = key.limits, state.teams.get(key.team or "", Limits())
        if own.capacity is not None or own.per_second is not None:
            return f"key:{key.key_id}", *self._sized(own, team)
        return f"user:{key.user or key.key_id}", *self._sized(team)

    def _sized(self, *limits: Limits) -> tuple[int, float]:
        """The first that is stated of each, else the standard."""
        ranked = (*limits, self._standard)
        capacity = next(each.capacity for each in ranked if each.capacity is not None)
        per_second = next(each.per_second for each in ranked if each.per_second is not None)
        return capacity, per_second
