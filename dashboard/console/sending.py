"""One run on its way: its labels, its money, the answer as it comes, and its row at the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from hf_ledger.dashboard.books import Shelf
from hf_ledger.dashboard.console.column import PRACTICE, Run
from hf_ledger.dashboard.console.destinations import destination
from hf_ledger.dashboard.console.engine import Changed
from hf_ledger.ingest.doors.hook.labels import attribute
from hf_ledger.ingest.doors.router import calling
from hf_ledger.ingest.doors.router.seen import Seen
from hf_ledger.ingest.doors.router.target import Target
from hf_ledger.ingest.doors.router.tasks import task_named

if TYPE_CHECKING:
    from hf_ledger.dashboard.console.allowing import Allowance, Held

TIMEOUT_SECONDS = 120.0
ROW_SECONDS = 5.0
LOOK_SECONDS = 0.1

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
        yield Sending(shelf, allowance)


class Sending:
    """Sends runs for one shelf."""

    def __init__(self, shelf: Shelf, allowance: Allowance | None = None) -> None:
        self._shelf = shelf
        self._allowance = allowance

    async def send(self, run: Run, changed: Changed) -> None:
        """Ask once, and fill the run in as the answer comes. Raises `LedgerError`."""
        target = destination(run.column, self._shelf)
        calling.watched(target, self._shelf.places)
        said = run.question
        with attribute(app="console", team=said.team, source="console", purpose=run.purpose):
            async with self._held(run, target) as held:
                seen = Seen()
                try:
                    await ask(run, target, held, seen, changed)
                finally:
                    held.call = seen.call
                    self._finish(run, seen)

    def _held(self, run: Run, target: Target) -> Any:
        if self._allowance is None or run.column.target == PRACTICE:
            from hf_ledger.dashboard.console.allowing import Held

            return nullcontext(Held())
        return self._allowance.held(run, target)

    def _finish(self, run: Run, seen: Seen) -> None:
        fill(run, seen)
        run.sent, run.received = sent_text(seen), received_text(seen)
        found = FINISH.findall(seen.reply)
        run.finish_reason = found[-1].decode() if found else None
        if seen.call is not None and self._allowance is not None:
            run.cost = self._allowance.cost(seen.call)

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
    told: dict[str, Any] = {"seen": seen, "timeout_s": TIMEOUT_SECONDS}
    if not task_named(task).streams:
        run.value = await calling.answer(target, task, said.inputs, parameters, **told)
        return
    async for piece in calling.stream(target, task, said.inputs, parameters, **told):
        run.text += piece
        fill(run, seen)
        changed(run)
    run.value = run.text


def limited(run: Run, most_tokens: int | None) -> dict[str, Any]:
    """The column's parameters, and the limit that a budget's hold asks for."""
    from hf_ledger.dashboard.console.allowing import LIMIT_OF

    parameters = dict(run.column.parameters)
    if most_tokens is not None:
        parameters[LIMIT_OF[run.question.task]] = most_tokens
    return parameters


def fill(run: Run, seen: Seen) -> None:
    """What the wire has shown so far."""
    call = seen.call
    if call is None:
        return
    run.call_id, run.provider = call.call_id, call.provider
    run.ttft_ms = call.ttft_ms
    if seen.over:
        run.input_tokens, run.output_tokens = call.input_tokens, call.output_tokens
        run.latency_ms = call.latency_ms


def take_over(run: Run, row: Row) -> None:
    """The ledger's figures are the ones that count."""
    run.row = row
    run.provider, run.cost, run.cost_basis = row["provider"], row["cost"], row["cost_basis"]
    run.input_tokens, run.output_tokens = row["input_tokens"], row["output_tokens"]
    run.ttft_ms, run.latency_ms = row["ttft_ms"], row["latency_ms"]


def rows_of(ask: Callable[..., Any], call_id: str) -> list[Row]:
    found: list[Row] = ask("call", call_id=call_id).to_pylist()
    return found


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
