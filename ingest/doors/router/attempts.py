"""One attempt at the edge: let through, bounded in time, and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, NamedTuple

from hf_ledger.ingest.doors.gateway.limits.pricing import Prices, cost_of
from hf_ledger.ingest.doors.hook.labels import Labelled
from hf_ledger.ingest.doors.router.breakers import Breakers
from hf_ledger.ingest.doors.router.course import Course, Ended, Try
from hf_ledger.ingest.doors.router.failing import CallFailed, timed_out
from hf_ledger.ingest.doors.router.metrics import Metrics
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.errors import Unusable

#: Asks a target, told how long it may take.
Ask = Callable[[Target, Seen, float], Awaitable[Any]]

#: Failures that say nothing of the target: what was asked was wrong, or not for it.
NOT_ITS_OWN = frozenset({"bad_request"})
NOTHING = Decimal(0)


class Watch(NamedTuple):
    """What is kept about targets, and told of every attempt."""

    metrics: Metrics
    breakers: Breakers
    prices: Callable[[], Prices]

    def over(self, tried: Try, failure: CallFailed | None, now: float, *, ok: bool) -> None:
        """An attempt ended: well, with a failure, or taken back (neither)."""
        target, call = tried.target, tried.seen.call
        self.metrics.done(target)
        if call is not None and tried.seen.over:
            self.metrics.observe(call)
        if ok:
            self.breakers.succeeded(target, now)
        elif failure is not None and failure.kind not in NOT_ITS_OWN:
            self.breakers.failed(target, now, failure.retry_after_s)
        else:
            self.breakers.let_go(target)

    def cost(self, seen: Seen) -> Decimal | None:
        """As the ledger will have it; nothing was sent, nothing is charged."""
        if seen.call is None:
            return NOTHING
        return cost_of(seen.call, self.prices()) if seen.over else None


async def attempted(
    course: Course, tried: Try, ask: Ask, watch: Watch, *, goes_on: bool = False
) -> Ended:
    """Ask one target within its time, and tell `watch` of its end.

    What `goes_on` after a good beginning, as a stream does, is told of by whoever reads it.
    """
    now = asyncio.get_running_loop().time
    failure: CallFailed | None = None
    value, ok = None, False
    try:
        with Labelled(course.labels):
            async with asyncio.timeout(tried.limit_s):
                value = await ask(tried.target, tried.seen, tried.limit_s)
        ok = True
    except CallFailed as error:
        failure = error
    except TimeoutError:
        failure = timed_out(tried.target, tried.seen)
    except Unusable as error:
        # A token that is not set, a library that is not there.
        failure = CallFailed(str(error), "auth", sent=False)
    finally:
        if not (ok and goes_on):
            watch.over(tried, failure, now(), ok=ok)
    return Ended(tried, now() - tried.began, watch.cost(tried.seen), value, failure, ok)
