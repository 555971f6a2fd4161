"""Closing months: sums stay, repricing writes corrections, late calls are counted apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories_calls import insert_rows, ledger_with, make_call, make_row

from hf_ledger.analytics.questions import answer
from hf_ledger.cli import main
from hf_ledger.ingest.catalogue.months import bounds, close_month
from hf_ledger.ingest.catalogue.repricing import Repriced, reprice, undo
from hf_ledger.ingest.errors import Usage
from hf_ledger.ingest.ledger.ledger import Ledger
from hf_ledger.ingest.places import Places

OCTOBER = datetime(2026, 10, 15, 12, tzinfo=UTC)
AFTER = datetime(2026, 11, 23, tzinfo=UTC)
PRICE = Decimal("0.001")


def call(**given: Any) -> dict[str, Any]:
    usual = {"ts": OCTOBER, "cost": PRICE, "list_cost": PRICE, "cost_basis": "list_price_tokens"}
    return make_row(**{**usual, **given})


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.memory(reference=True) as opened:
        yield opened


def months(ledger: Ledger) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer(ledger.cursor(), "months").to_pylist()
    return rows


def again(ledger: Ledger, price: str | None = None) -> Repriced:
    if price:
        ledger.cursor().execute("update prices set usd = ?", [price])
    span = (OCTOBER - timedelta(days=90), OCTOBER + timedelta(days=30))
    return reprice(ledger, *span, "test", now=AFTER)


def test_the_sums_are_exact_and_of_ones_own_calls(ledger: Ledger) -> None:
    insert_rows(ledger, [call() for _ in range(3)])
    insert_rows(ledger, [call(origin="import"), call(origin="sample"), call(origin="practice")])
    insert_rows(ledger, [call(cost=None, list_cost=None, cost_basis="unknown")])
    insert_rows(ledger, [call(ts=OCTOBER + timedelta(days=31))])
    done = close_month(ledger, "2026-10", "UTC", now=AFTER)
    assert (done.calls, done.priced_calls, done.unpriced_calls) == (5, 4, 1)
    assert done.cost == done.list_cost == 4 * PRICE


def test_a_month_without_a_known_price_is_unknown_not_nothing(ledger: Ledger) -> None:
    insert_rows(ledger, [call(cost=None, list_cost=None, cost_basis="unknown")])
    assert close_month(ledger, "2026-10", "UTC", now=AFTER).cost is None
    assert months(ledger)[0]["cost_now"] is None


def test_the_zone_says_where_a_month_begins(ledger: Ledger) -> None:
    late = datetime(2026, 9, 30, 22, 30, tzinfo=UTC)  # 00:30 on 1 October in Berlin
    insert_rows(ledger, [call(ts=late)])
    assert close_month(ledger, "2026-10", "Europe/Berlin", now=AFTER).calls == 1
    with pytest.raises(Usage, match="overlaps 2026-10, closed in Europe/Berlin"):
        close_month(ledger, "2026-09", "UTC", now=AFTER)
    assert close_month(ledger, "2026-09", "Europe/Berlin", now=AFTER).calls == 0


def test_october_has_an_hour_more_in_berlin() -> None:
    since, until = bounds("2026-10", "Europe/Berlin")
    assert until.astimezone(UTC) - since.astimezone(UTC) == timedelta(days=31, hours=1)


@pytest.mark.parametrize("month", ["2026-13", "2026", "10-2026", "2026-1", "last", "2026-10-01"])
def test_what_is_no_month_is_refused(ledger: Ledger, month: str) -> None:
    with pytest.raises(Usage, match="is no month"):
        close_month(ledger, month, "UTC", now=AFTER)


def test_a_month_that_is_not_over_and_one_closed_are_refused(ledger: Ledger) -> None:
    with pytest.raises(Usage, match="not over yet"):
        close_month(ledger, "2026-11", "UTC", now=AFTER)
    close_month(ledger, "2026-10", "UTC", now=AFTER)
    with pytest.raises(Usage, match=r"was closed on 23 Nov 2026; it stays closed"):
        close_month(ledger, "2026-10", "UTC", now=AFTER)
    assert len(months(ledger)) == 1


def test_repricing_a_closed_month_writes_corrections(ledger: Ledger) -> None:
    insert_rows(ledger, [call(), call(ts=datetime(2026, 9, 1, tzinfo=UTC))])
    again(ledger)
    closed = close_month(ledger, "2026-10", "UTC", now=AFTER)
    before = ledger.cursor().execute("select cost from calls order by ts").fetchall()
    done = again(ledger, "2")
    assert (done.changed, done.corrected) == (1, 1)
    after = ledger.cursor().execute("select cost from calls order by ts").fetchall()
    corrected = (100 + 20) * Decimal(2) / 1_000_000
    assert after == [(corrected,), before[1]]
    (month,) = months(ledger)
    assert month["cost"] == closed.cost == before[1][0]
    assert month["corrections"] == corrected - before[1][0]
    assert (month["corrected_calls"], month["cost_now"]) == (1, corrected)


def test_a_second_correction_starts_from_the_first(ledger: Ledger) -> None:
    insert_rows(ledger, [call()])
    again(ledger)
    close_month(ledger, "2026-10", "UTC", now=AFTER)
    again(ledger, "2")
    assert again(ledger).corrected == 0  # nothing moved since
    again(ledger, "3")
    (month,) = months(ledger)
    assert month["cost_now"] == 120 * Decimal(3) / 1_000_000
    assert month["corrected_calls"] == 1


def test_undoing_a_correction_is_one_more(ledger: Ledger) -> None:
    insert_rows(ledger, [call()])
    again(ledger)
    close_month(ledger, "2026-10", "UTC", now=AFTER)
    run = again(ledger, "2").run_id
    undone = undo(ledger, run or 0)
    assert (undone.changed, undone.corrected) == (0, 1)
    (month,) = months(ledger)
    assert (month["corrections"], month["cost_now"]) == (0, month["cost"])


def test_a_run_undone_after_the_close_corrects_the_month(ledger: Ledger) -> None:
    """The run changed the call while its month was open: the closed figure stands, with a note."""
    insert_rows(ledger, [call()])
    again(ledger)
    (first,) = ledger.cursor().execute("select cost from calls").fetchall()
    run = again(ledger, "2").run_id
    closed = close_month(ledger, "2026-10", "UTC", now=AFTER)
    assert undo(ledger, run or 0).corrected == 1
    (month,) = months(ledger)
    assert month["cost"] == closed.cost == 120 * Decimal(2) / 1_000_000
    assert month["cost_now"] == first[0]


def test_late_calls_are_counted_and_shown(ledger: Ledger) -> None:
    insert_rows(ledger, [call()])
    close_month(ledger, "2026-10", "UTC", now=AFTER)
    insert_rows(ledger, [call(), call(cost=None, list_cost=None, cost_basis="unknown")])
    (month,) = months(ledger)
    assert (month["calls"], month["late_calls"], month["late_cost"]) == (1, 2, PRICE)
    assert month["cost_now"] == month["cost"] + month["late_cost"]


def test_a_sample_in_a_closed_month_is_repriced_like_any_other(ledger: Ledger) -> None:
    insert_rows(ledger, [call(origin="sample")])
    close_month(ledger, "2026-10", "UTC", now=AFTER)
    done = again(ledger, "2")
    assert (done.changed, done.corrected) == (1, 0)


def test_the_sums_of_an_empty_month_are_plain_zeros(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not "0E-9", which is how a decimal zero of nine places calls itself."""
    Ledger.open(places).close()
    assert main(["month", "close", "2026-01", "--format", "json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["cost"], done["list_cost"], done["endpoint_cost"]) == (
        "0.000000000", "0.000000000", None,
    )  # fmt: skip


def test_from_the_shell(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_with(places, [make_call(ts=OCTOBER)]).close()
    assert main(["month", "list"]) == 0
    assert "No month is closed yet" in capsys.readouterr().out
    assert main(["month", "close", "2026-10", "--format", "json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["month"], done["calls"], done["cost"]) == ("2026-10", 1, "0.000124800")
    ledger_with(places, [make_call(ts=OCTOBER)]).close()
    assert main(["month", "list"]) == 0
    said = capsys.readouterr().out
    assert "$0.000124800" in said and "1 calls arrived late" in said and "$0.000249600" in said
    for shape in ("json", "csv"):
        assert main(["month", "list", "--format", shape]) == 0
        assert "0.000249600" in capsys.readouterr().out
    assert main(["month", "close", "2026-10"]) == 2
    assert "stays closed" in capsys.readouterr().err


def test_correction_from_the_shell(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_with(places, [make_call(ts=OCTOBER)]).close()
    assert main(["month", "close", "2026-10"]) == 0
    assert "2026-10 is closed: 1 calls, $0.000124800" in capsys.readouterr().out
    with Ledger.open(places) as ledger:
        ledger.cursor().execute("update prices set usd = usd * 2")
    assert main(["reprice", "--since", "2026-10-01"]) == 0
    said = capsys.readouterr().out
    assert "1 calls of closed months got a correction" in said
    assert "(correction to 2026-10)" in said
    assert main(["month", "list"]) == 0
    assert "corrections to 1 calls $0.000124800" in capsys.readouterr().out
