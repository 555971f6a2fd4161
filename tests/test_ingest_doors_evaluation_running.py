"""A set on its way: bounded, stopped, gone on with, and no call made twice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from hf_ledger.ingest.doors.evaluation.comparing import FAILED, Paired, compared
from hf_ledger.ingest.doors.evaluation.running import Answer, Evaluation
from hf_ledger.ingest.doors.evaluation.sets import Item
from hf_ledger.ingest.doors.replays.judges import EXACT

PATIENCE = 20.0


def items(number: int) -> list[Item]:
    return [Item(f"Row {n}", None, {"prompt": str(n)}, str(n)) for n in range(number)]


class Desk:
    """Answers and compares; counts what it was asked, and can be held up."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.kept: list[tuple[int, Answer, Answer, Paired]] = []
        self.most = self.now = 0
        self.go = threading.Event()
        self.go.set()
        self.reply: Callable[[int, Item], Answer | None] = lambda column, item: Answer(
            text=item.inputs["prompt"], call_id=f"{column}-{item.place}"
        )
        self._lock = threading.Lock()

    def ask(self, column: int, item: Item) -> Answer | None:
        with self._lock:
            self.asked.append((column, item.place))
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            assert self.go.wait(PATIENCE)
            return self.reply(column, item)
        finally:
            with self._lock:
                self.now -= 1

    def compare(self, item: Item, first: Answer, second: Answer) -> Paired | None:
        return compared(EXACT, item.expected, first.text or "", second.text or "")

    def keep(self, *told: object) -> None:
        self.kept.append(told)  # type: ignore[arg-type]

    def evaluation(self, rows: int = 5, columns: int = 3, at_once: int = 2) -> Evaluation:
        return Evaluation(items(rows), columns, self.ask, self.compare, self.keep, at_once=at_once)


def ended(evaluation: Evaluation) -> None:
    assert evaluation.wait(PATIENCE)


def test_every_row_is_asked_of_every_column_once_and_judged() -> None:
    desk = Desk()
    evaluation = desk.evaluation()
    assert (evaluation.state, evaluation.calls) == ("ready", 15)
    evaluation.start()
    ended(evaluation)
    assert evaluation.state == "done"
    assert sorted(desk.asked) == sorted((c, f"Row {n}") for n in range(5) for c in range(3))
    assert set(evaluation.answers) == {(n, c) for n in range(5) for c in range(3)}
    assert set(evaluation.verdicts) == {(n, c) for n in range(5) for c in (1, 2)}
    assert len(desk.kept) == 10
    assert {paired.judged.verdict for *_, paired in desk.kept} == {"same"}


def test_no_more_rows_are_under_way_than_allowed() -> None:
    desk = Desk()
    evaluation = desk.evaluation(rows=12, at_once=3)
    evaluation.start()
    ended(evaluation)
    assert desk.most <= 3


def test_it_stops_and_goes_on_without_asking_twice() -> None:
    desk = Desk()
    desk.go.clear()
    evaluation = desk.evaluation(rows=6)
    evaluation.start()
    evaluation.start()  # a second press does nothing
    assert evaluation.state == "running"
    evaluation.stop()
    desk.go.set()
    ended(evaluation)
    assert evaluation.state == "stopped"
    assert 0 < len(desk.asked) < evaluation.calls
    assert len(evaluation.answers) == len(desk.asked)  # what was under way came to its end
    evaluation.start()
    ended(evaluation)
    assert evaluation.state == "done"
    assert sorted(desk.asked) == sorted((c, f"Row {n}") for n in range(6) for c in range(3))
    assert len(desk.kept) == 12


def test_a_call_that_was_taken_back_stops_it_and_is_asked_again_later() -> None:
    desk = Desk()
    whole, back = desk.reply, {"left": 1}

    def reply(column: int, item: Item) -> Answer | None:
        if item.place == "Row 1" and back["left"]:
            back["left"] -= 1
            return None
        return whole(column, item)

    desk.reply = reply
    evaluation = desk.evaluation(at_once=1)
    evaluation.start()
    ended(evaluation)
    assert evaluation.state == "stopped"
    assert (1, 0) not in evaluation.answers
    evaluation.start()
    ended(evaluation)
    assert evaluation.state == "done"
    assert desk.asked.count((0, "Row 1")) == 2


def test_a_judgement_that_was_taken_back_is_made_later() -> None:
    desk = Desk()
    evaluation = desk.evaluation(rows=1, columns=2)
    real, desk.compare = desk.compare, lambda *_: None  # type: ignore[method-assign]
    evaluation._compare = desk.compare
    evaluation.start()
    ended(evaluation)
    assert (evaluation.state, evaluation.verdicts, desk.kept) == ("stopped", {}, [])
    evaluation._compare = real
    evaluation.start()
    ended(evaluation)
    assert evaluation.state == "done"
    assert len(desk.asked) == 2
    assert len(desk.kept) == 1


def test_a_column_that_failed_is_an_error_and_no_verdict_of_quality() -> None:
    desk = Desk()
    desk.reply = lambda column, item: Answer(text=None if column else "x", failure="no")
    evaluation = desk.evaluation(rows=1, columns=2)
    evaluation.start()
    ended(evaluation)
    assert evaluation.verdicts == {(0, 1): FAILED}
    assert evaluation.state == "done"


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_without_an_answer_of_the_baseline_nothing_is_compared(text: str | None) -> None:
    desk = Desk()
    desk.reply = lambda column, item: Answer(text="x" if column else text)
    evaluation = desk.evaluation(rows=2, columns=2)
    evaluation.start()
    ended(evaluation)
    assert (evaluation.verdicts, desk.kept, evaluation.state) == ({}, [], "done")


def test_a_defect_ends_its_row_alone_and_its_message_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    whole = desk.reply

    def reply(column: int, item: Item) -> Answer | None:
        if item.place == "Row 0":
            raise RuntimeError("sesame")
        return whole(column, item)

    desk.reply = reply
    evaluation = desk.evaluation(rows=3, columns=2)
    with caplog.at_level(logging.ERROR, "hf_ledger"):
        evaluation.start()
        ended(evaluation)
    assert evaluation.state == "stopped"
    assert evaluation.left() == [0]
    assert "RuntimeError" in caplog.text
    assert "sesame" not in caplog.text


def test_an_answers_text_is_not_in_its_repr() -> None:
    assert "sesame" not in repr(Answer(text="sesame", failure="open sesame"))
