"""Which rule prices a call: where several fit, the first in docs/prices.md counts."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from factories_prices import FIRST_LIST, INSIDE, listed_ledger, moment, one, token_prices

DOCS = Path(__file__).resolve().parent.parent / "docs" / "prices.md"

#: In order: what makes each rule fit, and the basis it gives. All fit one call at once.
RULES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("failed", {"outcome": "error"}, "free"),
    ("reported", {"reported_cost": Decimal("0.07")}, "provider_reported"),
    ("endpoint", {"host_kind": "endpoint"}, "endpoint_hours"),
    ("tokens", {"uncached_input_tokens": 10, "output_tokens": 10}, "list_price_tokens"),
    ("images", {"images": 2}, "list_price_units"),
    ("stated", {"stated_cost": Decimal("0.03")}, "assumed"),
)
COSTS = {
    "free": Decimal(0),
    "provider_reported": Decimal("0.07"),
    "endpoint_hours": None,
    "list_price_tokens": Decimal("0.00002"),
    "list_price_units": Decimal("0.1"),
    "assumed": Decimal("0.03"),
}
CALL = {"provider": "acme", "requested_model": "maker/model", "task": "chat-completion"}
PRICES = (*token_prices("1", "1"), {"kind": "images", "usd": Decimal("0.05"), "per_units": 1})


@pytest.mark.parametrize(("name", "call", "basis"), RULES)
def test_each_rule_alone(name: str, call: dict[str, Any], basis: str) -> None:
    row = one(listed_ledger(*PRICES), **{**CALL, **call})
    assert (row["cost_basis"], row["cost"]) == (basis, COSTS[basis]), name


@pytest.mark.parametrize(("first", "second"), list(combinations(RULES, 2)))
def test_of_two_rules_the_earlier_counts(
    first: tuple[str, dict[str, Any], str], second: tuple[str, dict[str, Any], str]
) -> None:
    row = one(listed_ledger(*PRICES), **{**CALL, **second[1], **first[1]})
    assert row["cost_basis"] == first[2]
    assert row["cost"] == COSTS[first[2]]


def test_all_rules_at_once() -> None:
    call = {key: value for _, each, _ in RULES for key, value in each.items()}
    assert one(listed_ledger(*PRICES), **CALL, **call)["cost_basis"] == "free"


@pytest.mark.parametrize(
    ("basis", "priced"),
    [
        ("free", False),
        ("endpoint_hours", False),
        ("list_price_tokens", True),
        ("list_price_units", True),
    ],
)
def test_a_price_is_named_only_where_it_was_used(basis: str, priced: bool) -> None:
    call = next(call for _, call, gives in RULES if gives == basis)
    row = one(listed_ledger(*PRICES), **{**CALL, **call})
    assert (row["price_id"] is not None) == priced


def test_list_cost_and_cost_are_known_together_but_for_what_is_reported() -> None:
    for _, call, basis in RULES:
        row = one(listed_ledger(*PRICES), **{**CALL, **call})
        if basis not in ("provider_reported", "assumed"):
            assert row["cost"] == row["list_cost"]
        else:
            assert row["list_cost"] is None  # no tokens were stated


@pytest.mark.parametrize("outcome", ["cancelled", "lost", "interrupted", "ok"])
def test_only_failures_are_free(outcome: str) -> None:
    """HF asks providers about 2xx replies only; what was cut may still be billed."""
    row = one(listed_ledger(*PRICES), **CALL, outcome=outcome)
    assert (row["cost"], row["cost_basis"]) == (None, "unknown")


def test_the_first_moment_of_the_first_list_counts() -> None:
    row = one(listed_ledger(*PRICES), **CALL, outcome="error", ts=FIRST_LIST)
    assert row["cost_basis"] == "free"


def test_the_earliest_of_several_lists_is_the_first() -> None:
    ledger = listed_ledger(*PRICES)
    ledger.execute("insert into price_lists values ('', 'later', ?)", [moment("2026-09-01")])
    assert one(ledger, **CALL, outcome="error", ts=INSIDE)["cost_basis"] == "free"


def test_every_basis_is_explained() -> None:
    section = DOCS.read_text(encoding="utf-8").split("\n## Basis")[1].split("\n## ")[0]
    order = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    # Tested in files of their own.
    elsewhere = {"compute_time_estimate", "contract", "unknown"}
    elsewhere |= {"provider_list_price", "collected_price"}
    assert set(order) == {basis for _, _, basis in RULES} | elsewhere
    assert [basis for basis in order if basis in COSTS] == [basis for _, _, basis in RULES]


@pytest.mark.parametrize("stated", [Decimal(0), None])
def test_an_export_that_says_nothing_or_zero_leaves_the_cost_unknown(
    stated: Decimal | None,
) -> None:
    row = one(listed_ledger(*PRICES), **CALL, stated_cost=stated)
    assert (row["cost_basis"], row["cost"], row["list_cost"]) == ("unknown", None, None)


def test_an_assumed_cost_is_no_list_price_and_needs_no_list() -> None:
    row = one(listed_ledger(*PRICES), **CALL, stated_cost=Decimal("0.03"), ts=moment("2025-01-01"))
    assert (row["cost_basis"], row["cost"]) == ("assumed", Decimal("0.03"))
    assert (row["list_cost"], row["price_id"]) == (None, None)
