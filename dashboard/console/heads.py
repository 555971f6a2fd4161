"""The heads of the columns: target, model, provider or policy, parameters, and the price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import streamlit as st

from hf_ledger.dashboard import loaders
from hf_ledger.dashboard.books import shelf
from hf_ledger.dashboard.console import pricing, volume
from hf_ledger.dashboard.console.board import Board, standard
from hf_ledger.dashboard.console.column import (
    AUTO,
    MOST_COLUMNS,
    PRACTICE,
    Column,
    Question,
)
from hf_ledger.dashboard.console.destinations import POLICIES, ROUTER
from hf_ledger.dashboard.console.fields import conversation
from hf_ledger.dashboard.console.linking import JSON_MODE, JSON_OBJECT, flat
from hf_ledger.dashboard.console.offers import Offers, per_million
from hf_ledger.dashboard.console.parameters import PARAMETERS, choose, nested
from hf_ledger.dashboard.console.pricing import Estimate
from hf_ledger.dashboard.format import plain
from hf_ledger.ingest.doors.router.tasks import task_named
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.doors.router.wanted import POLICIES as ROUTER_POLICIES

#: Of the router's policies those that need nothing beside the settings' targets.
CHOSEN_BY = tuple(
    name
    for name in ROUTER_POLICIES
    if name in ("cheapest", "fastest", "balanced", "hybrid", "advised")
)


class Place(NamedTuple):
    """A column's place: the beginning of its widgets' keys, and its number for people."""

    key: str
    number: int


def show(board: Board, offers: Offers, draft: Question) -> list[Estimate]:
    """One head a column, side by side; what they were set to stands on the board."""
    spots = st.columns(len(board.columns), gap="small")
    estimates = []
    for number, (slot, spot) in enumerate(zip(list(board.columns), spots, strict=True), 1):
        with spot, st.container(border=True, height="stretch", gap="small"):
            board.columns[slot] = head(board, offers, slot, number)
            estimates.append(prices(board, offers, slot, draft))
    return estimates


def head(board: Board, offers: Offers, slot: int, number: int) -> Column:
    """The widgets of one column. Changing one calls nothing."""
    column, place = board.columns[slot], Place(f"console-{slot}", number)
    key = place.key
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        target = chosen_target(column, offers, place)
        with st.popover(f"Column {number}", icon=":material/tune:", help="Its parameters"):
            parameters = chosen_parameters(board.task, column, key)
            st.button(
                f"Remove column {number}",
                icon=":material/delete:",
                key=f"{key}-remove",
                type="tertiary",
                disabled=len(board.columns) == 1,
                on_click=board.remove,
                args=(slot,),
            )
    if target == ROUTER:
        policy = seeded(key, "policy", column.policy or CHOSEN_BY[0])
        chosen = st.selectbox(
            f"Policy {number}", CHOSEN_BY, key=policy, label_visibility="collapsed"
        )
        return Column(target=target, model="", policy=chosen, parameters=parameters)
    model = chosen_model(board, offers, column, place)
    provider = chosen_provider(offers, replace(column, target=target, model=model), place)
    return Column(target=target, model=model, provider=provider, parameters=parameters)


def seeded(key: str, name: str, value: Any) -> str:
    """The key of a widget that begins with the column's value."""
    st.session_state.setdefault(f"{key}-{name}", value)
    return f"{key}-{name}"


def chosen_target(column: Column, offers: Offers, place: Place) -> str:
    options = [*offers.targets]
    if column.target not in options:
        options.append(column.target)
    name = seeded(place.key, "target", column.target)
    return str(
        st.selectbox(f"Target {place.number}", options, key=name, label_visibility="collapsed")
    )


def chosen_model(board: Board, offers: Offers, column: Column, place: Place) -> str:
    """A listed model, or any that is typed; what is typed here may be called."""
    options = offers.models(board.task)
    if column.model and column.model not in options:
        options = [*options, column.model]
    name = seeded(place.key, "model", column.model or None)

    def note_choice() -> None:
        board.chosen.add(str(st.session_state[name]))

    model = st.selectbox(
        f"Model {place.number}",
        options,
        key=name,
        accept_new_options=True,
        placeholder="Choose or type a model",
        on_change=note_choice,
        label_visibility="collapsed",
    )
    return model or ""


def chosen_provider(offers: Offers, column: Column, place: Place) -> str:
    """Who serves it, where the router is asked; with each provider's price."""
    listed = offers.providers.get(column.model, [])
    options = [AUTO, *POLICIES, *listed]
    name = seeded(place.key, "provider", column.provider)
    if st.session_state[name] not in options:
        if listed:
            st.session_state[name] = AUTO
        else:
            options.append(st.session_state[name])

    def priced(provider: str) -> str:
        row = offers.price(column.model, provider)
        return provider if row is None else f"{provider} · {per_million(row)}"

    return str(
        st.selectbox(
            f"Provider {place.number}",
            options,
            key=name,
            format_func=priced,
            disabled=offers.is_server(column.target),
            label_visibility="collapsed",
        )
    )


