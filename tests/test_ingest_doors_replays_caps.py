"""A cap for replays as a budget: where there are replays, exact, with an id of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from factories_replays import make_key

from hf_ledger.ingest.doors.gateway.state import Budget
from hf_ledger.ingest.doors.replays.caps import caps_of, usd_of


def test_each_key_with_replays_has_a_hard_cap() -> None:
    assert caps_of([make_key(usd="2.5"), make_key(share=0.0)]) == (
        Budget(budget_id="replay:k1", dimension="key", value="replay:k1", usd="2.5"),
    )
    (cap,) = caps_of([make_key()])
    assert (cap.hard, cap.unpriced, cap.period) == (True, "refuse", "month")


@pytest.mark.parametrize("text", ["", "much", "NaN", "-1", "Infinity", "0"])
def test_an_amount_that_is_none_allows_nothing(text: str) -> None:
    assert usd_of(text) == 0


def test_an_amount_is_exact() -> None:
    assert usd_of("12.345678901") == Decimal("12.345678901")
