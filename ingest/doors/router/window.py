"""How one place has done of late: counts and latencies in slices of time, so that the old go."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.router.ranked import Health

#: Bins of latencies grow by 5 %, as those that the ledger stores.
_LN = math.log(1.05)
#: 1.05 ** 500 ms are more than a year; nothing else may make a bin.
LAST_BIN = 500

#: Errors that a target answers for; every other is the caller's or the account's.
ITS_OWN = frozenset(
    {"rate_limited", "model_loading", "overloaded", "server_error", "timeout", "connection"}
)


class Counts(msgspec.Struct, omit_defaults=True):
    """Of one place in one slice, or in many. Bins → calls, of latency and of the first chunk."""

    ok: int = 0
    failed: int = 0  # what was the place's to answer
    latency: dict[int, int] = {}
    ttft: dict[int, int] = {}

    @property
    def calls(self) -> int:
        return self.ok + self.failed

    def add(self, other: Counts, sign: int = 1) -> None:
        """Merge another's counts into these, or take them out again."""
        self.ok += sign * other.ok
        self.failed += sign * other.failed
        _merge(self.latency, other.latency, sign)
        _merge(self.ttft, other.ttft, sign)


def _merge(into: dict[int, int], other: Mapping[int, int], sign: int) -> None:
    for each, count in other.items():
        left = into.get(each, 0) + sign * count
        if left:
            into[each] = left
        else:
            into.pop(each, None)


def counts_of(call: Call) -> Counts | None:
    """What a finished call adds; None for one that says nothing of the place it went to.

    An answer counts, and an error that the place answers for. What the caller took back, got wrong
    or may not do says nothing. Latencies are of good answers only: an error is quick.
    """
    if call.outcome == "ok":
        if call.cached_reply:
            return Counts(ok=1)
        return Counts(ok=1, latency=_one(call.latency_ms), ttft=_one(call.ttft_ms))
    broke = call.outcome == "interrupted"
    if broke or (call.outcome == "error" and call.error_kind in ITS_OWN):
        return Counts(failed=1)
    return None


def _one(ms: float | None) -> dict[int, int]:
    found = bin_of(ms)
    return {} if found is None else {found: 1}


def bin_of(ms: float | None) -> int | None:
    """floor(ln ms / ln 1.05), 0 below a millisecond; None where it is unknown."""
    if ms is None or not ms >= 0:
        return None
    return 0 if ms < 1 else min(math.floor(math.log(ms) / _LN), LAST_BIN)


def middle_of(found: int) -> float:
    """Milliseconds of a bin: the geometric middle of its bounds."""
    return float(1.05 ** (found + 0.5))


def quantile(bins: Mapping[int, int], share: float) -> float | None:
    """Milliseconds below which that share of the calls stayed (nearest rank), within a bin."""
    wanted = max(1, math.ceil(sum(bins.values()) * share))
    seen = 0
    for each in sorted(bins):
        seen += bins[each]
        if seen >= wanted:
            return middle_of(each)
    return None


class Window:
    """One place's slices and their sum; slices are numbered from 1970. Not locked.

    `base` are the slices that the ledger told, up to and with slice `told`; of those it knows more
    than this process, whose own count only after them.
    """

    __slots__ = ("_base", "_health", "_own", "_sum", "under_way")

    def __init__(self) -> None:
        self._own: dict[int, Counts] = {}
        self._base: dict[int, Counts] = {}
        self._sum = Counts()
        self._health: Health | None = None
        self.under_way = 0

    @property
    def empty(self) -> bool:
        return not (self._own or self._base or self.under_way)

    def observe(self, piece: int, counts: Counts) -> None:
        own = self._own.get(piece)
        if own is None:
            own = self._own[piece] = Counts()
        own.add(counts)
        self._sum.add(counts)
        self._health = None

    def tell(self, base: dict[int, Counts], told: int) -> None:
        """Put what the ledger has seen in the place of what it told before."""
        self._base = base
        self._own = {piece: counts for piece, counts in self._own.items() if piece > told}
        self._sum = merged(*base.values(), *self._own.values())
        self._health = None

    def forget(self, first: int, last: int) -> None:
        """Keep only the slices from `first` to `last`."""
        for slices in (self._own, self._base):
            for piece in [each for each in slices if not first <= each <= last]:
                self._sum.add(slices.pop(piece), -1)
                self._health = None

    def counts(self) -> Counts:
        """A copy of the sum."""
        return merged(self._sum)

    def health(self) -> Health:
        """Kept until something changes, so that asking again costs nothing."""
        if self._health is None:
            self._health = health_of(self._sum, self.under_way)
        return self._health

    def now_under_way(self, change: int) -> None:
        self.under_way = max(0, self.under_way + change)
        if self._health is not None:
            self._health = self._health._replace(under_way=self.under_way)


def merged(*parts: Counts) -> Counts:
    total = Counts()
    for each in parts:
        total.add(each)
    return total


def health_of(counts: Counts, under_way: int = 0) -> Health:
    calls = counts.calls
    return Health(
        calls=calls,
        success=counts.ok / calls if calls else None,
        latency_ms=quantile(counts.latency, 0.5),
        latency_p95_ms=quantile(counts.latency, 0.95),
        ttft_ms=quantile(counts.ttft, 0.5),
        under_way=under_way,
    )