def chosen_parameters(task: str, column: Column, key: str) -> dict[str, Any]:
    """The task's parameters as set, with what they began with from link or board."""
    values = flat(column.parameters)
    for each in PARAMETERS.get(task, ()):
        value = values.get(each.name)
        if value is not None:
            shown = ("Yes" if value else "No") if each.sort == "switch" else value
            seeded(key, each.name, float(shown) if each.sort == "number" else shown)
    found = flat(choose(task, key))
    if task == CHAT:
        begun = seeded(key, "json", values.get(JSON_MODE) == JSON_OBJECT)
        if st.toggle("JSON mode", key=begun, help="The answer is a JSON object; say so, too."):
            found[JSON_MODE] = JSON_OBJECT
    return nested(found)


def first_parameters(board: Board) -> dict[str, Any]:
    """Those of the first column: they are saved with a prompt."""
    return dict(next(iter(board.columns.values())).parameters)


def adopt(board: Board, parameters: Mapping[str, Any]) -> None:
    """Callback: a saved prompt was loaded, and its parameters with it."""
    for slot, column in board.columns.items():
        board.columns[slot] = replace(column, parameters=dict(parameters))
        for each in PARAMETERS.get(board.task, ()):
            st.session_state.pop(f"console-{slot}-{each.name}", None)
        st.session_state.pop(f"console-{slot}-json", None)


def at_volume(board: Board, offers: Offers, column: Column, draft: Question) -> str | None:
    """What the column would cost at the team's own volume; None where there is no volume."""
    found = volumes(column, draft, offers)
    if not found or not found[0]["calls"]:
        return None
    return volume.line(column, draft, found, board.runs, offers.kind_of(column.target))


def volumes(column: Column, question: Question, offers: Offers) -> list[dict[str, Any]]:
    book, now = shelf()["yours"], shelf().clock()
    return volume.rows(book, column, question, offers.listed, now) if column.model else []


def no_volume(board: Board, offers: Offers, draft: Question) -> str:
    """One sentence where no column has a volume to be compared at; else empty."""
    found = [volumes(column, draft, offers) for column in board.columns.values()]
    return "" if any(rows and rows[0]["calls"] for rows in found) else volume.empty(draft)


def prices(board: Board, offers: Offers, slot: int, draft: Question) -> Estimate:
    """What this question will cost in this column, before anything is sent."""
    column = board.columns[slot]
    kind = offers.kind_of(column.target)
    estimate = pricing.before(column, draft, offers.listed, kind)
    st.caption(plain(pricing.line(estimate)))
    said = at_volume(board, offers, column, draft)
    if said:
        st.caption(plain(said))
    why = board.why_not(column, offers)
    if why:
        st.warning(plain(why), icon=":material/link:")
        st.button(
            "Call it all the same",
            key=f"console-{slot}-trust",
            on_click=board.chosen.add,
            args=(column.model,),
        )
    return estimate


def add_column(board: Board, offers: Offers) -> None:
    """One more, of the first model that no column has yet."""
    taken = {column.model for column in board.columns.values()}
    models = offers.models(board.task)
    fresh = next((model for model in models if model not in taken), models[0] if models else "")
    board.add(standard(targets_of(board, offers), fresh, board.task))


def targets_of(board: Board, offers: Offers) -> Sequence[str]:
    """Targets, beginning with that of the last column."""
    last = list(board.columns.values())[-1].target
    return [last, *offers.targets] if last != ROUTER else offers.targets


def may_add(board: Board) -> bool:
    return len(board.columns) < MOST_COLUMNS


def teams() -> list[str]:
    """Teams that the ledger has calls of, most first."""
    book, now = shelf()["yours"], shelf().clock()
    scope = volume.scope_of(Question(task=CHAT, inputs={}), now)
    found = loaders.values(book, replace(scope, where={}), ("team",))
    return [team for team in found["team"] if team]


def drafted(task: str, key: str) -> dict[str, Any]:
    """The question as the form had it when it was last sent; fields hand over nothing before."""
    said = st.session_state.get(f"{key}-messages") or ""
    if task == CHAT:
        system = st.session_state.get(f"{key}-messages-system") or ""
        return {"messages": conversation(system, [], said)}
    names = task_named(task).inputs
    found = {name: st.session_state.get(f"{key}-{name}") for name in names}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def is_practice(board: Board) -> bool:
    return any(column.target == PRACTICE for column in board.columns.values())
