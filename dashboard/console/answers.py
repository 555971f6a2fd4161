"""A run below its column's head: the answer as it comes, then its figures and where they are from.

While it is under way only texts are drawn anew; what can be clicked is drawn once, at its end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from hf_ledger.analytics.words import dollars
from hf_ledger.dashboard.books import LABELS, shelf
from hf_ledger.dashboard.calldrawer import priced
from hf_ledger.dashboard.console import results, snippets
from hf_ledger.dashboard.console.column import Run
from hf_ledger.dashboard.console.destinations import destination
from hf_ledger.dashboard.console.engine import Engine, changes_of
from hf_ledger.dashboard.console.foreign import MOST_SHOWN
from hf_ledger.dashboard.format import NONE, full, milliseconds, plain, short_model
from hf_ledger.ingest.errors import Usage

#: While nothing comes, the clock is drawn as often, and the page sees that somebody clicked.
BEAT_SECONDS = 0.2
#: Between two drawings of a stream; longer texts are drawn less often.
FRAME_SECONDS = 0.04
CHARACTERS_A_SECOND = 400_000
FIGURES_SECONDS = 0.25
HEIGHT = 240
MOST_RAW = 20_000

STATES = {
    "waiting": ":gray-badge[:material/hourglass_empty: waits]",
    "running": ":blue-badge[:material/more_horiz: answering]",
    "done": ":green-badge[:material/check: done]",
    "stopped": ":orange-badge[:material/stop_circle: stopped]",
    "failed": ":red-badge[:material/error: failed]",
}


def show(runs: Sequence[Run], engine: Engine) -> list[Answer]:
    """Lay out one box a run, side by side as their heads are."""
    spots = st.columns(len(runs), gap="small")
    answers = []
    for number, (run, spot) in enumerate(zip(runs, spots, strict=True), 1):
        with spot, st.container(border=True, height="stretch", gap="small"):
            answers.append(Answer(run, number, engine))
    return answers


def follow(answers: Sequence[Answer], engine: Engine) -> None:
    """Draw until nothing changes any more. Nothing is started here."""
    runs = [answer.run for answer in answers]
    seen = changes_of(runs)
    for answer in answers:
        answer.draw()
    while not all(answer.whole for answer in answers):
        seen = engine.wait(runs, seen, BEAT_SECONDS)
        for answer in answers:
            answer.draw()
        time.sleep(FRAME_SECONDS + sum(len(run.text) for run in runs) / CHARACTERS_A_SECOND)


class Answer:
    """One box on the page, and what of its run it shows."""

    def __init__(self, run: Run, number: int, engine: Engine) -> None:
        self.run = run
        self.whole = False  # its end is drawn
        self._drawn = -1
        self._figures_s = 0.0
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            self._state = st.empty()
            st.button(
                f"Stop {number}",
                key=f"{run.id}-stop",
                icon=":material/stop:",
                help="Take this call back; its row says so",
                type="tertiary",
                on_click=engine.stop,
                args=(run,),
                disabled=run.over,
            )
        st.caption(plain(headline(run)))
        with st.container(height=HEIGHT, border=False, autoscroll=not run.over):
            self._body = st.empty()
        self._table = st.empty()
        self._actions = st.empty()
        if run.settled:
            self._end()
        else:
            self._under_way()

    def _under_way(self) -> None:
        with self._body.container():
            # The switch that the whole answer has, so that nothing jumps when it is there.
            st.toggle("Markdown", key=f"{self.run.id}-later", disabled=True)
            self._text = st.empty()

    def draw(self) -> None:
        """Show what has changed since the last time."""
        run = self.run
        if self.whole:
            return
        if run.settled:
            self._end()
            return
        if run.changes != self._drawn:
            self._drawn = run.changes
            self._text.text(run.text[-MOST_SHOWN:])
        now = time.monotonic()
        if now - self._figures_s >= FIGURES_SECONDS:
            self._figures_s = now
            self._state.markdown(in_short(run, now))
            self._table.table(pairs(run, now), border="horizontal", hide_header=True)

    def _end(self) -> None:
        run, self.whole = self.run, True
        self._state.markdown(in_short(run))
        with self._body.container():
            results.show(run)
            if run.failure:
                st.error(plain(run.failure), icon=":material/error:")
        self._table.table(pairs(run), border="horizontal", hide_header=True)
        with self._actions.container():
            actions(run)


def in_short(run: Run, now: float | None = None) -> str:
    """How it stands, how long it took and what it cost."""
    told = figures(run, now)
    return f"{STATES[run.state]} {plain(told['Latency'])} · {plain(told['Cost'])}"


def headline(run: Run) -> str:
    """What was asked, in one line; the head above may have been changed since."""
    column = run.column
    if column.policy:
        return f"{column.target}: {column.policy}"
    return f"{short_model(column.model or column.target)} · {column.provider}"


def pairs(run: Run, now: float | None = None) -> list[dict[str, str]]:
    """Figures of the run so far: those of the wire while it lasts, then those of its row."""
    return [{"What": name, "Figure": plain(text)} for name, text in figures(run, now).items()]


def figures(run: Run, now: float | None = None) -> dict[str, str]:
    waiting = "…" if not run.settled else NONE
    elapsed = (now - run.began_s) * 1000 if now and run.state == "running" else run.latency_ms
    priced_as = dollars(run.cost) if run.call_id and (run.cost is not None or run.settled) else None
    return {
        "Tokens in": waiting if run.input_tokens is None else full(run.input_tokens),
        "Tokens out": waiting if run.output_tokens is None else full(run.output_tokens),
        "First token": waiting if run.ttft_ms is None else milliseconds(run.ttft_ms),
        "Tokens/s": speed(run) or waiting,
        "Latency": waiting if elapsed is None else milliseconds(elapsed),
        "Cost": priced_as or waiting,
        "Basis": (run.cost_basis or waiting).replace("_", " "),
        "Finish": run.finish_reason or waiting,
        "Served by": run.provider or waiting,
    }


def speed(run: Run) -> str | None:
    """Tokens written a second, after the first one came."""
    if not run.output_tokens or run.latency_ms is None:
        return None
    seconds = (run.latency_ms - (run.ttft_ms or 0.0)) / 1000
    return f"{run.output_tokens / seconds:,.0f}" if seconds > 0 else None


def actions(run: Run) -> None:
    """Where the figures come from: the row, how it was priced, what went over the wire."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.row is None:
            st.caption("No call was made." if run.call_id is None else "Not in the ledger yet.")
        else:
            query = {"book": LABELS[run.book], "call": run.row["call_id"]}
            st.page_link(
                "views/calls.py", label="Its row in the ledger", icon="", query_params=query
            )
            with st.popover("How?", type="tertiary", help="How was this computed?"):
                for line in priced(dict(run.row)):
                    st.markdown(line.replace("$", "\\$"))
        if run.sent:
            with st.popover(
                "Raw", type="tertiary", help="Request and reply; the token is left out"
            ):
                raw("Request", run.sent)
                raw("Reply", run.received or "")
            with st.popover("Copy as", type="tertiary", help="The same question as code"):
                copied(run)
        if run.attempts:
            with st.popover("Attempts", type="tertiary", help="What the router tried"):
                st.table(attempts(run.attempts), border="horizontal")


def copied(run: Run) -> None:
    try:
        target = destination(run.column, shelf())
    except Usage as gone:
        st.caption(plain(str(gone)))
        return
    snippets.show(target, run.column, run.question, run.id)


def raw(title: str, text: str) -> None:
    st.markdown(f"**{title}**")
    st.code(text[:MOST_RAW], language=None, wrap_lines=True, height=240)
    if len(text) > MOST_RAW:
        st.caption(f"The first {MOST_RAW:,} of {len(text):,} characters.")


def attempts(tried: Sequence[Any]) -> list[dict[str, str]]:
    """What the router did, in its order."""
    return [
        {
            "No.": str(each.number),
            "Target": plain(each.target.name),
            "Took": milliseconds(each.took_s * 1000),
            "Cost": plain(dollars(each.cost)),
            "Then": plain(f"{each.then}: {each.why}"),
        }
        for each in tried
    ]
