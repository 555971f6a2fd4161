"""The book's commands from the shell: alone or through the owner alike, and exact to the cent."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories_calls import NOON, insert_rows, ledger_with, make_call, make_row
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hf_ledger.analytics.connect import responder
from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.chores import COMMANDS, perform
from hf_ledger.ingest.catalogue.months import close_month
from hf_ledger.ingest.catalogue.repricing import Repriced, reprice, undo
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.ledger.socket import Listener
from hf_ledger.ingest.places import Places

LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
COSTS = "select call_id, list_cost, cost, cost_basis, price_id, payer from calls order by all"


def costs(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.cursor().execute(COSTS).fetchall()


def again(ledger: Ledger, **given_: Any) -> Repriced:
    return reprice(ledger, AUGUST, NOVEMBER, "test", now=NOVEMBER, **given_)


calls = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.integers(0, 10**5),
        st.integers(0, 80),
        st.sampled_from(["ok", "error", "interrupted"]),
        st.sampled_from([LLAMA, "nobody/knows-it"]),
    ),
    min_size=1,
    max_size=10,
)


def filled(ledger: Ledger, found: list[tuple[int, int, int, str, str]]) -> None:
    rows = [
        make_row(
            ts=AUGUST + timedelta(days=day, hours=1),
            uncached_input_tokens=tokens,
            output_tokens=output,
            outcome=outcome,
            model=model,
        )
        for tokens, output, day, outcome, model in found
    ]
    insert_rows(ledger, rows)
    again(ledger)


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(calls, st.decimals("0.001", "9", places=3), st.booleans())
def test_rows_by_day_and_model_sum_to_what_the_ledger_moves(
    found: list[tuple[int, int, int, str, str]], rise: Decimal, close: bool
) -> None:
    """Before and after of the rows, dry and real, are the ledger's own sums, corrections apart."""
    with Ledger.memory(reference=True) as ledger:
        filled(ledger, found)
        if close:
            close_month(ledger, "2026-08", "UTC", now=NOVEMBER)
        before = costs(ledger)
        ledger.cursor().execute("update prices set usd = usd + ?", [rise])
        dry = again(ledger, dry_run=True)
        assert costs(ledger) == before
        done = again(ledger)
        assert (dry.calls, dry.changed, dry.moved) == (done.calls, done.changed, done.moved)
        after = costs(ledger)
        open_rows = [each for each in done.moved if each.month is None]
        moved = sum((each.after or 0) - (each.before or 0) for each in open_rows)
        assert total(after) - total(before) == moved
        assert done.changed == sum(each.calls for each in open_rows)
        if close:
            assert {each.month for each in done.moved if each.day < "2026-09"} <= {"2026-08"}
            assert all(each.day >= "2026-09" for each in open_rows)
        if done.run_id:
            undo(ledger, done.run_id)
        assert costs(ledger) == before


def total(rows: list[tuple[Any, ...]]) -> Decimal:
    return sum((row[2] for row in rows if row[2] is not None), Decimal(0))


def test_a_second_dry_run_says_the_same() -> None:
    with Ledger.memory(reference=True) as ledger:
        filled(ledger, [(1000, 100, day, "ok", LLAMA) for day in range(5)])
        ledger.cursor().execute("update prices set usd = usd * 3")
        first, second = again(ledger, dry_run=True), again(ledger, dry_run=True)
        assert first == second
        assert [each.day for each in first.moved] == [f"2026-08-0{day}" for day in range(1, 6)]


def test_an_undo_can_be_tried_dry() -> None:
    with Ledger.memory(reference=True) as ledger:
        filled(ledger, [(1000, 100, 1, "ok", LLAMA)])
        ledger.cursor().execute("update prices set usd = usd * 3")
        run = again(ledger).run_id
        after = costs(ledger)
        dry = undo(ledger, run or 0, dry_run=True)
        assert (dry.run_id, dry.changed) == (None, 1)
        assert costs(ledger) == after
        assert undo(ledger, run or 0).moved == dry.moved


@contextmanager
def owned(places: Places) -> Iterator[None]:
    """An owner that holds the ledger and answers on its socket."""
    with Ledger.open(places) as ledger, Listener(places, responder(ledger, places)):
        yield


