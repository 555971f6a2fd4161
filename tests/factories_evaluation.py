"""A console bench whose models recite: the real engine, and a sender that answers from a table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.console.asking import Bench
from hf_ledger.dashboard.console.column import HUGGING_FACE, Column, Run
from hf_ledger.dashboard.console.engine import Changed, Engine
from hf_ledger.ingest.doors.evaluation.sets import Item
from hf_ledger.ingest.doors.hook.ids import uuid7
from hf_ledger.ingest.errors import Unusable
from hf_ledger.ingest.places import Places

BIG, SMALL, JUDGE = "big/70B", "tiny/8B", "fair/judge"
NOW = datetime(2026, 8, 12, 12, tzinfo=UTC)
LIST_AT = datetime(2026, 8, 11, 12, tzinfo=UTC)
PATIENCE = 20.0

#: What a model says to a prompt; None: it fails.
Say = Callable[[str, str], str | None]


def price(model: str, entry: str, output: str, provider: str = "novita") -> dict[str, Any]:
    usd = {"input": entry, "output": output, "cache_read": None, "cache_write": None}
    told = {"provider": provider, "model": model, "price_id": model, "list_at": LIST_AT}
    return {**told, "per_units": 10**6, **usd}


PRICES = [price(BIG, "1", "2"), price(SMALL, "0.1", "0.2"), price(JUDGE, "0.5", "0.5")]


@dataclass
class Reciting:
    """Answers at once; keeps which runs it was given. `may_answer` holds it up."""

    say: Say
    runs: list[Run] = field(default_factory=list)
    cost: Decimal | None = Decimal("0.001")
    origin: str = "live"
    held: bool = False

    async def send(self, run: Run, changed: Changed) -> None:
        self.runs.append(run)
        run.call_id = uuid7(time.time_ns())
        while self.held:
            await asyncio.sleep(0.005)
        said = self.say(run.column.model, prompt_of(run))
        if said is None:
            raise Unusable("The model is overloaded.")
        run.text = run.value = said
        run.finish_reason = "stop"
        run.input_tokens, run.output_tokens, run.latency_ms = 10, len(said.split()), 250.0

    async def settle(self, run: Run) -> None:
        run.cost = self.cost
        run.row = {"origin": self.origin, "model": run.column.model}


def prompt_of(run: Run) -> str:
    return str(run.question.inputs["messages"][-1]["content"])


def column(model: str, **changes: Any) -> Column:
    given = {"target": HUGGING_FACE, "model": model, "provider": "novita"}
    return Column(**{**given, "parameters": {"max_tokens": 100}, **changes})


@contextmanager
def bench_of(
    places: Places, sender: Reciting, columns: Sequence[Column] | None = None, **more: Any
) -> Iterator[Bench]:
    """A bench of two columns, unless others are given."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Reciting]:
        yield sender

    with closing(Engine(opened, lambda _: True)) as engine:
        given: dict[str, Any] = {
            "columns": list(columns or (column(BIG), column(SMALL))),
            "task": "chat-completion",
            "team": "search",
            "listed": PRICES,
            "targets": [HUGGING_FACE],
            "kind_of": lambda _: "router",
            "engine": engine,
            "session": "a session",
            "places": places,
            "now": NOW,
        }
        yield Bench(**{**given, **more})


def item(prompt: str, expected: str | None = None, place: int = 1) -> Item:
    messages = [{"role": "user", "content": prompt}]
    return Item(f"Row {place}", None, {"messages": messages}, expected)


def tab(bench: Bench, name: str) -> AppTest:
    """A page that holds nothing but one tab, drawn once."""

    def script(bench, name):  # type: ignore[no-untyped-def]  # it runs without this file's names
        from importlib import import_module

        import_module(f"hf_ledger.dashboard.console.{name}").show(bench)

    return drawn(AppTest.from_function(script, kwargs={"bench": bench, "name": name}))


def drawn(at: AppTest) -> AppTest:
    at.run(timeout=60)
    assert not at.exception, at.exception
    return at


def texts(at: AppTest) -> str:
    """All that a reader sees, as one text."""
    kinds = (at.caption, at.text, at.markdown, at.info, at.warning, at.error, at.subheader)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)
