"""The top of the page: what all columns have in common, and what they are for."""

from __future__ import annotations

import streamlit as st

from hf_ledger.dashboard.console import heads
from hf_ledger.dashboard.console.board import Board
from hf_ledger.dashboard.console.offers import Offers
from hf_ledger.ingest.doors.router.tasks import TASKS

#: The board of a session.
KEY = "console"
#: Ask all columns one thing; a set of questions; or two of them without their names.
MODES = ("Compare", "Evaluate", "Vote")


def head(board: Board, offers: Offers) -> None:
    """Title, and what all columns have in common."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"
    ):
        st.title("Console", width="content", anchor=False)
        with st.container(horizontal=True, width="content", vertical_alignment="bottom"):
            chosen_task(board, offers)
            chosen_team(board)
            st.button(
                "Add column",
                icon=":material/add:",
                on_click=heads.add_column,
                args=(board, offers),
                disabled=not heads.may_add(board),
            )


def chosen_task(board: Board, offers: Offers) -> None:
    """Another task has other models and parameters: its columns are new ones."""
    names = sorted(TASKS)
    st.session_state.setdefault("console-task", board.task)

    def change() -> None:
        task = st.session_state["console-task"]
        st.session_state[KEY] = board.for_task(task, offers.targets, offers.models(task))

    st.selectbox("Task", names, key="console-task", on_change=change, width=240)


def chosen_team(board: Board) -> None:
    """Who pays, and whose volume is meant."""
    teams = heads.teams()
    st.session_state.setdefault("console-team", board.team)
    options = [*teams, *({board.team} - {*teams, None})]
    board.team = st.selectbox(
        "Team",
        options,
        index=None,
        key="console-team",
        accept_new_options=True,
        placeholder="No team",
        width=180,
    )


def chosen_mode() -> str:
    """What the columns are for; in the address too."""
    return st.segmented_control(
        "Mode",
        MODES,
        default=MODES[0],
        required=True,
        key="mode",
        bind="query-params",
        label_visibility="collapsed",
    )
