"""How the sample's calls end: errors of several kinds, a provider's bad morning, cut streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hf_ledger.ingest.call import ErrorKind, Outcome
from hf_ledger.ingest.doors.sample.company import Service, company
from hf_ledger.ingest.doors.sample.traffic import Micros, Period


@dataclass(frozen=True)
class Fate:
    """One way for a call to end. `slow_ms` is how long an error takes to come."""

    outcome: Outcome
    status: int | None = 200
    error_kind: ErrorKind | None = None
    slow_ms: float = 0.0

    @property
    def worth_another_try(self) -> bool:
        return self.error_kind in ("rate_limited", "overloaded", "server_error", "timeout")


OK = Fate("ok")
INTERRUPTED = Fate("interrupted")
CANCELLED = Fate("cancelled")
LOADING = Fate("error", 503, "model_loading", 90)
OVERLOADED = Fate("error", 503, "overloaded", 400)
FAILURES: tuple[tuple[Fate, float], ...] = (
    (Fate("error", 429, "rate_limited", 55), 0.36),
    (OVERLOADED, 0.17),
    (Fate("error", 500, "server_error", 900), 0.13),
    (Fate("error", 504, "timeout", 60_000), 0.09),
    (Fate("error", 422, "bad_request", 45), 0.10),
    (Fate("error", None, "connection", 3_000), 0.06),
    (Fate("error", 401, "auth", 35), 0.04),
    (Fate("error", 402, "quota", 35), 0.03),
    (Fate("error", 404, "not_found", 35), 0.02),
)
FATES: tuple[Fate, ...] = (OK, INTERRUPTED, CANCELLED, LOADING, *(fate for fate, _ in FAILURES))
FIRST_FAILURE = 4

ERROR_SHARE = 0.013
LOADING_SHARE = 0.006
CUT_SHARE = 0.004  # of streams, each of interrupted and cancelled
OUTAGE_SHARE = 0.7


def fates(
    rng: np.random.Generator,
    service: Service,
    period: Period,
    *,
    starts: Micros,
    providers: np.ndarray,
    streams: np.ndarray,
) -> np.ndarray:
    """An index into FATES for each call."""
    size = len(starts)
    chance = rng.random(size)
    kinds = rng.choice(len(FAILURES), size, p=[weight for _, weight in FAILURES]) + FIRST_FAILURE
    found = np.where(chance < ERROR_SHARE, kinds, 0)
    cut = rng.random(size)
    found[streams & (cut < CUT_SHARE)] = FATES.index(INTERRUPTED)
    found[streams & (cut > 1 - CUT_SHARE)] = FATES.index(CANCELLED)
    if service.routes[0].provider == "hf-inference":
        found[chance > 1 - LOADING_SHARE] = FATES.index(LOADING)
    begin, end = period.outage
    down = (providers == company().outage.provider) & (starts >= begin) & (starts < end)
    found[down & (rng.random(size) < OUTAGE_SHARE)] = FATES.index(OVERLOADED)
    return found
