"""What a call of the console may cost and how often it may come: by the gateway's own rules.

The worst case is held in every budget that counts the call before it is sent, and settled after.
Calls to the practice server and to servers of one's own cost nothing and are in no budget.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hf_ledger.dashboard.console.column import Run
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.asking import Asking
from hf_ledger.ingest.doors.gateway.checks.budget import labels_of
from hf_ledger.ingest.doors.gateway.checks.concurrency import too_many
from hf_ledger.ingest.doors.gateway.limits.buckets import CAPACITY, PER_SECOND
from hf_ledger.ingest.doors.gateway.limits.leases import Purse
from hf_ledger.ingest.doors.gateway.limits.pricing import (
    FREE,
    Prices,
    asked_tokens,
    cost_of,
    worst_case,
)
from hf_ledger.ingest.doors.gateway.limits.reserving import Reservation
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.gateway.state import Limits, State
from hf_ledger.ingest.doors.router.target import Target

PATH = "/v1/chat/completions"
NANOSECONDS = 1_000  # in a microsecond
#: What limits the tokens that a task's model writes.
LIMIT_OF = {"chat-completion": "max_tokens", "text-generation": "max_new_tokens"}


@dataclass(slots=True)
class Held:
    """What goes with a call that was let pass: which targets may be asked, with which limit.

    Whoever sends puts into `calls` what each target was asked.
    """

    targets: tuple[Target, ...]
    most_tokens: int | None = None
    calls: list[tuple[str, Call]] = field(default_factory=list)  # target's name → call
    unseen: bool = False  # something may have been sent that nobody told of


class Allowance:
    """Budgets and limits of teams for the console's calls; used in the engine's loop."""

    def __init__(
        self, purse: Purse, state: Callable[[], State], default_max_tokens: int = 4_096
    ) -> None:
        self.purse = purse
        self.state = state
        self._default = default_max_tokens
        self._under_way: Counter[str] = Counter()
        self._priced: tuple[State, Prices] | None = None

    @asynccontextmanager
    async def held(self, run: Run, targets: Sequence[Target]) -> AsyncIterator[Held]:
        """Hold what a call to any of these targets needs, for as long as it lasts.

        A target for which a budget has not enough left is not asked; where none is left, or the
        team asks too often, raises `Refused`.
        """
        state, team = self.state(), run.question.team
        limits = state.teams.get(team or "", Limits())
        with self._slot(team, limits):
            await self._draw(run, targets[0], limits)
            async with AsyncExitStack() as stack:
                held = Held(())
                refused: Refused | None = None
                for target in targets:
                    try:
                        await self._hold(run, target, held, stack)
                    except Refused as why:
                        refused = refused or why
                if refused is not None and not held.targets:
                    raise refused
                yield held

    async def _hold(self, run: Run, target: Target, held: Held, stack: AsyncExitStack) -> None:
        asking = asking_of(run, target, self.state())
        reservation = await self._reserve(asking)
        stack.callback(self._settle, reservation, asking, held, target.name)
        held.targets += (target,)
        held.most_tokens = held.most_tokens or self._most_tokens(run, reservation)

    def prices(self, state: State) -> Prices:
        """The state's prices, looked up and not searched."""
        if self._priced is None or self._priced[0] is not state:
            self._priced = (state, Prices(state))
        return self._priced[1]

    def cost(self, call: Call) -> Decimal | None:
        """What a finished call did cost, as the ledger will price it."""
        return cost_of(call, self.prices(self.state()))

    def worst(self, run: Run, target: Target) -> Decimal | None:
        """The most that a call can cost (USD); None: no price is known."""
        asking = asking_of(run, target, self.state())
        return worst_case(asking, self.prices(asking.state), self._default)

    @contextmanager
    def _slot(self, team: str | None, limits: Limits) -> Iterator[None]:
        """One of the team's requests under way, where the team has a limit of them."""
        name, most = team or "", limits.concurrent
        running = self._under_way[name]
        if most is not None and running >= most:
            raise too_many(f"team {team} has {running} requests under way, its limit is {most}")
        self._under_way[name] += 1
        try:
            yield
        finally:
            self._under_way[name] -= 1

    def _most_tokens(self, run: Run, held: Reservation) -> int | None:
        """A limit to be sent along: what a hard budget holds must not be exceeded."""
        hard = any(account.budget.hard for account, _ in held.needs)
        open_ended = LIMIT_OF.get(run.question.task) and not asked_tokens(
            dict(run.column.parameters)
        )
        return self._default if hard and open_ended else None

    async def _draw(self, run: Run, target: Target, limits: Limits) -> None:
        """One token of the team's bucket, where the team has limits of its own."""
        team = run.question.team
        if limits.capacity is None and limits.per_second is None:
            return
        capacity = CAPACITY if limits.capacity is None else limits.capacity
        per_second = PER_SECOND if limits.per_second is None else limits.per_second
        wait = self.purse.draw(f"console:{team}", target.model or "", capacity, per_second)
        if wait is not None:
            await wait

    async def _reserve(self, asking: Asking) -> Reservation:
        assert asking.call is not None
        asking.reserved = worst_case(asking, self.prices(asking.state), self._default)
        found = self.purse.reserve(asking.state, labels_of(asking, asking.call), asking.reserved)
        return await found if isinstance(found, Awaitable) else found

    def _settle(self, held: Reservation, asking: Asking, of: Held, name: str) -> None:
        """Count what the calls to a target did cost; nothing where none was sent there."""
        calls = [call for asked, call in of.calls if asked == name]
        if of.unseen and asking.reserved != 0:
            self.purse.settle(held, None)
            return
        if not calls or asking.reserved == 0:
            self.purse.settle(held, FREE)
            return
        costs = [self.cost(call) for call in calls]
        known = [cost for cost in costs if cost is not None]
        whole = sum(known, FREE) if len(known) == len(costs) else None
        self.purse.settle(held, whole, calls[-1].provider)


def asking_of(run: Run, target: Target, state: State) -> Asking:
    """The run as the gateway would see its request."""
    body = body_of(run, target)
    return Asking(
        request_id=run.id,
        ts=time.time_ns() // NANOSECONDS,
        method="POST",
        path=PATH,
        address="",
        headers={},
        body=b"",
        state=state,
        asked=body,
        call=call_of(run, target),
    )


def call_of(run: Run, target: Target) -> Call:
    """What is known of the call before it is sent."""
    return Call(
        call_id="",
        ts=time.time_ns() // NANOSECONDS,
        source="console",
        purpose=run.purpose,
        app="console",
        team=run.question.team,
        host_kind=target.kind,
        provider=target.provider,
        routing=target.routing,
        requested_model=target.model,
        task=run.question.task,
    )


def body_of(run: Run, target: Target) -> dict[str, Any]:
    """What bounds its tokens: every text that goes, and the limits asked for."""
    return {"model": target.model, **texts_of(run.question.inputs), **run.column.parameters}


def texts_of(inputs: Any) -> dict[str, Any]:
    """Inputs with files left out: their bytes are no tokens."""
    return {name: value for name, value in inputs.items() if not isinstance(value, bytes)}
