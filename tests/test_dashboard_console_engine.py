"""The engine runs what it is told to, so many at once, and ends what nobody looks at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import pytest

from hf_ledger.dashboard.console.column import PRACTICE, Column, Question, Run
from hf_ledger.dashboard.console.engine import DEFECT, ENDED, GONE, Changed, Engine
from hf_ledger.ingest.errors import Usage

PATIENCE = 10.0


class Recited:
    """Answers with a word at a time, until told to end; counts what is under way."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.settled: list[str] = []
        self.running = 0
        self.most = 0
        self.may_end = asyncio.Event()
        self.error: BaseException | None = None

    async def send(self, run: Run, changed: Changed) -> None:
        self.begun.append(run.id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.error is not None:
                raise self.error
            run.text = "word"
            changed(run)
            await self.may_end.wait()
        finally:
            self.running -= 1

    async def settle(self, run: Run) -> None:
        self.settled.append(run.id)


@contextmanager
def engine_of(
    sender: Recited, alive: Callable[[str], bool] = lambda _: True, **more: Any
) -> Iterator[Engine]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Recited]:
        yield sender

    with closing(Engine(opened, alive, **more)) as engine:
        yield engine


def run_of(**more: Any) -> Run:
    column = Column(target=PRACTICE, model="practice/any")
    return Run(column=column, question=Question(task="chat-completion", inputs={}), **more)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def release(engine: Engine, sender: Recited) -> None:
    engine._loop.call_soon_threadsafe(sender.may_end.set)


def test_a_run_is_filled_in_while_it_runs_and_done_at_its_end() -> None:
    sender, run = Recited(), run_of()
    with engine_of(sender) as engine:
        engine.start([run], "one")
        until(lambda: run.text == "word")
        assert run.state == "running"
        assert not run.settled
        release(engine, sender)
        until(lambda: run.settled)
    assert run.state == "done"
    assert run.failure is None
    assert sender.settled == [run.id]


def test_a_run_that_is_started_again_is_not_sent_again() -> None:
    sender, run = Recited(), run_of()
    with engine_of(sender) as engine:
        engine.start([run, run], "one")
        engine.start([run], "one")
        until(lambda: run.text == "word")
        release(engine, sender)
        until(lambda: run.settled)
        engine.start([run], "one")
        time.sleep(0.05)
    assert sender.begun == [run.id]


def test_stopping_cancels_the_call_and_asks_for_its_row() -> None:
    sender, run, other = Recited(), run_of(), run_of()
    with engine_of(sender) as engine:
        engine.start([run, other], "one")
        until(lambda: sender.running == 2)
        engine.stop(run)
        until(lambda: run.settled)
        assert run.state == "stopped"
        assert other.state == "running"
        assert sender.settled == [run.id]


def test_so_many_of_a_session_run_at_once_and_the_rest_waits() -> None:
    sender, runs = Recited(), [run_of() for _ in range(7)]
    with engine_of(sender, per_session=3) as engine:
        engine.start(runs, "one")
        until(lambda: sender.running == 3)
        time.sleep(0.05)
        assert [run.state for run in runs].count("waiting") == 4
        release(engine, sender)
        until(lambda: all(run.settled for run in runs))
    assert sender.most == 3


def test_so_many_of_all_sessions_run_at_once() -> None:
    sender, runs = Recited(), [run_of() for _ in range(6)]
    with engine_of(sender, per_session=2, at_once=3) as engine:
        for number in range(3):
            engine.start(runs[2 * number : 2 * number + 2], f"session {number}")
        until(lambda: sender.running == 3)
        release(engine, sender)
        until(lambda: all(run.settled for run in runs))
    assert sender.most == 3


def test_a_run_that_waits_can_be_stopped_and_is_never_sent() -> None:
    sender, runs = Recited(), [run_of() for _ in range(2)]
    with engine_of(sender, per_session=1) as engine:
        engine.start(runs, "one")
        until(lambda: sender.running == 1)
        engine.stop(runs[1])
        until(lambda: runs[1].settled)
    assert runs[1].state == "stopped"
    assert sender.begun == [runs[0].id]


def test_who_is_gone_pays_for_nothing_more() -> None:
    sender, seen, unseen = Recited(), run_of(), run_of()
    with engine_of(sender, lambda name: name == "here", gone_s=0.2) as engine:
        engine.start([seen], "here")
        engine.start([unseen], "gone")
        until(lambda: unseen.settled)
        assert (unseen.state, unseen.failure) == ("stopped", GONE)
        assert seen.state == "running"


def test_who_comes_back_in_time_loses_nothing() -> None:
    sender, run, away = Recited(), run_of(), [True]
    with engine_of(sender, lambda _: not away[0], gone_s=1.5) as engine:
        engine.start([run], "one")
        until(lambda: sender.running == 1)
        time.sleep(0.6)
        away[0] = False
        time.sleep(1.5)
        assert run.state == "running"


def test_a_refusal_is_the_runs_one_sentence() -> None:
    sender, run = Recited(), run_of()
    sender.error = Usage("Choose another target.")
    with engine_of(sender) as engine:
        engine.start([run], "one")
        until(lambda: run.settled)
    assert (run.state, run.failure) == ("failed", "Choose another target.")
    assert sender.settled == [run.id]


def test_a_defect_ends_the_run_and_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sender, run = Recited(), run_of()
    sender.error = ZeroDivisionError("the-marker-text-99")
    with engine_of(sender) as engine:
        engine.start([run], "one")
        until(lambda: run.settled)
    assert (run.state, run.failure) == ("failed", DEFECT)
    assert "ZeroDivisionError" in caplog.text
    assert "the-marker-text-99" not in caplog.text


def test_closing_takes_back_what_runs() -> None:
    sender, run = Recited(), run_of()
    with engine_of(sender) as engine:
        engine.start([run], "one")
        until(lambda: sender.running == 1)
    assert (run.state, run.failure) == ("stopped", ENDED)
    assert not engine._thread.is_alive()


def test_waiting_ends_with_the_next_change() -> None:
    sender, run = Recited(), run_of()
    with engine_of(sender) as engine:
        assert engine.wait([run], 0, 0.01) == 0
        engine.start([run], "one")
        seen = engine.wait([run], 0, PATIENCE)
        assert seen > 0
        until(lambda: run.text == "word")
        seen = engine.wait([run], -1, PATIENCE)
        release(engine, sender)
        assert engine.wait([run], seen, PATIENCE) > seen
