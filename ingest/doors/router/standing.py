"""How the candidates of a kind of request do now: brought up to date by what changed, not anew."""

from __future__ import annotations

import math
from collections.abc import Iterable
from threading import Lock

from hf_ledger.ingest.doors.router.candidates import Candidates
from hf_ledger.ingest.doors.router.key import Key
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.ranked import Health

#: A target that answers less than this share of at least so many calls goes behind the healthy.
FLOOR = 0.8
ENOUGH = 20


class Standing:
    """Lists by the candidates' positions. A reader may see one target of before beside one of now:
    each of them is true."""

    def __init__(self, candidates: Candidates) -> None:
        count = len(candidates.targets)
        self.candidates = candidates
        self.healths = [Health()] * count
        self.milliseconds = [math.inf] * count  # measured, else stated, else infinite
        self.unreliable = [0.5] * count
        self.ill: frozenset[int] = frozenset()
        self._said: list[str | None] = [None] * count
        self._places: dict[Key, list[int]] = {}
        for n, key in enumerate(candidates.keys):
            self._places.setdefault(key, []).append(n)
        self._version = -1
        self._lock = Lock()

    def update(self, metrics: Metrics) -> None:
        with self._lock:
            version, changed = metrics.changed_since(self._version)
            if version != self._version:
                self._take(metrics, self._places if changed is None else set(changed))
                self._version = version

    def _take(self, metrics: Metrics, changed: Iterable[Key]) -> None:
        keys = [key for key in changed if key in self._places]
        ill = set(self.ill)
        for key, health in zip(keys, metrics.healths(keys), strict=True):
            for n in self._places[key]:
                self._put(n, health)
                (ill.add if is_ill(health) else ill.discard)(n)
        if ill != self.ill:
            self.ill = frozenset(ill)

    def _put(self, n: int, health: Health) -> None:
        self.healths[n] = health
        stated = self.candidates.stated_ms[n]
        self.milliseconds[n] = measured_ms(health) or stated or math.inf
        self.unreliable[n] = unreliable(health)
        self._said[n] = None

    def said(self, n: int) -> str:
        """How one does, in words."""
        said = self._said[n]
        if said is None:
            said = self._said[n] = doing(self.healths[n], self.candidates.stated_ms[n])
        return said


def is_ill(health: Health) -> bool:
    return health.calls >= ENOUGH and (health.success or 0.0) < FLOOR


def measured_ms(health: Health) -> float | None:
    """The median answer, else the median first chunk."""
    return health.latency_ms if health.latency_ms is not None else health.ttft_ms


def unreliable(health: Health) -> float:
    """The share of calls that is expected to fail: of two more calls one fails, so that little
    that was seen is not taken for certain."""
    failed = health.calls * (1.0 - health.success) if health.success is not None else 0.0
    return (failed + 1.0) / (health.calls + 2.0)


def doing(health: Health, stated_ms: float | None) -> str:
    """As "99 % of 212 calls ok, 640 ms"; a share is never rounded up to all."""
    if health.success is None:
        return "no calls yet" if stated_ms is None else f"no calls yet, {stated_ms:,.0f} ms stated"
    said = f"{int(health.success * 100)} % of {health.calls:,} calls ok"
    return said if health.latency_ms is None else f"{said}, {health.latency_ms:,.0f} ms"
