"""Repricing over the real price history: Novita's prices rose between December and February.

The ledger begins as one that has not heard of the rise, so the collector prices both sides of it at
the old prices. Then the history comes in, and every call is priced again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from conftest import shared_file
from factories_calls import ledger_with, make_call, spool

from hf_ledger.ingest.call import Call
from hf_ledger.ingest.catalogue.contracts import Agreed, Contract, keep_contracts
from hf_ledger.ingest.catalogue.load import data_file, load_reference
from hf_ledger.ingest.catalogue.months import close_month
from hf_ledger.ingest.catalogue.repricing import Repriced, reprice, undo
from hf_ledger.ingest.ledger.ledger import Ledger, transaction
from hf_ledger.ingest.places import Places
from hf_ledger.ingest.spool.collector import collect

RISE = datetime(2026, 2, 23, 13, 23, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
#: Weeks before, the last moment before, the first moment of the rise, and weeks after.
MOMENTS = (datetime(2026, 1, 20, 9, tzinfo=UTC), RISE - SECOND, RISE,
           datetime(2026, 3, 10, 9, tzinfo=UTC))  # fmt: skip
DECEMBER = datetime(2025, 12, 16, tzinfo=UTC)
ALWAYS = (datetime(2025, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
AFTER = datetime(2026, 11, 23, tzinfo=UTC)
INPUT, OUTPUT = 1_155, 211
#: Pairs whose price changed.
MOVED = 43

Pair = tuple[Decimal, Decimal]  # USD per million tokens of input and output

UNHEARD_OF = """
delete from prices where provider = 'novita' and valid_from >= $rise;
update prices set valid_to = null where provider = 'novita' and valid_to >= $rise
"""
COSTS = """
select call_id, list_cost, cost, cost_basis, price_id, payer
from calls
order by call_id
"""


class Rise(NamedTuple):
    model: str
    before: Pair
    after: Pair

    @property
    def moved(self) -> bool:
        return self.before != self.after

    def cost(self, moment: datetime) -> Decimal:
        """As arithmetic, rounded once, half to even."""
        entry, output = self.after if moment >= RISE else self.before
        exact = (INPUT * Fraction(entry) + OUTPUT * Fraction(output)) / 1_000_000
        return Decimal(round(exact * 10**9)).scaleb(-9)

    def at_old_prices(self) -> Decimal:
        return self.cost(DECEMBER)


def shipped(moment: datetime) -> dict[str, Pair]:
    """Novita's prices of a moment, read from the shipped file alone."""
    when = f"{moment:%Y-%m-%dT%H:%M:%S}"
    found: dict[str, dict[str, Decimal]] = {}
    with data_file("prices.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            held = row["valid_from"] <= when and (not row["valid_to"] or when < row["valid_to"])
            if row["provider"] == "novita" and held:
                found.setdefault(row["model"], {})[row["kind"]] = Decimal(row["usd"])
    return {m: (usd["input_tokens"], usd["output_tokens"]) for m, usd in found.items()}


def pairs() -> list[Rise]:
    """Every pair with a price on both sides."""
    before, after = shipped(DECEMBER), shipped(RISE)
    return [Rise(model, before[model], after[model]) for model in sorted(before.keys() & after)]


def calls_of(rises: list[Rise]) -> list[tuple[Rise, datetime, Call]]:
    return [
        (rise, moment, make_call(
            ts=moment, provider="novita", requested_model=rise.model, provider_model=None,
            uncached_input_tokens=INPUT, output_tokens=OUTPUT,
        ))
        for rise in rises
        for moment in MOMENTS
    ]  # fmt: skip


Made = list[tuple[Rise, datetime, Call]]


@pytest.fixture
def history(places: Places) -> Iterator[tuple[Ledger, Made]]:
    """Calls of every pair, collected before the rise was known; then the history, not repriced."""
    made = calls_of(pairs())
    with ledger_with(places) as ledger:
        for statement in UNHEARD_OF.split(";"):
            ledger.cursor().execute(statement, {"rise": RISE.replace(tzinfo=None)})
        spool(places, [call for *_, call in made])
        collect(ledger, places)
        cursor = ledger.cursor()
        with transaction(cursor):
            load_reference(cursor)
        yield ledger, made


def costs(ledger: Ledger) -> dict[str, tuple[Any, ...]]:
    return {str(row[0]): row[1:] for row in ledger.cursor().execute(COSTS).fetchall()}


def cost_of(ledger: Ledger, call: Call) -> Decimal | None:
    found: Decimal | None = costs(ledger)[call.call_id][1]
    return found


def again(ledger: Ledger) -> Repriced:
    return reprice(ledger, *ALWAYS, "the rise of February 2026", now=AFTER)


def test_the_shipped_history_holds_the_rise() -> None:
    """55 pairs with a price on both sides; 43 rose, all but one of them by exactly a quarter."""
    found = pairs()
    assert (len(found), sum(rise.moved for rise in found)) == (55, MOVED)
    factors = [rise.after[1] / rise.before[1] for rise in found if rise.moved]
    assert factors.count(Decimal("1.25")) == 42


def test_it_is_as_the_captures_have_it_forty_of_fifty_one() -> None:
    """The pairs that stand in both captures, read from these."""
    captured = pq.read_table(shared_file("prices/hf_router_prices.parquet")).to_pylist()
    sides = [
        {
            row["model_lower"]: row["output_usd_per_mtok"]
            for row in captured
            if row["provider"] == "novita" and f"{row['captured_at']:%Y-%m-%d}" == day
        }
        for day in ("2025-12-15", "2026-02-23")
    ]
    both = {m: (sides[0][m], sides[1][m]) for m in sides[0].keys() & sides[1] if sides[1][m]}
    ours = {rise.model.lower(): rise for rise in pairs()}
    assert {m: tuple(map(float, (ours[m].before[1], ours[m].after[1]))) for m in both} == both
    assert (len(both), sum(ours[model].moved for model in both)) == (51, 40)


def test_as_collected_both_sides_stand_at_the_old_price(history: tuple[Ledger, Made]) -> None:
    ledger, made = history
    assert {call.call_id: cost_of(ledger, call) for *_, call in made} == {
        call.call_id: rise.at_old_prices() for rise, _, call in made
    }


def test_repriced_each_side_costs_what_held_then_to_the_nano_dollar(
    history: tuple[Ledger, Made],
) -> None:
    ledger, made = history
    done = again(ledger)
    assert (done.calls, done.changed) == (len(made), 2 * MOVED)
    assert {call.call_id: cost_of(ledger, call) for *_, call in made} == {
        call.call_id: rise.cost(moment) for rise, moment, call in made
    }


def test_before_and_after_are_told_by_model_and_day(history: tuple[Ledger, Made]) -> None:
    ledger, _ = history
    told = again(ledger).moved
    assert {(row.day, row.model): (row.calls, row.before, row.after) for row in told} == {
        (f"{moment:%Y-%m-%d}", rise.model): (1, rise.at_old_prices(), rise.cost(moment))
        for rise in pairs()
        if rise.moved
        for moment in MOMENTS
        if moment >= RISE
    }


def test_undo_restores_every_cent_and_every_column(history: tuple[Ledger, Made]) -> None:
    ledger, _ = history
    before = costs(ledger)
    done = again(ledger)
    assert costs(ledger) != before
    assert undo(ledger, done.run_id or 0, now=AFTER).changed == 2 * MOVED
    assert costs(ledger) == before
    assert again(ledger).changed == 2 * MOVED


def test_a_closed_month_keeps_its_calls_and_gets_corrections(
    history: tuple[Ledger, Made],
) -> None:
    """March was closed at the old prices: the difference stands beside; February's calls move."""
    ledger, made = history
    closed = close_month(ledger, "2026-03", "UTC", now=AFTER)
    done = again(ledger)
    assert (done.changed, done.corrected) == (MOVED, MOVED)
    march = [(rise, call) for rise, moment, call in made if moment == MOMENTS[3]]
    assert sum(cost_of(ledger, call) or 0 for _, call in march) == closed.cost
    (found,) = ledger.cursor().execute(
        "select sum(new_cost - old_cost) from repriced_calls where month = '2026-03'"
    ).fetchone() or (None,)
    assert found == sum(rise.cost(RISE) - rise.at_old_prices() for rise, _ in march)


def agreed(*contracts: Contract) -> Agreed:
    return Agreed(list(contracts), "agreed.csv", "5ha" * 8)


def contract(model: str, kind: str, **what: Any) -> Contract:
    given = {"usd": None, "per_units": None, "discount_percent": None, "valid_to": None, **what}
    return Contract(provider="novita", model=model, kind=kind, valid_from=ALWAYS[0], **given)


def test_agreed_prices_discounts_and_collected_prices_reprice_and_come_back(
    places: Places,
) -> None:
    """One call each: an agreed price, a discount off the list, a discount off the collection."""
    llama, small = "meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"
    shared = {
        "ts": datetime(2026, 11, 20, tzinfo=UTC), "provider_model": None,
        "uncached_input_tokens": 10**6, "output_tokens": 0,
    }  # fmt: skip
    routes = [("agreed", "novita", llama), ("discount", "novita", small)]
    routes.append(("collected", "nebius", llama))
    made = {
        name: make_call(provider=provider, requested_model=model, **shared)
        for name, provider, model in routes
    }
    with ledger_with(places, made.values()) as ledger:
        before = costs(ledger)
        bases = {name: before[call.call_id][2] for name, call in made.items()}
        listed = "list_price_tokens"
        assert bases == {"agreed": listed, "discount": listed, "collected": "collected_price"}
        half = Decimal(50)
        tokens = {"usd": Decimal(7), "per_units": 10**6}
        keep_contracts(ledger, agreed(
            contract(llama, "input_tokens", **tokens), contract(llama, "output_tokens", **tokens),
            contract("*", "*", discount_percent=half),
            Contract("nebius", "*", "*", None, None, half, ALWAYS[0], None),
        ))  # fmt: skip
        done = reprice(ledger, ALWAYS[0], AFTER, "contracts", now=AFTER)
        assert done.changed == 3
        after = costs(ledger)
        for name, call in made.items():
            list_cost, cost, basis, *_ = after[call.call_id]
            assert basis == "contract" and list_cost == before[call.call_id][1]
            assert cost == (Decimal(7) if name == "agreed" else list_cost / 2)
        undo(ledger, done.run_id or 0, now=AFTER)
        assert costs(ledger) == before
