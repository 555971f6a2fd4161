"""Console: one question to up to four columns, streamed side by side, with what each took and cost.

Models are called only where the form was sent; everything else is drawn from the session.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from hf_ledger.analytics.words import PRACTICE as PRACTICE_WORDS
from hf_ledger.dashboard.books import shelf
from hf_ledger.dashboard.console import (
    answers,
    choices,
    evaluating,
    forms,
    heads,
    history,
    linking,
    long_texts,
    pricing,
    running,
    voting,
)
from hf_ledger.dashboard.console.asking import Bench
from hf_ledger.dashboard.console.board import Board
from hf_ledger.dashboard.console.choices import KEY, MODES
from hf_ledger.dashboard.console.column import Question
from hf_ledger.dashboard.console.long_texts import Priced, Sent
from hf_ledger.dashboard.console.offers import Offers, offers_of
from hf_ledger.dashboard.format import plain
from hf_ledger.ingest.doors.router.parts import PricesNow

PENDING = "console-pending"


def opened(offers: Offers) -> Board:
    """This session's board; a new session begins with what its address says."""
    if KEY not in st.session_state:
        linked = linking.read_link(st.query_params.to_dict())
        st.session_state[KEY] = Board.of(linked, offers.targets, offers.models(linked.task))
    found: Board = st.session_state[KEY]
    return found


def write_link(board: Board) -> None:
    """Keep the address at what is shown."""
    wanted = linking.link_of(board.linked)
    for name in linking.stale(st.query_params.to_dict(), wanted):
        del st.query_params[name]
    for name, value in wanted.items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value


def drafted(board: Board) -> Question:
    """The question as the form was last sent: fields hand over nothing before."""
    inputs = heads.drafted(board.task, KEY)
    return Question(task=board.task, inputs=inputs, team=board.team)


def send(board: Board, offers: Offers) -> None:
    """The one place that has models called: the form was sent, and nothing was started yet."""
    sent: Sent | None = st.session_state.pop(PENDING, None)
    if sent is None:
        return
    board.shown = None
    runs = board.ask(sent.inputs, offers, in_chunks=sent.in_chunks)
    running.engine().start(runs, running.session())


def stop_button(board: Board) -> None:
    def stop_all() -> None:
        for run in board.runs:
            if not run.over:
                running.engine().stop(run)

    st.button(
        "Stop all",
        icon=":material/stop_circle:",
        shortcut="Esc",
        disabled=all(run.over for run in board.runs),
        on_click=stop_all,
    )


def bench_of(board: Board, offers: Offers) -> Bench:
    """What sets of questions and votes need of the page."""
    return Bench(
        columns=list(board.columns.values()),
        task=board.task,
        team=board.team,
        listed=offers.listed,
        targets=offers.targets,
        kind_of=offers.kind_of,
        engine=running.engine(),
        session=running.session(),
        places=shelf().places,
        now=shelf().clock(),
    )


def priced() -> Priced:
    """The ledger's prices of now."""
    prices = st.session_state.setdefault("console-prices", PricesNow(shelf().places))
    return Priced(prices(), shelf().clock().timestamp())


def compare(board: Board, offers: Offers) -> None:
    """The question, the columns it goes to, and what they answered."""
    inputs = forms.ask(board.task, KEY, heads.first_parameters(board), partial(heads.adopt, board))
    sent = long_texts.gate(board.task, inputs, offers.asked(board.columns.values()), priced(), KEY)
    if sent is not None:
        # Kept until it is started: the run that heard of it may be cut short by the next click.
        st.session_state[PENDING] = sent
    controls = st.container(horizontal=True, vertical_alignment="center")
    draft = drafted(board)
    estimates = heads.show(board, offers, draft)
    send(board, offers)
    with controls:
        stop_button(board)
        whole = pricing.line_together(pricing.together(estimates))
        st.caption(plain(f"{whole} {heads.no_volume(board, offers, draft)}"))
    write_link(board)
    draw(board)


def draw(board: Board) -> None:
    """The round that is open, followed while it is under way."""
    shown = board.round_shown
    if shown is None:
        history.nothing_yet()
        return
    drawn = answers.show(shown.runs, running.engine())
    history.show(board, KEY)
    if not shown.settled:
        answers.follow(drawn, running.engine())
        st.rerun()


def beside(board: Board, offers: Offers, mode: str) -> None:
    """The columns, and a set of questions or a vote below them."""
    heads.show(board, offers, drafted(board))
    write_link(board)
    show = evaluating.show if mode == "Evaluate" else voting.show
    show(bench_of(board, offers))


offered = offers_of(shelf()) if shelf().books else None
if offered is None or not offered.targets:
    st.title("Console", anchor=False)
    st.info(
        "There is nothing to talk to: start the server with `hf-ledger serve --practice`, set "
        "HF_TOKEN before starting it, or name a target in hf-ledger.toml.",
        icon=":material/power_off:",
    )
    st.stop()

board = opened(offered)
choices.head(board, offered)
if heads.is_practice(board):
    st.caption(
        f":material/science: {PRACTICE_WORDS}: its answers are made up, and so are their figures."
    )
mode = choices.chosen_mode()
if mode == MODES[0]:
    compare(board, offered)
else:
    beside(board, offered, mode)
