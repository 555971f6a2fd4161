"""Vote: two answers to one question, their models hidden until somebody has chosen.

Sides are drawn by chance. Nothing of an answer is shown before both are whole: who writes faster
would be known. Question and answers are in the session's memory.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import counted as worded
from hf_ledger.analytics.words import dollars, percent
from hf_ledger.dashboard.console import forms, pricing, results
from hf_ledger.dashboard.console.asking import Bench, answer_of, label_of, same_but_parameters
from hf_ledger.dashboard.console.column import Column, Question, Run
from hf_ledger.dashboard.console.pricing import Estimate, before, together
from hf_ledger.dashboard.format import milliseconds, plain
from hf_ledger.ingest.doors.evaluation import verdicts
from hf_ledger.ingest.doors.evaluation.ballots import Choice, Count, Vote, counted
from hf_ledger.ingest.doors.evaluation.evidence import line_of
from hf_ledger.ingest.doors.evaluation.tallying import Share, how_sure
from hf_ledger.ingest.doors.router.wanted import CHAT

KEY = "votes"
LOOK_SECONDS = 0.5

INTRO = (
    "Two columns answer one question; you see the answers as A and B, in an order drawn by chance, "
    "and which is which after you have chosen. With more than two columns, one of the others is "
    "drawn beside the first."
)
TOO_FEW = "A vote needs two columns: add one."
NO_ANSWER = "One of the two gave no answer: there is nothing to choose between."

#: What can be chosen, the words on its button, and a key that does the same.
CHOICES: tuple[tuple[Choice, str, str], ...] = (
    ("A", "A is better", "Alt+1"),
    ("B", "B is better", "Alt+2"),
    ("same", "Equally good", "Alt+3"),
    ("unsure", "Can't tell", "Alt+4"),
)

Pair = tuple[str, str]


@dataclass(eq=False)
class Ballot:
    """Two runs of one question, the baseline's first, and what was chosen."""

    first: Run
    second: Run
    names: Pair  # of their columns
    swapped: bool  # the second stands as A
    vote: Vote | None = None

    @property
    def sides(self) -> tuple[Run, Run]:
        """What stands as A, and as B."""
        return (self.second, self.first) if self.swapped else (self.first, self.second)

    @property
    def side_names(self) -> Pair:
        return (self.names[1], self.names[0]) if self.swapped else self.names

    @property
    def settled(self) -> bool:
        return self.first.settled and self.second.settled

    @property
    def answered(self) -> bool:
        return self.first.state == self.second.state == "done"


@dataclass(eq=False)
class Box:
    """All votes of a session, and the ballot that is open."""

    open: Ballot | None = None
    votes: dict[Pair, list[Vote]] = field(default_factory=dict)


def show(bench: Bench, chance: random.Random | None = None) -> None:
    """The tab: ask, read both, choose, and see who it was."""
    box: Box = st.session_state.setdefault(KEY, Box())
    st.caption(INTRO)
    if len(bench.columns) < 2:
        st.info(TOO_FEW, icon=":material/add:")
        return
    inputs = forms.ask(bench.task, "vote")
    st.caption(plain(f"A short question: {price(bench)}"))
    if inputs is not None:
        box.open = drawn(bench, inputs, chance or random.SystemRandom())
        bench.engine.start([box.open.first, box.open.second], bench.session)
    if box.open is not None:
        ballot(bench, box, box.open)
    tally(box)


def price(bench: Bench) -> str:
    """What one word would cost in the first column and the dearest of the others."""
    said = [{"role": "user", "content": "Hi"}]
    question = bench.question({"messages": said} if bench.task == CHAT else {"text": "Hi"})
    first, *others = [
        before(column, question, bench.listed, bench.kind_of(column.target))
        for column in bench.columns
    ]
    return pricing.line_together(together([first, max(others, key=dearness)]))


def dearness(estimate: Estimate) -> tuple[bool, Decimal]:
    """What has no known price may be the dearest."""
    return estimate.high is None, estimate.high or Decimal(0)


