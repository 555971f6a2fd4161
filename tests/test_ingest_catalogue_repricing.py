"""Repricing: right on both sides of a price's date, recorded, and undone to the last place."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_calls import NOON, insert_rows, ledger_with, make_call, make_row
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.connect import connect, responder
from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.load import data_file
from hf_ledger.ingest.catalogue.months import close_month
from hf_ledger.ingest.catalogue.repricing import Repriced, reprice, undo
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import Listener
from hf_ledger.ingest.places import Places

COSTS = """
select call_id, list_cost, cost, cost_basis, price_id, payer
from calls
order by ts, call_id
"""
ALWAYS = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
DECEMBER = datetime(2025, 12, 20, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
AFTER = datetime(2026, 11, 23, tzinfo=UTC)
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


def costs(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.cursor().execute(COSTS).fetchall()


def again(ledger: Ledger, **given: Any) -> Repriced:
    return reprice(ledger, *ALWAYS, given.pop("reason", "test"), now=AFTER, **given)


def double(ledger: Ledger) -> None:
    ledger.cursor().execute("update prices set usd = usd * 2")


@pytest.fixture
def priced(places: Places) -> Iterator[Ledger]:
    """Five calls priced as they came in, one of them failed, one before any list."""
    calls = [make_call(ts=NOON + timedelta(days=number)) for number in range(3)]
    calls.append(make_call(ts=NOON, outcome="error", status=500))
    calls.append(make_call(ts=datetime(2025, 3, 1, tzinfo=UTC)))
    with ledger_with(places, calls) as ledger:
        yield ledger


def novita_rises() -> list[tuple[str, Decimal, Decimal]]:
    """Model and output price at Novita in December and in March, from the shipped history."""
    with data_file("prices.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["provider"] == "novita"]

    def at(model: str, moment: datetime) -> Decimal | None:
        when = f"{moment:%Y-%m-%dT%H:%M:%S}"
        held = [
            Decimal(row["usd"])
            for row in rows
            if (row["model"], row["kind"]) == (model, "output_tokens")
            and row["valid_from"] <= when
            and (not row["valid_to"] or when < row["valid_to"])
        ]
        return held[0] if held else None

    models = sorted({row["model"] for row in rows})
    pairs = [(model, at(model, DECEMBER), at(model, MARCH)) for model in models]
    return [(m, a, b) for m, a, b in pairs if a is not None and b is not None and b != a]


def test_the_history_holds_the_rise_of_a_quarter() -> None:
    rises = novita_rises()
    by_a_quarter = [model for model, before, after in rises if after == before * Decimal("1.25")]
    assert len(by_a_quarter) >= 40
    assert all(after > before for _, before, after in rises)


def test_both_sides_of_the_rise_cost_what_held_then() -> None:
    """Repriced from nothing: a million output tokens in both months, of every model that rose."""
    rises = novita_rises()
    with Ledger.memory(reference=True) as ledger:
        for moment in (DECEMBER, MARCH):
            shared = {
                "ts": moment, "provider": "novita", "uncached_input_tokens": 0,
                "output_tokens": 1_000_000, "requested_model": None,
            }  # fmt: skip
            insert_rows(ledger, [make_row(**shared, model=model) for model, _, _ in rises])
        done = again(ledger)
        assert done.changed == 2 * len(rises)
        found = ledger.cursor().execute("select ts, model, cost, cost_basis from calls").fetchall()
        by_key = {(ts.replace(tzinfo=UTC), model): cost for ts, model, cost, _ in found}
        expected = {(DECEMBER, model): before for model, before, _ in rises}
        expected |= {(MARCH, model): after for model, _, after in rises}
        assert by_key == expected
        assert {basis for *_, basis in found} == {"list_price_tokens"}
        total = sum(after - before for _, before, after in rises)
        assert sum(b for _, b, _ in rises) + total == sum(by_key[MARCH, m] for m, _, _ in rises)


def test_nothing_changes_where_no_price_did(priced: Ledger) -> None:
    before = costs(priced)
    done = again(priced)
    assert (done.calls, done.changed, done.run_id) == (5, 0, None)
    assert costs(priced) == before


def test_a_dry_run_says_all_and_changes_nothing(priced: Ledger) -> None:
    before = costs(priced)
    double(priced)
    done = again(priced, dry_run=True)
    assert (done.changed, done.run_id) == (3, None)
    assert [each.after for each in done.moved] == [2 * (each.before or 0) for each in done.moved]
    assert costs(priced) == before
    assert priced.cursor().execute("select count(*) from repricing_runs").fetchall() == [(0,)]


def test_a_run_is_recorded_call_by_call(priced: Ledger) -> None:
    before = {row[0]: row[2] for row in costs(priced)}
    double(priced)
    done = again(priced, reason="the list was wrong")
    kept = priced.cursor().execute(
        "select call_id, old_cost, new_cost, old_cost_basis, month from repriced_calls"
    )
    rows = kept.fetchall()
    assert len(rows) == done.changed == 3
    for call_id, old, new, basis, month in rows:
        assert (old, new) == (before[call_id], 2 * (before[call_id] or 0))
        assert (basis, month) == ("list_price_tokens", None)
    run = priced.cursor().execute("select run_id, reason, calls, changed from repricing_runs")
    assert run.fetchall() == [(1, "the list was wrong", 5, 3)]


def test_undo_gives_every_column_back(priced: Ledger) -> None:
    before = costs(priced)
    double(priced)
    done = again(priced)
    assert costs(priced) != before
    back = undo(priced, done.run_id or 0)
    assert (back.undo_of, back.changed) == (1, 3)
    assert costs(priced) == before


def test_a_failed_call_before_the_first_list_turns_free_and_back() -> None:
    """`payer` follows the basis both ways."""
    early = datetime(2025, 11, 1, tzinfo=UTC)
    row = make_row(ts=early, outcome="error", payer="huggingface")
    with Ledger.memory(reference=True) as ledger:
        insert_rows(ledger, [row])
        before = costs(ledger)
        ledger.cursor().execute("insert into price_lists values ('', 'older', '2025-10-01')")
        again(ledger)
        ((_, _, cost, basis, _, payer),) = costs(ledger)
        assert (cost, basis, payer) == (0, "free", "nobody")
        undo(ledger, 1)
        assert costs(ledger) == before


def test_the_span_bounds_what_is_looked_at(priced: Ledger) -> None:
    double(priced)
    done = reprice(priced, NOON + timedelta(days=1), NOON + timedelta(days=2), "one day")
    assert (done.calls, done.changed) == (1, 1)


def test_invoiced_costs_are_not_ours_to_change() -> None:
    with Ledger.memory(reference=True) as ledger:
        insert_rows(ledger, [make_row(cost=Decimal(7), cost_basis="billed_session")])
        assert again(ledger).calls == 0
        assert costs(ledger)[0][2] == 7


def test_runs_are_undone_last_first(priced: Ledger) -> None:
    before = costs(priced)
    double(priced)
    again(priced)
    double(priced)
    again(priced)
    with pytest.raises(Usage, match="undo 2 first"):
        undo(priced, 1)
    undo(priced, 2)
    undo(priced, 1)
    assert costs(priced) == before


def test_what_cannot_be_undone_says_why(priced: Ledger) -> None:
    with pytest.raises(Usage, match="no repricing run 9"):
        undo(priced, 9)
    double(priced)
    again(priced)
    undo(priced, 1)
    with pytest.raises(Usage, match="undone already, by run 2"):
        undo(priced, 1)
    with pytest.raises(Usage, match="undoing of run 1"):
        undo(priced, 2)


def test_a_period_that_ends_first_is_refused(priced: Ledger) -> None:
    with pytest.raises(Usage, match="ends before it begins"):
        reprice(priced, NOON, NOON, "never")


amounts = st.lists(
    st.tuples(
        st.integers(0, 10**7),
        st.integers(0, 10**5),
        st.integers(0, 300),
        st.sampled_from(["ok", "error", "interrupted"]),
    ),
    min_size=1,
    max_size=12,
)
factors = st.lists(st.decimals("0.1", "9", places=3), min_size=1, max_size=3)


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(amounts, factors, st.booleans())
def test_undoing_every_run_restores_every_cent(
    calls: list[tuple[int, int, int, str]], changes: list[Decimal], close: bool
) -> None:
    with Ledger.memory(reference=True) as ledger:
        rows = [
            make_row(
                ts=datetime(2025, 12, 1, tzinfo=UTC) + timedelta(days=day),
                uncached_input_tokens=tokens,
                output_tokens=output,
                outcome=outcome,
            )
            for tokens, output, day, outcome in calls
        ]
        insert_rows(ledger, rows)
        again(ledger)
        before, closed = costs(ledger), sums(ledger)
        if close:
            close_month(ledger, "2026-01", "UTC", now=AFTER)
        runs = []
        for change in changes:
            ledger.cursor().execute("update prices set usd = usd + ?", [change])
            runs.append(again(ledger).run_id)
        for run in reversed(runs):
            if run:
                undo(ledger, run)
        assert costs(ledger) == before
        assert sums(ledger) == closed


def sums(ledger: Ledger) -> Any:
    """What calls sum to, and what all corrections together come to."""
    found = ledger.cursor().execute(
        "select (select sum(cost) from calls), (select coalesce(sum(coalesce(new_cost, 0) -"
        " coalesce(old_cost, 0)), 0) from repriced_calls where month is not null)"
    )
    return found.fetchall()


def test_the_command_is_the_same_with_and_without_an_owner(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with ledger_with(places, [make_call(), make_call(ts=NOON + timedelta(days=1))]) as ledger:
        double(ledger)
    asked = ["reprice", "--since", "2026-08-01", "--dry-run", "--format", "json"]
    assert main(asked) == 0
    alone = json.loads(capsys.readouterr().out)
    with Ledger.open(places) as ledger, Listener(places, responder(ledger, places)):
        with connect(places) as session:
            given = {"since": ALWAYS[0], "until": ALWAYS[1], "reason": "x", "dry_run": True}
            assert session.command("reprice", **given)["moved"] == alone["moved"]
        assert ledger.changes == 1
    assert alone["changed"] == 2 and alone["run_id"] is None


def test_reprice_undo_and_runs_from_the_shell(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    with ledger_with(places, [make_call()]) as ledger:
        double(ledger)
    assert main(["reprice", "--since", "2026-08-01", "--reason", "wrong list"]) == 0
    said = capsys.readouterr().out
    assert "1 calls looked at, 1 got another cost" in said
    assert "$0.000124800 → $0.000249600" in said and "hf-ledger reprice --undo 1" in said
    assert main(["reprice", "--undo", "1"]) == 0
    assert "$0.000249600 → $0.000124800" in capsys.readouterr().out
    assert main(["reprice", "--runs"]) == 0
    assert "wrong list, undone by run 2" in capsys.readouterr().out
    assert main(["reprice", "--runs", "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("run_id,ran_at,reason")


def test_nothing_to_reprice_says_so(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_with(places, [make_call()]).close()
    assert main(["reprice", "--since", "2026-08-01"]) == 0
    assert "every cost is as it would be now" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options", [[], ["--since", "2026-08-01", "--undo", "1"], ["--runs", "--undo", "1"]]
)
def test_one_thing_at_a_time(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprice", *options]) == 2
    assert "give --since DATE" in capsys.readouterr().err


def test_rows_for_spreadsheets(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    with ledger_with(places, [make_call()]) as ledger:
        double(ledger)
    assert main(["reprice", "--since", "2026-08-01", "--dry-run", "--format", "csv"]) == 0
    row = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert (row["day"], row["model"], row["calls"]) == ("2026-08-12", LLAMA, "1")
    assert Decimal(row["after"]) == 2 * Decimal(row["before"])
