"""Evaluate: a set of questions in all columns, what each makes of it, and what that costs.

Models are called only after the button was pressed. Set and answers are in the session's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import counted, dollars
from hf_ledger.dashboard.cards import csv_text
from hf_ledger.dashboard.console import pricing, scoring
from hf_ledger.dashboard.console.asking import Bench
from hf_ledger.dashboard.console.column import Column
from hf_ledger.dashboard.console.contests import (
    Contest,
    asked_text,
    judge_column,
    price_of_columns,
    price_of_judging,
)
from hf_ledger.dashboard.console.destinations import ROUTER
from hf_ledger.dashboard.format import plain
from hf_ledger.ingest.doors.evaluation.comparing import METHODS
from hf_ledger.ingest.doors.evaluation.running import Evaluation
from hf_ledger.ingest.doors.evaluation.sets import (
    MOST_BYTES,
    MOST_ROWS,
    Item,
    Uploaded,
    read_set,
)
from hf_ledger.ingest.doors.evaluation.tallying import Tally, tallied
from hf_ledger.ingest.doors.replays.judges import LLM
from hf_ledger.ingest.errors import Usage

Row = dict[str, Any]

KEY = "evaluation"
LOOK_SECONDS = 1.0
MOST_PROBLEMS, MOST_PREVIEWED = 20, 20
SHOWN_CHARS = 200

INTRO = (
    f"A file with a column `input` (or the task's own inputs) and, where there is one, `expected`: "
    f"CSV or JSONL, at most {MOST_ROWS:,} rows. It stays in this browser session; the ledger keeps "
    "figures and verdicts, and no text."
)
JUDGED = "Each pair of answers is sent to this model twice, in both orders, with the question."
BASELINE = "Better, same and worse: beside the first column's answer to the same row."
AS_EVIDENCE = "Its verdicts are in the ledger, as evidence beside replays."
AS_PRACTICE = "Practice: its verdicts are kept apart and say nothing of any model."


@dataclass(eq=False)
class Standing:
    """The evaluation that this session has."""

    contest: Contest
    evaluation: Evaluation
    name: str


def show(bench: Bench) -> None:
    """The tab: choose a set, see the price, run it, read what came of it."""
    standing: Standing | None = st.session_state.get(KEY)
    if standing is None:
        prepare(bench)
    else:
        follow(standing)


# -- before ----------------------------------------------------------------------------------------


def prepare(bench: Bench) -> None:
    st.caption(INTRO)
    file = st.file_uploader(
        "Set of questions",
        type=["csv", "jsonl", "ndjson", "json"],
        max_upload_size=MOST_BYTES >> 20,
        key="evaluation-file",
    )
    if file is None:
        return
    try:
        found = read_set(file.name, file.getvalue(), bench.task)
    except Usage as wrong:
        st.error(plain(str(wrong)), icon=":material/error:")
        return
    problems(found)
    if found.items:
        preview(found.items)
        offer(bench, found.items, file.name)


def problems(found: Uploaded) -> None:
    """What is wrong with rows, each in a sentence; they are left out."""
    if found.unused:
        st.caption(plain(f"Not used: {', '.join(found.unused)}."))
    if not found.problems:
        return
    rest = len(found.problems) - MOST_PROBLEMS
    more = [f"And {rest:,} more."] if rest > 0 else []
    told = [*found.problems[:MOST_PROBLEMS], *more]
    st.warning("  \n".join(map(plain, told)), icon=":material/rule:")


def preview(items: Sequence[Item]) -> None:
    st.caption(f"{counted(len(items), 'row')} can be asked. The first of them:")
    rows = [
        {
            "Row": item.place,
            "Id": item.id,
            "Asked": asked_text(item)[:SHOWN_CHARS],
            "Expected": (item.expected or "")[:SHOWN_CHARS],
        }
        for item in items[:MOST_PREVIEWED]
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="The first rows of the set")


def offer(bench: Bench, items: Sequence[Item], name: str) -> None:
    """How to compare, what it may cost, and the button."""
    judge = METHODS[st.selectbox("Compare answers by", list(METHODS), key="evaluation-method")]
    judging = chosen_judge(bench) if judge == LLM else None
    contest = Contest(bench, tuple(bench.columns), judge, judging)
    prices(contest, items)
    st.button(
        f"Evaluate {counted(len(items), 'row')} in {counted(len(bench.columns), 'column')}",
        type="primary",
        icon=":material/play_arrow:",
        key="evaluation-start",
        disabled=judge == LLM and (judging is None or len(bench.columns) < 2),
        on_click=begin,
        args=(contest, items, name),
    )


def chosen_judge(bench: Bench) -> Column | None:
    targets = [target for target in bench.targets if target != ROUTER]
    models = sorted({row["model"] for row in bench.listed})
    left, right = st.columns([2, 3])
    target = left.selectbox("Judge at", targets, key="evaluation-judge-target")
    model = right.selectbox(
        "Judge model",
        models,
        index=None,
        accept_new_options=True,
        placeholder="Choose or type a model",
        key="evaluation-judge-model",
    )
    st.caption(JUDGED)
    return judge_column(target, model) if target and model else None


def prices(contest: Contest, items: Sequence[Item]) -> None:
    """What it may cost, before anything is sent."""
    st.text(f"Columns: {pricing.line_together(price_of_columns(contest, items))}")
    if contest.judge_column is not None:
        st.text(f"Judge: {pricing.line_together(price_of_judging(contest, items))}")
    said, old = pricing.age(contest.bench.listed, contest.bench.now)
    st.caption(f":material/warning: {plain(said)}" if old else plain(said))


def begin(contest: Contest, items: Sequence[Item], name: str) -> None:
    evaluation = contest.evaluation(items)
    st.session_state[KEY] = Standing(contest, evaluation, name)
    evaluation.start()


# -- while it runs, and after ----------------------------------------------------------------------


def follow(standing: Standing) -> None:
    runs = standing.evaluation.state == "running"
    st.fragment(progress, run_every=LOOK_SECONDS if runs else None)(standing, runs)
    if not runs:
        downloads(standing)
        drill(standing)


def progress(standing: Standing, runs: bool) -> None:
    """How far it is and what was found so far; drawn again by itself while it runs."""
    evaluation = standing.evaluation
    if runs and evaluation.state != "running":
        st.rerun()
    done = len(evaluation.answers)
    st.progress(done / evaluation.calls, text=plain(how_far(standing.name, evaluation, done)))
    controls(standing)
    results(standing.contest, tallied(evaluation, standing.contest.judge))
    st.caption(AS_PRACTICE if is_practice(evaluation) else AS_EVIDENCE)


def how_far(name: str, evaluation: Evaluation, done: int) -> str:
    state = "stopping" if evaluation.stopping and evaluation.state == "running" else ""
    return f"{name}: {done:,} of {evaluation.calls:,} answers, {state or evaluation.state}"


def controls(standing: Standing) -> None:
    evaluation = standing.evaluation
    runs = evaluation.state == "running"
    with st.container(horizontal=True):
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            key="evaluation-stop",
            disabled=not runs or evaluation.stopping,
            on_click=evaluation.stop,
        )
        st.button(
            "Go on",
            icon=":material/play_arrow:",
            key="evaluation-go-on",
            disabled=evaluation.state != "stopped",
            on_click=evaluation.start,
        )
        st.button(
            "Another set",
            icon=":material/delete:",
            key="evaluation-forget",
            disabled=runs,
            on_click=forget,
        )


def forget() -> None:
    """Set and answers are gone; the figures are in the ledger."""
    st.session_state.pop(KEY, None)


def results(contest: Contest, tallies: list[Tally]) -> None:
    st.dataframe(
        scoring.shown(contest, tallies),
        hide_index=True,
        height="content",
        alt="Each column: share of right answers, verdicts beside the first, cost and latency",
    )
    st.caption(plain(" ".join(filter(None, (scoring.sureness(tallies), BASELINE)))))
    judging = [each.judge_cost for each in tallies[1:]]
    if contest.judge_column is not None:
        st.caption(plain(f"Judging cost {dollars(pricing.added(judging))} beside that."))


def is_practice(evaluation: Evaluation) -> bool:
    return any(answer.origin == "practice" for answer in list(evaluation.answers.values()))


def downloads(standing: Standing) -> None:
    """The figures, and the answers with what was asked: the only file that has their text."""
    contest, evaluation = standing.contest, standing.evaluation
    with st.container(horizontal=True):
        download("Figures", lambda: scoring.summary(contest, tallied(evaluation, contest.judge)))
        download("Answers", lambda: scoring.rows_of(contest, evaluation))


def download(label: str, rows: Callable[[], list[Row]]) -> None:
    st.download_button(
        f"{label} as CSV",
        data=lambda: csv_text(rows()).encode(),
        file_name=f"evaluation-{label.lower()}.csv",
        mime="text/csv",
        icon=":material/download:",
        key=f"evaluation-{label.lower()}",
        on_click="ignore",
        type="tertiary",
    )


def drill(standing: Standing) -> None:
    """Each row; of the chosen one, what was asked and what all columns said."""
    contest, evaluation = standing.contest, standing.evaluation
    event = st.dataframe(
        scoring.overview(contest, evaluation),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="evaluation-rows",
        alt="Each row of the set and what was found of each column's answer",
    )
    chosen = event["selection"]["rows"]
    if not chosen:
        st.caption("Choose a row to read its answers.")
        return
    one_row(contest, evaluation, chosen[0])


def one_row(contest: Contest, evaluation: Evaluation, place: int) -> None:
    item = evaluation.items[place]
    st.text(asked_text(item))
    if item.expected is not None:
        st.text(f"Expected: {item.expected}")
    names = scoring.labels(contest)
    for column, spot in enumerate(st.columns(len(names))):
        with spot, st.container(border=True):
            st.caption(plain(names[column]))
            st.caption(scoring.found_at(contest, evaluation, place, column))
            answer = evaluation.answers.get((place, column))
            if answer is not None:
                st.text(answer.text if answer.text is not None else answer.failure or "")
