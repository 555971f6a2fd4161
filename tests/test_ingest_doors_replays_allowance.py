"""What replays may cost in a month: never more, whatever stays unknown or is restarted."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_ledger.ingest.doors.replays.allowance import Allowance, usd_of

CENTS = st.integers(0, 300).map(lambda cents: Decimal(cents) / 100)
CAP = Decimal(5)


def nothing(key_id: str) -> Decimal:
    return Decimal(0)


def august() -> str:
    return "2026-08"


@given(data=st.data(), begun=CENTS)
def test_what_is_spent_never_exceeds_the_cap(data: st.DataObject, begun: Decimal) -> None:
    """Requests overlap, cost at most their worst case or nobody knows what, and the process is
    started anew in between: only what the owner's journal says survives that."""
    journal = {"k1": begun}
    allowance = Allowance(journal.get, august)
    under_way: list[tuple[Decimal, Decimal | None]] = []
    spent = begun
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.sampled_from(["ask", "end", "end", "restart", "journal"])):
            case "ask":
                worst = data.draw(CENTS)
                share = data.draw(st.none() | st.integers(0, 4))
                if allowance.hold("k1", worst, CAP):
                    under_way.append((worst, None if share is None else worst * share / 4))
            case "end" if under_way:
                worst, cost = under_way.pop()
                allowance.settle("k1", worst, cost)
                spent += worst if cost is None else cost
            case "restart" if not under_way:
                journal["k1"] = spent
                allowance = Allowance(journal.get, august)
            case "journal":
                journal["k1"] = spent
        assert spent + sum(worst for worst, _ in under_way) <= CAP


def test_an_unknown_cost_counts_as_its_worst_case() -> None:
    allowance = Allowance(nothing, august)
    assert allowance.hold("k1", Decimal(3), CAP)
    allowance.settle("k1", Decimal(3), None)
    assert not allowance.hold("k1", Decimal("2.01"), CAP)
    assert allowance.hold("k1", Decimal(2), CAP)


def test_what_is_not_used_is_free_again() -> None:
    allowance = Allowance(nothing, august)
    assert allowance.hold("k1", Decimal(5), CAP)
    assert not allowance.hold("k1", Decimal("0.01"), CAP)
    allowance.settle("k1", Decimal(5), Decimal(1))
    assert allowance.hold("k1", Decimal(4), CAP)


def test_a_cap_is_of_one_key() -> None:
    allowance = Allowance(nothing, august)
    assert allowance.hold("k1", Decimal(5), CAP)
    assert allowance.hold("k2", Decimal(5), CAP)


def test_what_other_processes_spend_counts_as_soon_as_the_owner_knows() -> None:
    journal = {"k1": Decimal(0)}
    allowance = Allowance(journal.get, august)
    assert allowance.hold("k1", Decimal(1), CAP)
    journal["k1"] = Decimal("4.5")
    assert not allowance.hold("k1", Decimal(1), CAP)


def test_without_the_owners_figure_nothing_is_spent() -> None:
    assert not Allowance({}.get, august).hold("k1", Decimal(0), CAP)


def test_a_new_month_begins_with_nothing_but_what_is_under_way() -> None:
    months = ["2026-08"]
    journal = {"k1": Decimal(0)}
    allowance = Allowance(journal.get, lambda: months[-1])
    assert allowance.hold("k1", Decimal(2), CAP)
    assert allowance.hold("k1", Decimal(3), CAP)
    allowance.settle("k1", Decimal(3), None)
    months.append("2026-09")
    assert not allowance.hold("k1", Decimal(4), CAP)
    assert allowance.hold("k1", Decimal(3), CAP)
    months.append("2026-10")
    journal["k1"] = Decimal("1.5")  # another process has begun the month already
    allowance.settle("k1", Decimal(3), None)
    # 1.5 of others, 3 of ours just ended, 2 still under way.
    assert not allowance.hold("k1", Decimal("0.5"), Decimal("6.99"))
    assert allowance.hold("k1", Decimal("0.5"), Decimal(7))


@pytest.mark.parametrize("text", ["", "much", "NaN", "-1", "Infinity", "0"])
def test_an_amount_that_is_none_allows_nothing(text: str) -> None:
    assert usd_of(text) == 0


def test_an_amount_is_exact() -> None:
    assert usd_of("12.345678901") == Decimal("12.345678901")
