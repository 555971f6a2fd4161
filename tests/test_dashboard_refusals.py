"""Calls that the gateway refused, and those it made itself: counted, shown, and said to be so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from factories_dashboard import failed, lay, ledger_of, metrics, page, priced, refused, said

from hf_ledger.dashboard import calldrawer, calltable
from hf_ledger.dashboard.words import side_work

LAST_WEEK = {"period": "Last week"}


@pytest.mark.parametrize("name", [None, "calls"])
def test_refusals_cost_nothing_and_are_no_failures(name: str | None) -> None:
    lay({"yours": ledger_of([priced("3.00"), failed(), *(refused() for _ in range(6))])})
    shown = metrics(page(name, LAST_WEEK))
    assert shown["Estimated cost"] == "$3.00"
    assert shown["Calls"] == "8"
    # One of the two that were sent on.
    assert shown["Error rate"] == "50.00 %"


def test_the_overview_says_how_many_were_refused() -> None:
    lay({"yours": ledger_of([priced("3.00"), refused()])})
    told = "1 call was refused by your gateway, reached no model and cost nothing."
    assert told in said(page(None, LAST_WEEK))
    lay({"yours": ledger_of([priced("3.00"), failed()])})
    assert "refused by your gateway" not in said(page(None, LAST_WEEK))


def test_refusals_alone_have_no_error_rate() -> None:
    lay({"yours": ledger_of([refused()])})
    shown = metrics(page(None, LAST_WEEK))
    assert shown["Error rate"] == "unknown"
    assert shown["Estimated cost"] == "$0.00"


def test_refusals_are_filtered_as_an_outcome() -> None:
    lay({"yours": ledger_of([priced("3.00"), refused(), refused()])})
    assert metrics(page("calls", {**LAST_WEEK, "outcome": "refused"}))["Calls"] == "2"


def test_the_table_and_the_drawer_name_who_refused() -> None:
    call = refused()
    assert calltable.outcome(call) == "refused by gateway 402 quota"
    assert calltable.outcome(failed()) == "error 503 overloaded"
    lines = calldrawer.priced(call)
    assert lines == [calldrawer.REFUSED, calldrawer.BASES["free"]]
    assert calldrawer.priced(failed()) == [calldrawer.BASES["free"]]


def test_replays_and_judges_are_in_the_total_and_named() -> None:
    side = [
        priced("0.50", source="replay", purpose="replay"),
        priced("0.20", source="replay", purpose="judge"),
        priced("0.05", source="replay", purpose="evaluation"),
    ]
    lay({"yours": ledger_of([priced("3.00"), priced("1.00", purpose="hedge"), *side])})
    at = page(None, LAST_WEEK)
    assert metrics(at)["Estimated cost"] == "$4.75"  # 3 + 1 + 0.50 + 0.20 + 0.05
    assert "Of which replays and judges: \\$0.75." in said(at)


def test_without_replays_nothing_is_said_of_them() -> None:
    lay({"yours": ledger_of([priced("3.00")])})
    assert "replays" not in said(page(None, LAST_WEEK))


def purpose(name: str, cost: str | None, unpriced: int = 0) -> dict[str, Any]:
    usd = None if cost is None else Decimal(cost)
    return {"purpose": name, "calls": 1 + unpriced, "unpriced_calls": unpriced, "cost": usd}


def test_what_no_price_is_known_for_is_never_zero() -> None:
    work = purpose("work", "9")
    assert side_work([work]) == ""
    assert side_work([work, purpose("replay", None, 1)]).endswith("judges: price unknown.")
    assert side_work([work, purpose("replay", None, 1), purpose("judge", "0.2")]).endswith(
        "judges: at least $0.20."
    )
    assert side_work([work, purpose("replay", "0")]).endswith("judges: $0.00.")
