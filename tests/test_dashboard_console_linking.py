"""The console's address: what stands in it comes back, and words of people never stand in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.dashboard.console.column import MOST_COLUMNS, Column
from hf_ledger.dashboard.console.linking import Linked, flat, link_of, read_link, stale
from hf_ledger.dashboard.console.parameters import PARAMETERS, Parameter, nested
from hf_ledger.ingest.doors.router.tasks import TASKS

NAMES = st.text("abcDEF-/:=,. 7", min_size=1, max_size=20)


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    low, high = parameter.low or 0, parameter.high or 0
    if parameter.sort == "whole":
        return st.integers(int(low), int(high))
    if parameter.sort == "number":
        return st.floats(low, high)
    if parameter.sort == "switch":
        return st.booleans()
    return st.sampled_from(parameter.choices) if parameter.choices else st.text(min_size=1)


@st.composite
def columns(draw: st.DrawFn, task: str) -> Column:
    told = [
        each for each in PARAMETERS.get(task, ()) if each.sort != "text" and draw(st.booleans())
    ]
    parameters = {each.name: draw(values(each)) for each in told}
    if task == "chat-completion" and draw(st.booleans()):
        parameters["response_format.type"] = "json_object"
    return Column(
        target=draw(NAMES),
        model=draw(NAMES),
        provider=draw(NAMES),
        parameters=nested(parameters),
    )


@st.composite
def boards(draw: st.DrawFn) -> Linked:
    task = draw(st.sampled_from(sorted(TASKS)))
    made = draw(st.lists(columns(task), min_size=1, max_size=MOST_COLUMNS))
    return Linked(task, draw(st.none() | NAMES), tuple(made))


@given(boards())
def test_what_an_address_says_is_what_it_was_made_of(linked: Linked) -> None:
    assert read_link(link_of(linked)) == linked


@given(st.dictionaries(st.text(max_size=12) | st.from_regex("[a-z_.]{1,9}[1-4]"), st.text()))
def test_no_address_is_too_strange_to_be_read(query: dict[str, str]) -> None:
    linked = read_link(query)
    assert len(linked.columns) <= MOST_COLUMNS
    assert read_link(link_of(linked)).task == linked.task


def test_what_somebody_wrote_never_stands_in_it() -> None:
    words = {"negative_prompt": "marker", "seed": 7, "system": "marker", "width": True}
    told = link_of(
        Linked("text-to-image", None, (Column(target="t", model="m", parameters=words),))
    )
    assert told == {"task": "text-to-image", "target1": "t", "model1": "m", "seed1": "7"}


def test_values_that_a_field_could_not_hold_are_left_out() -> None:
    query = {"model1": "m", "max_tokens1": "0", "temperature1": "9", "top_p1": "NaN", "seed1": "x"}
    assert dict(read_link(query).columns[0].parameters) == {}


def test_an_unknown_task_is_the_ordinary_one() -> None:
    assert read_link({"task": "mind-reading"}).task == "chat-completion"


def test_numbers_of_columns_may_have_gaps() -> None:
    found = read_link({"model4": "d", "model2": "b"}).columns
    assert [column.model for column in found] == ["b", "d"]


def test_what_is_left_of_removed_columns_goes_and_other_parameters_stay() -> None:
    query = {"model1": "a", "model2": "b", "task": "x", "book": "Yours", "model9": "c"}
    assert stale(query, {"model1": "a"}) == ["model2", "task"]


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.text()))
def test_flat_and_nested_are_each_others_opposite(values: dict[str, Any]) -> None:
    inside = {"outer": values} if values else {}
    assert nested(flat(inside)) == inside