def both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *argv: str
) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of a command on two equal ledgers: alone, then owned."""
    said = []
    for name in ("alone", "owned"):
        places = Places(tmp_path / name)
        monkeypatch.setenv("HF_LEDGER_DIR", str(places.root))
        found = [make_call(ts=NOON), make_call(ts=NOON + timedelta(days=40), output_tokens=777)]
        with ledger_with(places, found) as ledger:
            ledger.cursor().execute("update prices set usd = usd * 2")
        capsys.readouterr()
        with owned(places) if name == "owned" else nullcontext():
            code = main(list(argv))
        told = capsys.readouterr()
        said.append((code, told.out, told.err))
    return said


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("reprice", "--since", "2026-08-01", "--format", "json"), 0),
        (("reprice", "--since", "2026-08-01", "--dry-run"), 0),
        (("reprice", "--since", "2026-08-01", "--format", "csv"), 0),
        (("reprice", "--undo", "7"), 2),
        (("reprice", "--runs"), 0),
        (("month", "close", "2026-08", "--format", "json"), 0),
        (("month", "close", "2026-08"), 0),
        (("month", "close", "2999-01"), 2),
        (("month", "close", "2026-8"), 2),
        (("month", "list"), 0),
        (("endpoints", "hours", "--format", "json"), 0),
    ],
)
def test_the_owner_changes_no_answer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: tuple[str, ...],
    code: int,
) -> None:
    alone, through = both_ways(tmp_path, monkeypatch, capsys, *argv)
    assert alone == through
    assert alone[0] == code
    assert alone[2].count("\n") == (1 if code else 0)
    assert "Traceback" not in alone[2]


def test_the_sum_closed_is_the_sum_of_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("month", "close", "2026-09", "--format", "json")
    for _, out, _ in both_ways(tmp_path, monkeypatch, capsys, *argv):
        done = json.loads(out)
        assert done["calls"] == 1
        assert Decimal(done["cost"]) == (100 + 777) * Decimal("1.04") / 1_000_000


def test_the_rows_for_spreadsheets_sum_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("reprice", "--since", "2026-08-01", "--format", "csv")
    for _, out, _ in both_ways(tmp_path, monkeypatch, capsys, *argv):
        rows = list(csv.DictReader(out.splitlines()))
        before = sum(Decimal(row["before"]) for row in rows)
        assert before == (120 + 877) * Decimal("1.04") / 1_000_000
        assert sum(Decimal(row["after"]) for row in rows) == 2 * before


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("reprice", "--since", "nonsense"), "nonsense"),
        (("reprice", "--since", "2026-09-01", "--until", "2026-08-01"), "2026"),
        (("month", "close", "2026-10", "--zone", "Mars/Base"), "Mars/Base"),
        (("prices", "import", "nowhere.csv"), "nowhere.csv can't be read"),
        (("endpoints", "import", "nowhere.csv"), "nowhere.csv"),
        (("endpoints", "poll"), "endpoint_namespace"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    argv: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(argv)) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""
    assert "Traceback" not in told.err and told.err.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_parameters_that_are_not_its_own_change_nothing(name: str) -> None:
    with Ledger.memory(reference=True) as ledger:
        for payload in (b"[]", b"{}", b"no json", b'{"since": 3}'):
            with pytest.raises(Usage, match="not the parameters"):
                perform(ledger, name, payload)
        assert ledger.changes == 0


def test_a_contract_imported_holds_after_repricing(
    tmp_path: Path, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tenth off the list, on calls that were there before: cost falls, the list price stays."""
    ledger_with(places, [make_call()]).close()
    path = tmp_path / "ours.csv"
    path.write_text("provider,discount_percent,valid_from\ntogether,10,2026-08-01\n")
    assert main(["prices", "import", str(path)]) == 0
    assert "1 agreed prices of ours.csv" in capsys.readouterr().out
    assert main(["reprice", "--since", "2026-08-01"]) == 0
    listed = 120 * Decimal("1.04") / 1_000_000
    with Ledger.open(places) as ledger:
        found = ledger.cursor().execute("select cost, list_cost from calls").fetchall()
    assert found == [(listed * Decimal("0.9"), listed)]
