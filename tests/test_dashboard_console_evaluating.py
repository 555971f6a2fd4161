"""The tab Evaluate: a set, its price, its run, its figures, and no text of it in any file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from factories_console_runs import desk_of
from factories_console_runs import until as came_about
from factories_evaluation import (
    BIG,
    JUDGE,
    Reciting,
    bench_of,
    column,
    drawn,
    item,
    tab,
    texts,
    until,
)
from factories_replays import replay_rows
from streamlit.testing.v1 import AppTest

from hf_ledger.dashboard.cards import csv_text
from hf_ledger.dashboard.console import running, scoring
from hf_ledger.dashboard.console.asking import Bench
from hf_ledger.dashboard.console.column import PRACTICE
from hf_ledger.dashboard.console.contests import Contest
from hf_ledger.dashboard.console.evaluating import KEY, Standing
from hf_ledger.dashboard.console.pricing import prices
from hf_ledger.ingest.doors.evaluation.running import Answer
from hf_ledger.ingest.doors.evaluation.tallying import tallied
from hf_ledger.ingest.doors.replays.judges import NORMALISED, NUMERIC
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

SET = (
    b"id,prompt,expected,level\na,Capital of France?,Paris,1\nb,Capital of Italy?,Rome,1\nc,,x,2\n"
)


def say(model: str, prompt: str) -> str:
    """The big model knows both capitals, the small one but one."""
    known = {"Capital of France?": "Paris.", "Capital of Italy?": "Rome"}
    return known.get(prompt, "B") if model == BIG else "paris"


@pytest.fixture
def sender() -> Reciting:
    return Reciting(say)


@pytest.fixture
def bench(places: Places, sender: Reciting) -> Iterator[Bench]:
    with bench_of(places, sender) as made:
        yield made


def upload(at: AppTest, body: bytes = SET, name: str = "capitals.csv") -> AppTest:
    at.file_uploader(key="evaluation-file").set_value((name, body, "text/csv"))
    return drawn(at)


def standing(at: AppTest) -> Standing:
    found: Standing = at.session_state[KEY]
    return found


def started(bench: Bench) -> AppTest:
    at = upload(tab(bench, "evaluating"))
    at.button(key="evaluation-start").click()
    return drawn(at)


def whole(at: AppTest) -> AppTest:
    until(lambda: standing(at).evaluation.state != "running")
    return drawn(at)


def table(at: AppTest, place: int) -> list[dict[str, Any]]:
    return at.dataframe[place].value.to_dict("records")  # type: ignore[no-any-return]


# -- before ----------------------------------------------------------------------------------------


def test_a_set_is_checked_and_shown_and_priced_and_nothing_is_sent(
    bench: Bench, sender: Reciting
) -> None:
    at = upload(tab(bench, "evaluating"))
    said = texts(at)
    assert "Row 4\\: prompt is empty." in said
    assert "Not used\\: level." in said
    assert "2 rows can be asked." in said
    assert [row["Asked"] for row in table(at, 0)] == [
        "user: Capital of France?",
        "user: Capital of Italy?",
    ]
    assert "Columns: About $0.00046 for 4 calls; at most $0.0011." in said
    assert "At the list of 11 Aug 2026 (1 day old)." in said
    assert at.button(key="evaluation-start").label == "Evaluate 2 rows in 2 columns"
    assert sender.runs == []


def test_a_file_that_is_no_set_is_one_sentence(bench: Bench) -> None:
    at = upload(tab(bench, "evaluating"), b"question\nx\n")
    assert len(at.error) == 1
    assert "needs input or prompt" in at.error[0].value
    assert not at.button


def test_many_problems_are_not_all_listed(bench: Bench) -> None:
    at = upload(tab(bench, "evaluating"), b"id,prompt\nz,ok\n" + b"a,\n" * 30)
    assert at.warning[0].value.count("Row") == 20
    assert "And 10 more." in at.warning[0].value


def test_a_judge_model_is_the_persons_choice_and_priced(bench: Bench) -> None:
    at = upload(tab(bench, "evaluating"))
    at.selectbox(key="evaluation-method").set_value("Judged by a model")
    drawn(at)
    assert at.button(key="evaluation-start").disabled
    assert "is sent to this model twice" in texts(at)
    at.selectbox(key="evaluation-judge-model").set_value(JUDGE)
    drawn(at)
    assert not at.button(key="evaluation-start").disabled
    assert "Judge: About $" in texts(at)
    assert "for 4 calls" in texts(at).partition("Judge: ")[2]


def test_a_task_with_pictures_says_why_not(places: Places, sender: Reciting) -> None:
    with bench_of(places, sender, task="image-to-text") as bench:
        at = upload(tab(bench, "evaluating"))
    assert "which a file of rows can't hold" in at.error[0].value


# -- a run -----------------------------------------------------------------------------------------


def test_a_run_from_the_button_to_the_figures(bench: Bench, sender: Reciting) -> None:
    at = whole(started(bench))
    first, second = table(at, 0)
    assert (first["Column"], second["Column"]) == ("1 · 70B · novita", "2 · 8B · novita")
    assert (first["Right"], second["Right"]) == ("100 % (2 of 2)", "50 % (1 of 2)")
    assert second["95 % interval"] == "9 % to 91 %"
    assert (first["Worse"], second["Same"], second["Worse"]) == ("baseline", "1", "1")
    assert (first["Cost"], first["Per 1,000 calls"]) == ("$0.0020", "$1.00")
    assert first["Median latency"] == "250 ms"
    assert "n \\= 2" in texts(at) or "n = 2\\: too few to say; at least 400" in texts(at)
    assert "Its verdicts are in the ledger" in texts(at)
    assert len(sender.runs) == 4


def test_it_stops_and_goes_on(bench: Bench, sender: Reciting) -> None:
    sender.held = True
    at = started(bench)
    assert at.button(key="evaluation-go-on").disabled
    until(lambda: len(sender.runs) == 2)  # both rows ask the baseline
    at.button(key="evaluation-stop").click()
    drawn(at)
    assert "stopping" in at.get("progress")[0].proto.text
    sender.held = False
    whole(at)
    assert "2 of 4 answers, stopped" in at.get("progress")[0].proto.text
    at.button(key="evaluation-go-on").click()
    drawn(at)
    whole(at)
    assert "4 of 4 answers, done" in at.get("progress")[0].proto.text
    assert len(sender.runs) == 4


def test_a_row_opens_with_what_was_asked_and_said(bench: Bench) -> None:
    at = whole(started(bench))
    assert table(at, 1)[1] == {
        "Row": "Row 3",
        "Id": "b",
        "Expected": "Rome",
        "1 · 70B · novita": "right",
        "2 · 8B · novita": "wrong",
    }
    assert "Choose a row" in texts(at)


def test_another_set_forgets_the_first(bench: Bench) -> None:
    at = whole(started(bench))
    at.button(key="evaluation-forget").click()
    drawn(at)
    assert KEY not in at.session_state
    assert "Paris" not in texts(at)


def test_a_changed_board_leaves_an_evaluation_as_it_was(bench: Bench) -> None:
    at = whole(started(bench))
    assert isinstance(bench.columns, list)
    bench.columns.append(column(JUDGE))
    drawn(at)
    assert len(table(at, 0)) == 2


# -- figures without a page ------------------------------------------------------------------------


def scored(bench: Bench, answers: dict[tuple[int, int], Answer], judge: str = NUMERIC) -> Any:
    contest = Contest(bench, tuple(bench.columns), judge)
    evaluation = contest.evaluation([item("=1+1", "2", 2)])
    evaluation.answers |= answers
    return contest, evaluation


def test_unknown_costs_are_said(bench: Bench) -> None:
    free = Answer(text="2", cost=None)
    contest, evaluation = scored(bench, {(0, 0): free})
    first, second = scoring.shown(contest, tallied(evaluation, NUMERIC))
    assert (first["Cost"], first["Per 1,000 calls"]) == ("price unknown", "price unknown")
    assert (second["Cost"], second["Right"]) == ("–", "–")
    cost_of = scoring.cost_of(tallied(evaluation, NUMERIC)[0]._replace(cost=Decimal(1)))
    assert cost_of == "at least $1.00"


def test_one_column_alone_counts_what_is_right(places: Places, sender: Reciting) -> None:
    with bench_of(places, sender, [column(BIG)]) as bench:
        _, evaluation = scored(bench, {(0, 0): Answer(text="2")})
    assert scoring.pairs(tallied(evaluation, NUMERIC)) == 1


def test_no_cell_of_a_file_is_a_formula(bench: Bench) -> None:
    contest, evaluation = scored(
        bench, {(0, 0): Answer(text='=HYPERLINK("x")'), (0, 1): Answer(failure="@no")}, NORMALISED
    )
    evaluation.items = (item("x", "+2")._replace(id="=1+1", inputs={"q": "-1"}),)
    written = csv_text(scoring.rows_of(contest, evaluation))
    first, second = csv.DictReader(io.StringIO(written))
    assert (first["id"], first["expected"], first["answer"]) == (
        "'=1+1",
        "'+2",
        '\'=HYPERLINK("x")',
    )
    assert (second["failure"], second["answer"]) == ("'@no", "")
    figures = csv_text(scoring.summary(contest, tallied(evaluation, NORMALISED)))
    assert len(list(csv.DictReader(io.StringIO(figures)))) == 2


def test_answers_without_anything_expected_show_their_verdicts(bench: Bench) -> None:
    contest, evaluation = scored(bench, {(0, 0): Answer(text="a"), (0, 1): Answer(text=None)})
    evaluation.items = (item("x"),)
    assert scoring.found_at(contest, evaluation, 0, 0) == "answered"
    assert scoring.found_at(contest, evaluation, 0, 1) == "no answer"


# -- with a server, a spool and a ledger -----------------------------------------------------------

MARKS = ("Sesame-asked", "Sesame-expected", "Sesame-instructions")
MARKED = (
    "system,prompt,expected\n"
    f"{MARKS[2]},{MARKS[0]} one,{MARKS[1]}\n"
    f"{MARKS[2]},{MARKS[0]} two,Practice server\n"
).encode()


def test_calls_and_verdicts_are_in_the_ledger_and_no_text_is_in_any_file(places: Places) -> None:
    columns = [
        column(model, target=PRACTICE, provider="auto")
        for model in ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct")
    ]
    with desk_of(places) as shelf:
        listed = prices(shelf["practice"], shelf.clock())
        given = {"listed": listed, "engine": running.engine(), "session": "s"}
        with bench_of(places, Reciting(say), columns, **given) as bench:
            at = upload(tab(bench, "evaluating"), MARKED)
            assert "Practice\\: nobody" in texts(at) or "Practice: nobody" in texts(at)
            at.button(key="evaluation-start").click()
            drawn(at)
            came_about(lambda: standing(at).evaluation.state == "done")
            drawn(at)
            answers = standing(at).evaluation.answers
        assert all(MARKS[0] in (answer.text or "") for answer in answers.values())
        ids = {answer.call_id for answer in answers.values()}
        assert len(ids) == 4
        found = [shelf["practice"].ask("call", call_id=each).to_pylist()[0] for each in ids]
        assert {(row["source"], row["purpose"], row["origin"]) for row in found} == {
            ("console", "evaluation", "practice")
        }
    with Ledger.open(places) as ledger:
        collect(ledger, places)
        kept = [(row["origin"], row["evidence"], row["verdict"]) for row in replay_rows(ledger)]
    assert kept == [("practice", "evaluation", "same")] * 2
    written = [path for path in places.root.rglob("*") if path.is_file()]
    assert written
    for path in written:
        body = path.read_bytes()
        assert [mark for mark in MARKS if mark.encode() in body] == [], path.name