def drawn(bench: Bench, inputs: Mapping[str, Any], chance: random.Random) -> Ballot:
    """A ballot of the first column and one of the others, its sides drawn by chance."""
    place = chance.randrange(1, len(bench.columns))
    question = bench.question(inputs)
    runs = [run_of(bench.columns[each], question) for each in (0, place)]
    names = (label_of(bench.columns[0], 1), label_of(bench.columns[place], place + 1))
    return Ballot(runs[0], runs[1], names, swapped=chance.random() < 0.5)


def run_of(column: Column, question: Question) -> Run:
    return Run(column=column, question=question, purpose="evaluation")


# -- an open ballot --------------------------------------------------------------------------------


def ballot(bench: Bench, box: Box, paper: Ballot) -> None:
    if not paper.settled:
        st.fragment(waiting, run_every=LOOK_SECONDS)(bench, paper)
    elif not paper.answered:
        failed(paper)
    else:
        for side, run, name, spot in zip(
            "AB", paper.sides, paper.side_names, st.columns(2), strict=True
        ):
            with spot, st.container(border=True, height="stretch"):
                st.subheader(side, anchor=False)
                results.show(run)
                if paper.vote is not None:
                    unveiled(run, name)
        if paper.vote is None:
            choices(bench, box, paper)


def waiting(bench: Bench, paper: Ballot) -> None:
    """Both, or neither."""
    if paper.settled:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Both are answering …")
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            key="vote-stop",
            on_click=take_back,
            args=(bench, paper),
        )


def take_back(bench: Bench, paper: Ballot) -> None:
    bench.engine.stop(paper.first)
    bench.engine.stop(paper.second)


def failed(paper: Ballot) -> None:
    st.warning(NO_ANSWER, icon=":material/error:")
    for run, name in zip((paper.first, paper.second), paper.names, strict=True):
        if run.state != "done":
            st.caption(plain(f"{name}: {run.failure or run.state}"))


def choices(bench: Bench, box: Box, paper: Ballot) -> None:
    with st.container(horizontal=True):
        for choice, words, shortcut in CHOICES:
            st.button(
                words,
                key=f"vote-{choice}",
                shortcut=shortcut,
                on_click=cast,
                args=(bench, box, paper, choice),
            )


def cast(bench: Bench, box: Box, paper: Ballot, choice: Choice) -> None:
    """Count the vote once, and keep it as evidence, without any text."""
    if paper.vote is not None:
        return
    paper.vote = Vote(choice, paper.swapped)
    box.votes.setdefault(paper.names, []).append(paper.vote)
    first, second = answer_of(paper.first), answer_of(paper.second)
    if first is None or second is None:
        return
    line = line_of(first, second, paper.vote.paired, "vote")
    if line is not None and not same_but_parameters(paper.first.column, paper.second.column):
        verdicts.keep([line], bench.places)


def unveiled(run: Run, name: str) -> None:
    took = f"{dollars(run.cost)}, {milliseconds(run.latency_ms)}"
    st.markdown(f"**{plain(name)}** · {plain(took)}")


# -- the session's votes ---------------------------------------------------------------------------


def tally(box: Box) -> None:
    for names, votes in box.votes.items():
        for said in sentences(names, counted(votes)):
            st.caption(plain(said))


def sentences(names: Pair, found: Count) -> list[str]:
    """What the session's votes on a pair say, and how far they can be believed."""
    votes = worded(found.better + found.worse + found.same + found.unsure, "vote")
    parts = f"{found.better} better, {found.worse} worse, {found.same} equally good"
    told = [f"{names[1]} beside {names[0]}: {parts}, {found.unsure} can't tell ({votes})."]
    if found.preferred.n:
        told.append(f"Preferred in {of_all(found.preferred)}. {how_sure(found.preferred.n)}")
        told.append(f"What stood as A was preferred in {of_all(found.left)}.")
    return told


def of_all(share: Share) -> str:
    low, high = percent(share.low), percent(share.high)
    return f"{share.k} of {share.n} ({percent(share.value)}; 95 % interval {low} to {high})"
