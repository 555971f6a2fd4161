"""How many at once: requests under way of a key, and of this process."""

from __future__ import annotations

from hf_ledger.ingest.doors.gateway.asking import Asking, Outcome
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Key, Limits, State

PER_KEY = 64
PER_PROCESS = 1024


class Concurrency:
    """Counts requests under way; 429 `too_many_requests_at_once` above the limit."""

    name = "concurrency"

    def __init__(self, per_key: int = PER_KEY, per_process: int = PER_PROCESS) -> None:
        self._per_key = per_key
        self._per_process = per_process
        self._under_way: dict[str, int] = {}
        self._all = 0

    def check(self, asking: Asking) -> None:
        key_id = asking.key.key_id if asking.key else ""
        running = self._under_way.get(key_id, 0)
        if self._all >= self._per_process:
            raise too_many(f"this gateway has {self._per_process} requests under way")
        most = self._most(asking.key, asking.state)
        if running >= most:
            raise too_many(f"this key has {running} requests under way, its limit is {most}")
        self._under_way[key_id] = running + 1
        self._all += 1

    def finish(self, asking: Asking, outcome: Outcome) -> None:
        key_id = asking.key.key_id if asking.key else ""
        self._all -= 1
        self._under_way[key_id] -= 1
        if not self._under_way[key_id]:
            del self._under_way[key_id]

    def _most(self, key: Key | None, state: State) -> int:
        if key is None:
            return self._per_key
        team = state.teams.get(key.team or "", Limits())
        stated = (key.limits.concurrent, team.concurrent, self._per_key)
        return next(each for each in stated if each is not None)


def too_many(why: str) -> Refused:
    sentence = f"{why}: wait for one to end."
    return Refused(429, "too_many_requests_at_once", sentence, {"retry-after": "1"})
