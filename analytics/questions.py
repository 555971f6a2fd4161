"""The questions by name: the one way in which pages, commands and reports ask the ledger.

A question is a function `f(cursor, scope, **params) -> pyarrow.Table`, imported when first asked.
Times in answers are aware (`first_ts` in UTC, `period` in the scope's zone), money is
`decimal128(38, 9)` USD and NULL where unknown.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from hf_ledger.analytics.scope import Scope
from hf_ledger.ingest.errors import Usage

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

QUESTIONS: dict[str, str] = {
    "totals": "hf_ledger.analytics.totals:totals",
    "spend": "hf_ledger.analytics.spend:spend",
    "heat": "hf_ledger.analytics.peaks:heat",
    "busiest": "hf_ledger.analytics.peaks:busiest",
    "sizes": "hf_ledger.analytics.sizes:sizes",
    "overkill": "hf_ledger.analytics.overkill:overkill",
    "savings": "hf_ledger.analytics.savings:savings",
    "recommendations": "hf_ledger.analytics.recommendations:recommendations",
    "calls": "hf_ledger.analytics.calls:calls",
    "call": "hf_ledger.analytics.calls:call",
    "values": "hf_ledger.analytics.extent:values",
    "extent": "hf_ledger.analytics.extent:extent",
    "matches": "hf_ledger.analytics.matches:matches",
    "health": "hf_ledger.analytics.health:health",
    "noticed": "hf_ledger.analytics.noticed:noticed",
    "route_prices": "hf_ledger.analytics.route_prices:route_prices",
    "current_prices": "hf_ledger.analytics.current_prices:current_prices",
    "volume": "hf_ledger.analytics.volume:volume",
    "flat": "hf_ledger.analytics.flat:flat",
    "endpoint_hours": "hf_ledger.analytics.endpoint_hours:endpoint_hours",
    "months": "hf_ledger.analytics.months:months",
    "repricing_runs": "hf_ledger.analytics.months:repricing_runs",
}

#: These look at the whole ledger, so they may be asked without a scope.
WITHOUT_SCOPE = frozenset(
    {"call", "extent", "health", "matches", "months", "repricing_runs", "route_prices"}
)


class Ask(Protocol):
    """Asks one question by name, wherever the ledger is: in this process or behind its owner."""

    def __call__(self, question: str, scope: Scope | None = None, /, **params: Any) -> pa.Table: ...


def answer(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    scope: Scope | None = None,
    params: Mapping[str, Any] | None = None,
) -> pa.Table:
    """Answer one question; `Usage` for an unknown name, a missing scope or a wrong parameter."""
    question = find(name)
    if scope is None and name not in WITHOUT_SCOPE:
        raise Usage(f"the question {name!r} needs a period: give it a scope.")
    given = dict(params or {})
    check_parameters(name, question, given)
    table: pa.Table = question(cursor, scope, **given)
    return table


def asking(cursor: duckdb.DuckDBPyConnection) -> Ask:
    """An `ask` over an open cursor."""

    def ask(question: str, scope: Scope | None = None, /, **params: Any) -> pa.Table:
        return answer(cursor, question, scope, params)

    return ask


def find(name: str) -> Callable[..., Any]:
    """The function behind a question's name; `Usage` names the nearest where there is none."""
    if name not in QUESTIONS:
        near = difflib.get_close_matches(name, QUESTIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(QUESTIONS)}."
        raise Usage(f"unknown question {name!r}; {hint}")
    module, _, function = QUESTIONS[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def check_parameters(name: str, question: Callable[..., Any], given: Mapping[str, Any]) -> None:
    accepted = list(inspect.signature(question).parameters)[2:]
    for each in given:
        if each not in accepted:
            known = ", ".join(accepted) or "no parameters"
            raise Usage(f"the question {name!r} does not know {each!r}; it takes {known}.")
