"""A gateway process's purse: money and tokens leased from the owner, handed out without asking.

What a request may cost at most is reserved in all budgets that count it, or in none; when it is
over, what it did cost is settled and the rest is free again. Where the lease does not suffice, all
that wait share one exchange with the owner. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Literal

from hf_ledger.ingest.doors.gateway.limits.buckets import limit_headers
from hf_ledger.ingest.doors.gateway.limits.exchanging import Exchange, Reply, Transport
from hf_ledger.ingest.doors.gateway.limits.holdings import Account, Tokens
from hf_ledger.ingest.doors.gateway.limits.matching import Labels, Matcher
from hf_ledger.ingest.doors.gateway.limits.money import nano_above, usd
from hf_ledger.ingest.doors.gateway.limits.periods import Calendar
from hf_ledger.ingest.doors.gateway.limits.refusing import no_tokens, unreachable
from hf_ledger.ingest.doors.gateway.limits.reserving import (
    MoneyWait,
    Need,
    Reservation,
    TokenWait,
    charged,
    is_there,
    needed,
    refuse,
    serves,
    short_of,
    taken,
)
from hf_ledger.ingest.doors.gateway.state import Budget, State
from hf_ledger.ingest.errors import LedgerError
from hf_ledger.ingest.spool.process import process_start

BEAT_SECONDS = 0.25
MOST_ROUNDS = 3
MOST_BUCKETS = 5000

OwnerLost = Literal["refuse", "within_lease"]


class Purse:
    """What this process may hand out; `start` it in the loop that uses it."""

    def __init__(
        self,
        transport: Transport,
        *,
        owner_lost: OwnerLost = "within_lease",
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._transport = transport
        self._owner_lost = owner_lost
        self._clock, self._wall = clock, wall
        self._beat = beat_seconds
        self._who = (secrets.token_hex(8), socket.gethostname(), os.getpid(), process_start())
        self._session = ""
        self._good_until = 0  # monotonic ns
        self._lost = False
        self._state: State | None = None
        self._accounts: dict[tuple[str, str], Account] = {}
        self._tokens: dict[tuple[str, str], Tokens] = {}
        self._waiting: list[MoneyWait | TokenWait] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to exchange with the owner, in the running loop."""
        self._worker = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Return everything that no request holds and say goodbye."""
        self._closing = True
        self._wake.set()
        if self._worker:
            await self._worker
        for waiter in self._waiting:
            refuse(waiter, unreachable())
        for each in self._accounts.values():
            each.give_back()
        with suppress(LedgerError):
            await self._exchange()
        self._transport.close()

    # -- money -----------------------------------------------------------------------------------

    def reserve(
        self, state: State, labels: Labels, worst: Decimal | None
    ) -> Reservation | Awaitable[Reservation]:
        """Hold `worst` (USD; None: no price is known) in every budget that counts the call.

        At once where the lease suffices, else after one exchange. Raises `Refused`:
        402 `budget_exhausted` or `unpriced`, 429 `budget_reserved`, 503 `owner_unreachable`.
        """
        needs = self._needs(state, labels, worst)
        if self._covers(needs):
            return taken(needs)
        if self._lost and self._owner_lost == "refuse":
            raise unreachable()
        return self._waited(MoneyWait(needs, asyncio.get_running_loop().create_future()))

    def settle(
        self, held: Reservation, actual: Decimal | None, provider: str | None = None
    ) -> None:
        """Count what the call did cost (None: unknown, see docs/budgets.md) and free the rest.

        Budgets of other providers than the one that served count nothing.
        """
        if held.settled:
            return
        held.settled = True
        for account, amount in held.needs:
            account.reserved -= amount
            if serves(account.budget, provider):
                account.spent += charged(account.budget, amount, actual)
            if account.recalled:
                self._wake.set()

    def left(self, held: Reservation) -> Decimal | None:
        """The least that is left in a hard budget of the call, as far as this process can tell."""
        known = [account.left_now for account, _ in held.needs if account.budget.hard]
        amounts = [each for each in known if each is not None]
        return usd(max(0, min(amounts))) if amounts else None

    def _needs(self, state: State, labels: Labels, worst: Decimal | None) -> list[Need]:
        if state is not self._state:
            self._adopt(state)
        amount = None if worst is None else nano_above(worst)
        return [
            (self._account(each), needed(each, amount)) for each in self._matcher.matching(labels)
        ]

    def _adopt(self, state: State) -> None:
        self._state = state
        self._matcher = Matcher(state)
        self._calendar = Calendar(state.zone)

    def _account(self, budget: Budget) -> Account:
        key = (budget.budget_id, self._calendar.current(budget.period, self._wall()))
        found = self._accounts.get(key)
        if found is None:
            found = self._accounts[key] = Account(budget, key[1])
        found.budget = budget
        return found

    def _covers(self, needs: list[Need]) -> bool:
        asks = False
        for account, amount in needs:
            if amount and account.budget.hard:
                asks = True
                if account.free < amount:
                    return False
        return not asks or self._is_good()

    def _is_good(self) -> bool:
        """Whether what is leased may be handed out."""
        if self._lost and self._owner_lost == "refuse":
            return False
        return self._clock() < self._good_until

    async def _waited(self, waiter: MoneyWait) -> Reservation:
        self._queue(waiter)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            # The client went just when its money came.
            if waiter.future.done() and not waiter.future.cancelled():
                self.settle(waiter.future.result(), Decimal(0))
            raise

    # -- tokens ----------------------------------------------------------------------------------

    def draw(
        self, name: str, model: str, capacity: int, per_second: float
    ) -> Awaitable[None] | None:
        """Take one token of a bucket; raises `Refused` 429 `rate_limited` where there is none."""
        tokens = self._tokens_of(name, model, capacity, per_second)
        if self._is_good() and tokens.take():
            return None
        if self._lost and self._owner_lost == "refuse":
            raise unreachable()
        wait = tokens.empty_until - self._clock()
        if wait > 0:
            raise no_tokens(tokens, wait)
        waiter = TokenWait(tokens, asyncio.get_running_loop().create_future())
        self._queue(waiter)
        return waiter.future

    def headers(self, name: str, model: str) -> dict[str, str]:
        """How much of the bucket is left, in Hugging Face's own form."""
        tokens = self._tokens.get((name, model))
        if tokens is None:
            return {}
        left = min(tokens.capacity, tokens.level + max(0, tokens.have))
        return limit_headers(tokens.capacity, tokens.per_second, left)

    def _tokens_of(self, name: str, model: str, capacity: int, per_second: float) -> Tokens:
        found = self._tokens.get((name, model))
        if found is None:
            found = self._tokens[name, model] = Tokens(name, model, capacity, per_second)
        found.capacity, found.per_second = capacity, per_second
        return found

    # -- the exchange ----------------------------------------------------------------------------

    def _queue(self, waiter: MoneyWait | TokenWait) -> None:
        self._waiting.append(waiter)
        self._wake.set()

    async def _work(self) -> None:
        while not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._beat)
            self._wake.clear()
            if self._waiting or self._lost or self._holds_something():
                await self._round()

    def _holds_something(self) -> bool:
        return any(each.matters for each in self._accounts.values()) or any(
            each.matters for each in self._tokens.values()
        )

    async def _round(self) -> None:
        """One exchange for all that wait now; who comes meanwhile waits for the next."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.declare()
        if not waiting:
            self._return_recalled()
        try:
            await self._exchange()
        except LedgerError:
            self._lost = True
            for each in waiting:
                refuse(each, unreachable())
            return
        for each in waiting:
            self._resolve(each)
        self._return_recalled()

    async def _exchange(self) -> None:
        sent = self._clock()
        self._let_go()
        message = Exchange(
            *self._who,
            session=self._session,
            accounts=[each.say() for each in self._accounts.values() if each.matters],
            buckets=[each.say() for each in self._tokens.values() if each.matters],
            closing=self._closing,
        )
        self._hear(message, await self._transport.exchange(message), sent)

    def _hear(self, message: Exchange, reply: Reply, sent: int) -> None:
        self._lost = False
        self._good_until = sent + reply.expires_ms * 10**6
        for said, granted in zip(message.accounts, reply.accounts, strict=True):
            self._accounts[said.budget_id, said.period].hear(said, granted)
        fresh = reply.session != self._session
        for drawn, lent in zip(message.buckets, reply.buckets, strict=True):
            tokens = self._tokens[drawn.name, drawn.model]
            tokens.drop() if fresh else tokens.hear(drawn, lent, self._clock())
        self._session = reply.session

    def _return_recalled(self) -> None:
        """Return what others are short of, once those that waited here have theirs."""
        for each in self._accounts.values():
            if each.recalled and each.free > 0:
                each.give_back()
                self._wake.set()

    def _let_go(self) -> None:
        """Return what is left of periods that are over; begin a session where there are too many
        buckets."""
        for each in self._accounts.values():
            if self._calendar.current(each.budget.period, self._wall()) != each.period:
                each.give_back()
        if len(self._tokens) > MOST_BUCKETS:
            # One alone can't be dropped: its counters would begin again, and the owner's do not.
            self._tokens = {key: each for key, each in self._tokens.items() if each.waiting}
            self._session = ""

    def _resolve(self, waiter: MoneyWait | TokenWait) -> None:
        """Give a request what it waits for, let it wait once more, or refuse it."""
        if waiter.future.done():
            return
        waiter.rounds += 1
        if isinstance(waiter, TokenWait):
            self._resolve_token(waiter)
        elif self._covers(waiter.needs):
            waiter.future.set_result(taken(waiter.needs))
        elif waiter.rounds < MOST_ROUNDS and is_there(waiter.needs):
            # Others, who did not have to wait, have taken it meanwhile.
            self._queue(waiter)
        else:
            waiter.future.set_exception(short_of(waiter.needs))

    def _resolve_token(self, waiter: TokenWait) -> None:
        tokens = waiter.tokens
        wait = tokens.empty_until - self._clock()
        if tokens.take():
            waiter.future.set_result(None)
        elif wait <= 0 and waiter.rounds < MOST_ROUNDS:
            self._queue(waiter)
        else:
            waiter.future.set_exception(no_tokens(tokens, max(wait, 1)))
