"""One run on its way: its labels, its money, the answer as it comes, and its row at the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    nullcontext,
)
from typing import Any

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console import refusing
from hf_ledger.dashboard.console.allowing import LIMIT_OF, Allowance, Held
from hf_ledger.dashboard.console.column import PRACTICE, Run
from hf_ledger.dashboard.console.destinations import destinations
from hf_ledger.dashboard.console.engine import Changed
from hf_ledger.dashboard.console.sending_chunks import is_long, send_in_chunks
from hf_ledger.ingest.call import Call
from hf_ledger.ingest.doors.gateway.refusal import Refused
from hf_ledger.ingest.doors.hook.labels import attribute
from hf_ledger.ingest.doors.router import calling
from hf_ledger.ingest.doors.router.parts import PricesNow
from hf_ledger.ingest.doors.router.routed import RouteFailed
from hf_ledger.ingest.doors.router.router import AsyncRouter
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import task_named

TIMEOUT_SECONDS = 120.0
ROW_SECONDS = 5.0
LOOK_SECONDS = 0.1
MOST_RAW = 100_000  # characters

FINISH = re.compile(rb'"finish_reason"\s*:\s*"([a-z_]+)"')

Row = dict[str, Any]


@asynccontextmanager
async def opened(shelf: Shelf) -> AsyncIterator[Sending]:
    """What sends for this shelf, with its purse and its connections, while the engine runs."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(calling.close)
        allowance = shelf.allowance() if shelf.allowance else None
        if allowance is not None:
            allowance.purse.start()
            stack.push_async_callback(allowance.purse.close)
        yield Sending(shelf, allowance, stack)


class Sending:
    """Sends runs for one shelf."""

    def __init__(self, shelf: Shelf, allowance: Allowance | None, stack: AsyncExitStack) -> None:
        self._shelf = shelf
        self._allowance = allowance
        self._stack = stack
        self._router: AsyncRouter | None = None
        self._prices: PricesNow | None = None

    async def send(self, run: Run, changed: Changed) -> None:
        """Ask once, and fill the run in as the answer comes. Raises `LedgerError`."""
        targets = destinations(run.column, self._shelf)
        for target in targets:
            calling.watched(target, self._shelf.places)
        team, purpose = run.question.team, run.purpose
        with attribute(app="console", team=team, source="console", purpose=purpose):
            try:
                if not run.column.policy and is_long(run, targets[0]):
                    await self._in_chunks(run, targets[0], changed)
                    return
                async with self._held(run, targets) as held:
                    await self._ask(run, held, changed)
            except Refused as refused:
                call = refusing.keep(run, targets[0], refused)
                run.call_id = call.call_id if call else None
                raise

    async def _in_chunks(self, run: Run, target: Target, changed: Changed) -> None:
        async def whole(part: Run) -> None:
            async with self._held(part, (target,)) as held:
                await self._ask(part, held, lambda _: changed(run))

        if self._prices is None:
            self._prices = PricesNow(self._shelf.places)
        await send_in_chunks(run, target, self._prices(), whole)

    def _held(self, run: Run, targets: Sequence[Target]) -> AbstractAsyncContextManager[Held]:
        if self._allowance is None or run.column.target == PRACTICE:
            return nullcontext(Held(tuple(targets)))
        return self._allowance.held(run, targets)

    async def _ask(self, run: Run, held: Held, changed: Changed) -> None:
        if run.column.policy:
            await self._by_policy(run, held, changed)
            return
        (target,) = held.targets
        seen = Seen()
        try:
            await ask(run, target, held, seen, changed)
        finally:
            if seen.call is not None:
                held.calls.append((target.name, seen.call))
                self._price(run, seen.call)
            finish(run, seen)

    async def _by_policy(self, run: Run, held: Held, changed: Changed) -> None:
        if self._router is None:
            self._router = AsyncRouter.open(self._shelf.places)
            self._stack.push_async_callback(self._router.close)
        try:
            await ask_router(self._router, run, held, changed)
        except asyncio.CancelledError:
            held.unseen = not run.attempts
            raise
        finally:
            for attempt in run.attempts:
                if attempt.call is not None:
                    held.calls.append((attempt.target.name, attempt.call))
                    told(run, attempt.call)
                    self._price(run, attempt.call)

    def _price(self, run: Run, call: Call) -> None:
        if self._allowance is not None:
            run.cost = self._allowance.cost(call)

    async def settle(self, run: Run) -> None:
        """Take over the figures of the run's row, as soon as the ledger has it."""
        book = self._shelf.books.get(run.book)
        if run.call_id is None or book is None:
            return
        for _ in range(int(ROW_SECONDS / LOOK_SECONDS)):
            rows = await asyncio.to_thread(rows_of, book.ask, run.call_id)
            if rows:
                take_over(run, rows[0])
                return
            await asyncio.sleep(LOOK_SECONDS)


