"""An evaluation through the engine: purposes, judges, prices before, and the evidence it leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from factories_evaluation import (
    BIG,
    JUDGE,
    PATIENCE,
    SMALL,
    Reciting,
    bench_of,
    column,
    item,
    prompt_of,
)
from factories_replays import replay_rows

from hf_ledger.dashboard.console.asking import Bench, answer_of, asked_name, said_of
from hf_ledger.dashboard.console.column import PRACTICE, Column, Question, Run
from hf_ledger.dashboard.console.contests import (
    Contest,
    asked_text,
    judge_column,
    price_of_columns,
    price_of_judging,
)
from hf_ledger.ingest.doors.evaluation.comparing import Paired
from hf_ledger.ingest.doors.evaluation.evidence import line_of
from hf_ledger.ingest.doors.evaluation.running import Answer, Evaluation
from hf_ledger.ingest.doors.evaluation.tallying import tallied
from hf_ledger.ingest.doors.replays.judges import EXACT, LLM, NUMERIC, Judged
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

SUMS = [item("2+2", "4", 2), item("3+3", "6", 3), item("5+5", "10", 4)]


def sums(model: str, prompt: str) -> str:
    """The big model adds; the small one always says four."""
    return str(eval(prompt)) if model == BIG else "It is 4"


def run_whole(bench: Bench, judge: str = NUMERIC, **more: Any) -> Evaluation:
    contest = Contest(bench, tuple(bench.columns), judge, **more)
    evaluation = contest.evaluation(SUMS)
    evaluation.start()
    assert evaluation.wait(PATIENCE)
    assert evaluation.state == "done"
    return evaluation


def rows(places: Places) -> list[dict[str, Any]]:
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        return replay_rows(ledger)


def test_a_set_leaves_a_verdict_for_each_pair(places: Places) -> None:
    sender = Reciting(sums)
    with bench_of(places, sender) as bench:
        evaluation = run_whole(bench)
    assert {run.purpose for run in sender.runs} == {"evaluation"}
    assert {run.question.team for run in sender.runs} == {"search"}
    found = rows(places)
    assert sorted((row["verdict"], row["score"], row["model_score"]) for row in found) == [
        ("same", 0.0, 1.0),
        ("worse", -1.0, 1.0),
        ("worse", -1.0, 1.0),
    ]
    assert {(row["model"], row["candidate"]) for row in found} == {
        (f"{BIG}:novita", f"{SMALL}:novita")
    }
    assert {(row["evidence"], row["origin"], row["judge"]) for row in found} == {
        ("evaluation", "live", NUMERIC)
    }
    baselines = {run.call_id for run in sender.runs if run.column.model == BIG}
    assert {str(row["call_id"]) for row in found} == baselines
    assert {(row["model_cost"], row["candidate_cost"], row["judge_cost"]) for row in found} == {
        (Decimal("0.001"), Decimal("0.001"), Decimal(0))
    }
    assert [each.right[:2] for each in tallied(evaluation, NUMERIC)] == [(3, 3), (1, 3)]


def test_a_judge_model_is_asked_in_both_orders_under_its_own_purpose(places: Places) -> None:
    def say(model: str, prompt: str) -> str:
        if model != JUDGE:
            return sums(model, prompt)
        right = max(("10", "6"), key=lambda number: prompt.count(f">\n{number}\n<"))
        first = prompt.index(f">\n{right}\n<") < prompt.index(">\nIt is 4\n<")
        return "A" if first else "B"

    sender = Reciting(say)
    with bench_of(places, sender) as bench:
        judging = judge_column("Hugging Face", JUDGE)
        contest = Contest(bench, tuple(bench.columns), LLM, judging)
        evaluation = contest.evaluation(SUMS[1:])
        evaluation.start()
        assert evaluation.wait(PATIENCE)
    judged = [run for run in sender.runs if run.purpose == "judge"]
    assert len(judged) == 4
    assert all(run.column.parameters["temperature"] == 0 for run in judged)
    found = rows(places)
    assert [(row["verdict"], row["judge"], row["judge_cost"]) for row in found] == [
        ("worse", f"llm/1:{JUDGE}", Decimal("0.002"))
    ] * 2
    assert {row["order_swapped"] for row in found} == {True}


def test_two_ways_to_ask_one_model_are_no_evidence_of_models(places: Places) -> None:
    columns = [column(BIG), column(BIG, parameters={"max_tokens": 100, "temperature": 1})]
    with bench_of(places, Reciting(sums), columns) as bench:
        evaluation = run_whole(bench)
    assert len(evaluation.verdicts) == 3
    assert rows(places) == []


def test_a_model_beside_itself_is_the_noise_and_is_kept(places: Places) -> None:
    with bench_of(places, Reciting(sums), [column(BIG), column(BIG)]) as bench:
        run_whole(bench)
    assert {(row["model"], row["verdict"]) for row in rows(places)} == {(f"{BIG}:novita", "same")}


def test_a_candidate_that_fails_is_an_error_of_its_host(places: Places) -> None:
    sender = Reciting(lambda model, prompt: sums(model, prompt) if model == BIG else None)
    with bench_of(places, sender) as bench:
        run_whole(bench)
    assert {(row["verdict"], row["outcome"], row["score"]) for row in rows(places)} == {
        ("failed", "error", None)
    }


def test_practice_says_nothing_of_any_model(places: Places) -> None:
    mixed = [column(BIG), column(SMALL, target=PRACTICE)]
    with bench_of(places, Reciting(sums), mixed) as bench:
        run_whole(bench)
    with bench_of(places, Reciting(sums, origin="practice")) as bench:
        run_whole(bench)
    found = rows(places)
    assert len(found) == 6
    assert {row["origin"] for row in found} == {"practice"}


def test_a_call_that_was_never_sent_is_no_evidence() -> None:
    told = Paired(Judged(EXACT, "same"))
    known = Answer(text="a", call_id="0", model="m")
    assert line_of(known, Answer(text="a", model="m"), told, "evaluation") is None
    assert line_of(known, Answer(text="a", call_id="1"), told, "evaluation") is None
    assert line_of(known, Answer(text="a", call_id="1", model="c"), told, "evaluation") is not None


# -- before it starts ------------------------------------------------------------------------------


def test_the_price_before_is_that_of_rows_times_columns(places: Places) -> None:
    with bench_of(places, Reciting(sums)) as bench:
        contest = Contest(bench, tuple(bench.columns), NUMERIC)
        sums_of = price_of_columns(contest, SUMS)
    # each prompt is a token or so (3 characters), and 6 of its message; 100 may be written
    read = 7
    each = [read * Decimal(1) + 100 * Decimal(2), read * Decimal("0.1") + 100 * Decimal("0.2")]
    assert sums_of.calls == 6
    assert sums_of.low == sums_of.high == 3 * sum(each) / 10**6
    assert price_of_judging(contest, SUMS).calls == 0


def test_a_judge_is_priced_by_its_two_calls_for_each_pair(places: Places) -> None:
    with bench_of(places, Reciting(sums)) as bench:
        judging = judge_column("Hugging Face", JUDGE)
        contest = Contest(bench, tuple(bench.columns), LLM, judging)
        told = price_of_judging(contest, SUMS)
        unknown = Contest(bench, tuple(bench.columns), LLM, judge_column("Hugging Face", "no/such"))
        nothing = price_of_judging(unknown, SUMS)
    assert (told.calls, told.unpriced, told.most) == (6, 0, None)
    # both answers at their limits, the judge's own limit, and the template's words
    least = 6 * (2 * 100 + 1024) * Decimal("0.5") / 10**6
    assert least < told.low < 2 * least
    assert (nothing.calls, nothing.unpriced) == (6, 6)


# -- what is kept of a run -------------------------------------------------------------------------


def run_of(value: Any, task: str = "summarization", text: str = "", **more: Any) -> Run:
    asked = Question(task=task, inputs={})
    return Run(column=column(BIG), question=asked, state="done", value=value, text=text, **more)


@pytest.mark.parametrize(
    ("task", "value", "text"),
    [
        ("chat-completion", "streamed", "streamed"),
        ("summarization", {"summary_text": "short"}, "short"),
        (
            "text-classification",
            [{"label": "bad", "score": 0.2}, {"label": "good", "score": 0.8}],
            "good",
        ),
        ("question-answering", {"answer": "Ann", "score": 0.9}, "Ann"),
        ("feature-extraction", [0.5, 1.0], "[0.5,1.0]"),
        (
            "token-classification",
            [{"entity_group": "PER", "word": "Ann"}],
            '[{"entity_group":"PER","word":"Ann"}]',
        ),
    ],
)
def test_any_result_is_a_text_to_compare(task: str, value: Any, text: str) -> None:
    assert said_of(run_of(value, task)) == text


def test_what_was_taken_back_is_no_answer() -> None:
    run = run_of("x", text="half")
    run.state = "stopped"
    assert answer_of(run) is None


def test_an_answer_at_its_limit_is_known_to_be_cut() -> None:
    found = answer_of(run_of("x", finish_reason="length"))
    assert found is not None
    assert found.was_cut


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, f"{BIG}:novita"),
        ({"provider": "auto"}, BIG),
        ({"provider": "cheapest"}, f"{BIG}:cheapest"),
        ({"model": "", "policy": "fastest"}, "served/by:together"),
        ({"model": "", "provider": "auto"}, "served/by"),
    ],
)
def test_the_model_is_named_as_it_was_asked_for(changes: dict[str, Any], name: str) -> None:
    given: dict[str, Any] = {"target": "x", "model": BIG, "provider": "novita", **changes}
    run = Run(column=Column(**given), question=Question(task="summarization", inputs={}))
    run.provider, run.row = "together", {"model": "served/by", "origin": "live"}
    assert asked_name(run) == name


def test_other_tasks_are_told_to_a_judge_by_their_inputs() -> None:
    asked = item("x")._replace(inputs={"question": "Who?", "context": "Ann."})
    assert asked_text(asked) == "question: Who?\ncontext: Ann."
    assert asked_text(item("Hi")) == "user: Hi"
    assert prompt_of(Run(column=column(BIG), question=Question(task="c", inputs=item("Hi").inputs)))
