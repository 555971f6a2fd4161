"""Console: one prompt to a chosen model, streamed, beside what it took and cost.

The model is called only where a prompt is submitted; everything else is drawn from the session.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from hf_ledger.analytics.words import PRACTICE as PRACTICE_WORDS
from hf_ledger.analytics.words import dollars
from hf_ledger.dashboard import loaders, talking
from hf_ledger.dashboard.books import LABELS, shelf
from hf_ledger.dashboard.calldrawer import priced
from hf_ledger.dashboard.format import full, milliseconds, plain
from hf_ledger.dashboard.talking import Turn

FIRST_MODEL = "meta-llama/Llama-3.3-70B-Instruct"

Row = dict[str, Any]


def offers() -> dict[str, list[str]]:
    """Models of the router's list with the providers that serve them there."""
    found: dict[str, list[str]] = {}
    for row in loaders.rows(shelf()["yours"], "route_prices"):
        listed = row["rank"] == 0 and row["valid_to"] is None
        if listed and row["kind"] == "output_tokens":
            found.setdefault(row["model"], []).append(row["provider"])
    return found


def controls(targets: list[str]) -> tuple[str, str, str]:
    """Target, model and provider; changing one calls nothing."""
    listed = offers()
    models = sorted({FIRST_MODEL, *listed})
    left, middle, right = st.columns([2, 3, 2])
    target = left.selectbox("Target", targets, key="target")
    model = middle.selectbox(
        "Model",
        models,
        index=models.index(FIRST_MODEL),
        key="console-model",
        accept_new_options=True,
    )
    providers = [talking.AUTO, *sorted(set(listed.get(model or "", [])))]
    first = min(1, len(providers) - 1)  # a listed one: its price is known
    provider = right.selectbox("Provider", providers, index=first, key="console-provider")
    return target, model or FIRST_MODEL, provider


def figures(row: Row) -> dict[str, str]:
    """What the call took and cost, as its own row in the ledger has it."""
    return {
        "Served by": row["provider"] or "unknown",
        "Tokens in": full(row["input_tokens"]),
        "Tokens out": full(row["output_tokens"]),
        "First token": milliseconds(row["ttft_ms"]),
        "Latency": milliseconds(row["latency_ms"]),
        "Cost": dollars(row["cost"]),
        "Basis": row["cost_basis"].replace("_", " "),
    }


def draw(turn: Turn) -> None:
    """A turn from memory."""
    asked(turn)
    with st.chat_message("assistant"):
        said, beside = st.columns([3, 2])
        with said:
            st.caption(headline(turn))
            st.text(turn.answer)
            if turn.failure:
                st.error(turn.failure, icon=":material/error:")
        with beside:
            ledger_card(turn)


def asked(turn: Turn) -> None:
    with st.chat_message("user"):
        st.text(turn.prompt)


def headline(turn: Turn) -> str:
    return plain(f"{turn.model} · {turn.provider} · {turn.target}")


def ledger_card(turn: Turn) -> None:
    """Figures of the turn's row, how its cost came about, and the way to the row."""
    if turn.row is None:
        st.caption("Not in the ledger yet.")
        return
    pairs = [{"What": name, "Figure": plain(text)} for name, text in figures(turn.row).items()]
    st.table(pairs, border="horizontal", hide_header=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        query = {"book": LABELS[turn.book], "call": turn.row["call_id"]}
        st.page_link("views/calls.py", label="Its row in the ledger", icon="", query_params=query)
        with st.popover("How?", type="tertiary", help="How was this computed?"):
            for line in priced(turn.row):
                st.markdown(line.replace("$", "\\$"))


def speak(turn: Turn) -> None:
    """Call the model once, show its answer as it comes, then fetch the row it became."""
    st.session_state["turns"].append(turn)
    asked(turn)
    with st.chat_message("assistant"):
        said, beside = st.columns([3, 2])
        with said:
            st.caption(headline(turn))
            spot = st.empty()
            for _ in talking.speak(turn, shelf()):
                spot.text(turn.answer)
            if turn.failure:
                st.error(turn.failure, icon=":material/error:")
        with beside:
            turn.row = talking.find_row(turn, shelf()[turn.book])
            ledger_card(turn)


st.title("Console", anchor=False)
st.caption(
    "One prompt, one model. Prompt and answer stay in this browser session; the ledger keeps "
    "figures only."
)
offered = talking.targets(shelf()) if shelf().books else []
if not offered:
    st.info(
        "There is nothing to talk to: start the server with `hf-ledger serve --practice`, set "
        "HF_TOKEN before starting it, or name a target in hf-ledger.toml.",
        icon=":material/power_off:",
    )
    st.stop()

target, model, provider = controls(offered)
if target == talking.PRACTICE:
    st.info(
        f"{PRACTICE_WORDS}: the answer below is made up, and so are its figures.",
        icon=":material/science:",
    )
for each in st.session_state.setdefault("turns", []):
    draw(each)
prompt = st.chat_input(f"Prompt for {model.rsplit('/', 1)[-1]}")
if prompt:
    speak(Turn(prompt, model, provider, target))
