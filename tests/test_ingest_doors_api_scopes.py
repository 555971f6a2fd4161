"""What a key may say of itself: what makes no sense is refused, what makes sense is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.api.key_form import ALGORITHM
from hf_ledger.ingest.doors.api.scopes import (
    FAR,
    LONGEST_NAME,
    MOST_PATTERNS,
    MOST_USD,
    NewBudget,
    NewKey,
    amount,
    check_end,
    check_scope,
    scoped,
)
from hf_ledger.ingest.doors.gateway.state import Limits, Replaying, Screening
from hf_ledger.ingest.errors import Usage


def new(**scope: Any) -> NewKey:
    return NewKey("00000001", "a", "0" * 64, ALGORITHM, **{"role": "call", **scope})


GOOD: list[dict[str, Any]] = [
    {},
    {"user": "alice", "team": "search", "project": "shop", "environment": "prod"},
    {"models": ("meta-llama/*",), "providers": ("novita", "self_hosted")},
    {"limits": Limits(capacity=1, per_second=0.01, concurrent=1, max_tokens=1, body_bytes=1)},
    {"budget": NewBudget(Decimal("0.000000001"), "day")},
    {"screening": Screening(on=True, found="route", target="ours")},
    {"screening": Screening(on=True, found="mask", data_class="restricted")},
    {"replaying": Replaying(share=1.0, candidate="o/small", usd="5")},
    {"replaying": Replaying()},
]

BAD: list[tuple[dict[str, Any], str]] = [
    ({"user": ""}, "user is a text"),
    ({"team": "x" * (LONGEST_NAME + 1)}, "team is a text"),
    ({"project": "two\nlines"}, "project is a text"),
    ({"environment": "\x1b[31m"}, "environment is a text"),
    ({"models": ("",)}, "no pattern of models"),
    ({"models": ("two words",)}, "no pattern of models"),
    ({"providers": ("a\tb",)}, "no pattern of providers"),
    ({"models": ("x",) * (MOST_PATTERNS + 1)}, "at most 100 models"),
    ({"limits": Limits(capacity=0)}, "limit capacity is 0"),
    ({"limits": Limits(per_second=-1.0)}, "limit per_second"),
    ({"limits": Limits(per_second=float("inf"))}, "limit per_second"),
    ({"limits": Limits(per_second=float("nan"))}, "limit per_second"),
    ({"limits": Limits(body_bytes=-5)}, "limit body_bytes"),
    ({"budget": NewBudget(Decimal(0))}, "a budget is an amount"),
    ({"budget": NewBudget(Decimal(-1))}, "a budget is an amount"),
    ({"budget": NewBudget(Decimal("NaN"))}, "a budget is an amount"),
    ({"budget": NewBudget(Decimal("1e-10"))}, "a budget is an amount"),
    ({"budget": NewBudget(MOST_USD)}, "a budget is an amount"),
    ({"screening": Screening(on=True, found="route")}, "needs the --target"),
    ({"screening": Screening(on=True, target="ours")}, "needs the --target"),
    ({"replaying": Replaying(share=1.1, candidate="o/small")}, "from 0 to 1"),
    ({"replaying": Replaying(share=float("nan"), candidate="o/small")}, "from 0 to 1"),
    ({"replaying": Replaying(share=0.1)}, "a candidate model"),
    ({"replaying": Replaying(candidate="o/small")}, "a share above 0"),
    ({"replaying": Replaying(share=0.1, candidate="o/small", usd="-1")}, "not negative"),
    ({"replaying": Replaying(share=0.1, candidate="o/small", usd="much")}, "not negative"),
]


@pytest.mark.parametrize("scope", GOOD)
def test_what_makes_sense(scope: dict[str, Any]) -> None:
    check_scope(new(**scope))


@pytest.mark.parametrize(("scope", "sentence"), BAD)
def test_what_makes_none_is_one_sentence(scope: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Usage, match=sentence) as caught:
        check_scope(new(**scope))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("role", ["host", "admin"])
@pytest.mark.parametrize(
    "scope", [scope for scope in GOOD[1:] if scope != {"replaying": Replaying()}]
)
def test_only_a_key_that_calls_models_has_a_scope(role: Any, scope: dict[str, Any]) -> None:
    with pytest.raises(Usage, match=f"role {role} calls no models"):
        check_scope(new(role=role, **scope))


@pytest.mark.parametrize("role", ["host", "admin"])
def test_any_key_may_end(role: Any) -> None:
    check_scope(new(role=role, expires_at=FAR - 1))
    assert not scoped(new(role=role, expires_at=FAR - 1))


@pytest.mark.parametrize(
    ("ends", "good"), [(None, True), (99, False), (100, False), (101, True), (FAR, False)]
)
def test_a_key_ends_after_it_begins(ends: int | None, good: bool) -> None:
    if good:
        check_end(ends, 100.0)
    else:
        with pytest.raises(Usage, match="a moment to come"):
            check_end(ends, 100.0)


@given(st.decimals(0, 10**9 - 1, places=9))
def test_an_amount_is_kept_to_the_last_place(value: Decimal) -> None:
    assert amount(f"{value:f}") == value


@given(st.one_of(st.text(), st.decimals().map(str)))
def test_whatever_is_said_an_amount_fits_the_ledger_or_is_none(text: str) -> None:
    found = amount(text)
    assert found is None or (0 <= found < MOST_USD and found == round(found, 9))
