"""The console's address: task, team and columns in the URL, and never a word of a question.

Each column's choices carry its number: `model1`, `provider1`, `max_tokens1`, `model2` …
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hf_ledger.dashboard.console.column import AUTO, Column
from hf_ledger.dashboard.console.parameters import PARAMETERS, Parameter, nested
from hf_ledger.ingest.doors.router.tasks import TASKS
from hf_ledger.ingest.doors.router.wanted import CHAT
from hf_ledger.ingest.doors.router.wanted import POLICIES as ROUTER_POLICIES

LONGEST = 200
#: What makes a chat model answer in JSON; the one parameter that is not in the task's table.
JSON_MODE = "response_format.type"
JSON_OBJECT = "json_object"
NUMBERED = re.compile(r"([a-z_.]+?)([1-4])")


@dataclass(frozen=True)
class Linked:
    """What an address asks for; what it leaves open has a default of the page."""

    task: str = CHAT
    team: str | None = None
    columns: tuple[Column, ...] = ()


def link_of(linked: Linked) -> dict[str, str]:
    """The query parameters that open the page like this."""
    found = {"task": linked.task} if linked.task != CHAT else {}
    if linked.team:
        found["team"] = linked.team
    for number, column in enumerate(linked.columns, 1):
        found.update(
            {f"{name}{number}": value for name, value in words_of(column, linked.task).items()}
        )
    return found


def words_of(column: Column, task: str) -> dict[str, str]:
    """A column's choices, defaults and texts left out."""
    found = {"target": column.target, "model": column.model}
    if column.policy:
        found["policy"] = column.policy
    elif column.provider != AUTO:
        found["provider"] = column.provider
    known = choices_of(task)
    for name, value in flat(column.parameters).items():
        if name in known and known[name](value):
            found[name] = value if isinstance(value, str) else json.dumps(value)
    return {name: value for name, value in found.items() if value}


def choices_of(task: str) -> dict[str, Callable[[Any], bool]]:
    """Parameters that may stand in an address, with a check of their values: numbers, switches and
    choices among few, but no text, which may be somebody's words."""
    found: dict[str, Callable[[Any], bool]] = {
        each.name: partial(fits, each) for each in PARAMETERS.get(task, ()) if each.sort != "text"
    }
    if task == CHAT:
        found[JSON_MODE] = lambda value: value == JSON_OBJECT
    return found


def fits(parameter: Parameter, value: object) -> bool:
    """Whether the parameter's field could hold the value."""
    if parameter.sort == "switch":
        return isinstance(value, bool)
    if parameter.sort == "choice":
        return value in parameter.choices
    kinds = int if parameter.sort == "whole" else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    return (parameter.low or 0) <= value <= (parameter.high or 0)


def read_link(query: Mapping[str, str]) -> Linked:
    """What an address asks for; what makes no sense is left out. Never raises."""
    columns: dict[int, dict[str, str]] = {}
    for name, value in query.items():
        numbered = NUMBERED.fullmatch(name)
        if numbered and len(value) <= LONGEST:
            columns.setdefault(int(numbered[2]), {})[numbered[1]] = value
    said = query.get("task", CHAT)
    task = said if said in TASKS else CHAT
    return Linked(
        task,
        query.get("team", "")[:LONGEST] or None,
        tuple(column_of(columns[number], task) for number in sorted(columns)),
    )


def column_of(said: Mapping[str, str], task: str) -> Column:
    policy, known = said.get("policy"), choices_of(task)
    values = {name: value_of(said[name]) for name in said if name in known}
    return Column(
        target=said.get("target", ""),
        model=said.get("model", ""),
        provider=said.get("provider", AUTO),
        policy=policy if policy in ROUTER_POLICIES else None,
        parameters=nested({name: each for name, each in values.items() if known[name](each)}),
    )


def value_of(text: str) -> Any:
    """A number or a switch, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def stale(query: Iterable[str], wanted: Mapping[str, str]) -> list[str]:
    """Query parameters of this page that must go."""
    ours = ("task", "team")
    return [
        name for name in query if name not in wanted and (name in ours or NUMBERED.fullmatch(name))
    ]


def flat(parameters: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{above}{name}."))
        else:
            found[above + name] = value
    return found