async def ask(run: Run, target: Target, held: Held, seen: Seen, changed: Changed) -> None:
    """The call itself; a task that streams is streamed."""
    said, task = run.question, run.question.task
    parameters = limited(run, held.most_tokens)
    wire: dict[str, Any] = {"seen": seen, "timeout_s": TIMEOUT_SECONDS}
    if not task_named(task).streams:
        run.value = await calling.answer(target, task, said.inputs, parameters, **wire)
        return
    pieces = calling.stream(target, task, said.inputs, parameters, **wire)
    async with aclosing(pieces):
        async for piece in pieces:
            run.text += piece
            if seen.call is not None:
                told(run, seen.call)
            changed(run)
    run.value = run.text


async def ask_router(router: AsyncRouter, run: Run, held: Held, changed: Changed) -> None:
    """The same by a policy, over the targets that budgets allow; what was tried is noted."""
    said = run.question
    parameters = limited(run, held.most_tokens)
    wishes: dict[str, Any] = {
        "task": said.task,
        "policy": run.column.policy,
        "targets": tuple(target.name for target in held.targets),
        "segment": said.team,
    }
    try:
        if not task_named(said.task).streams:
            routed = await router.run(None, said.inputs, parameters, **wishes)
            run.value, run.attempts = routed.value, routed.attempts
            return
        async with router.stream(None, said.inputs, parameters, **wishes) as answer:
            try:
                async for piece in answer:
                    run.text += piece
                    changed(run)
            finally:
                await answer.leave()
                run.attempts = answer.routed.attempts
        run.value = run.text
    except RouteFailed as failed:
        run.attempts = failed.attempts
        raise


def limited(run: Run, most_tokens: int | None) -> dict[str, Any]:
    """The column's parameters, and the limit that a budget's hold asks for."""
    parameters = dict(run.column.parameters)
    if most_tokens is not None:
        parameters[LIMIT_OF[run.question.task]] = most_tokens
    return parameters


def told(run: Run, call: Call) -> None:
    """What a call shows so far, or was."""
    run.call_id, run.provider = call.call_id, call.provider
    run.ttft_ms, run.latency_ms = call.ttft_ms, call.latency_ms
    run.input_tokens, run.output_tokens = call.input_tokens, call.output_tokens


def finish(run: Run, seen: Seen) -> None:
    """What is known once the call is over."""
    if seen.call is not None:
        told(run, seen.call)
    run.sent, run.received = cut(sent_text(seen)), cut(received_text(seen))
    found = FINISH.findall(seen.reply)
    run.finish_reason = found[-1].decode() if found else None


def take_over(run: Run, row: Row) -> None:
    """The ledger's figures are the ones that count."""
    run.row = row
    run.provider, run.cost, run.cost_basis = row["provider"], row["cost"], row["cost_basis"]
    run.input_tokens, run.output_tokens = row["input_tokens"], row["output_tokens"]
    run.ttft_ms, run.latency_ms = row["ttft_ms"], row["latency_ms"]


def rows_of(ask: Callable[..., Any], call_id: str) -> list[Row]:
    found: list[Row] = ask("call", call_id=call_id).to_pylist()
    return found


def cut(text: str | None) -> str | None:
    """As much as people read; a session holds many."""
    return text if text is None or len(text) <= MOST_RAW else text[:MOST_RAW] + "…"


def sent_text(seen: Seen) -> str | None:
    """The request as it left, for people; the token is blank already."""
    if seen.url is None:
        return None
    head = "".join(f"{name}: {value}\n" for name, value in sorted(seen.headers.items()))
    return f"POST {seen.url}\n{head}\n{seen.sent_text}"


def received_text(seen: Seen) -> str | None:
    if seen.status is None:
        return None
    head = "".join(f"{name}: {value}\n" for name, value in sorted(seen.reply_headers.items()))
    return f"{seen.status}\n{head}\n{seen.reply_text}"
